import { beforeEach, describe, expect, it } from "vitest";
import {
  type Draft,
  draftKey,
  loadDraft,
  projectsWithDrafts,
  removeDraft,
  type Shelf,
  saveDraft,
} from "./draft";
import { emptyForm } from "./taskForm";

class Kept implements Shelf {
  readonly held = new Map<string, string>();
  getItem = (key: string) => this.held.get(key) ?? null;
  setItem = (key: string, value: string) => void this.held.set(key, value);
  removeItem = (key: string) => void this.held.delete(key);
}

const FORM = emptyForm({ stamp: "20260223-204858", slug: "x7k2p", agent: "claude", cwd: "/srv" });
const DRAFT: Draft = { version: 1, id: "a", saved_at: 1, form: { ...FORM, prompt: "Überarbeite 🙂" } };
const KEY = draftKey("p");

describe("drafts", () => {
  let shelf: Kept;
  beforeEach(() => {
    shelf = new Kept();
  });

  it("are saved and restored as they were, with what was sent", () => {
    const sent = { ...DRAFT, sent: { key: "k", body: '{"task_id":"t"}' } };
    expect(saveDraft(shelf, KEY, sent)).toBe(true);
    expect(loadDraft(shelf, KEY)).toEqual(sent);
  });

  it("are kept for each project, and for each message that is answered", () => {
    const answering = { project_id: "p", task_id: "t", run_id: "r", message_id: "MSG-1", type: "QUESTION" };
    saveDraft(shelf, KEY, DRAFT);
    expect(loadDraft(shelf, draftKey("q"))).toBeUndefined();
    expect(loadDraft(shelf, draftKey("p", answering))).toBeUndefined();
    saveDraft(shelf, draftKey("p", answering), { ...DRAFT, answering });
    expect(loadDraft(shelf, draftKey("p", answering))?.answering).toEqual(answering);
  });

  it("are removed only if they are the one that is meant", () => {
    saveDraft(shelf, KEY, DRAFT);
    removeDraft(shelf, KEY, "another");
    expect(loadDraft(shelf, KEY)).toEqual(DRAFT);
    removeDraft(shelf, KEY, "a");
    expect(loadDraft(shelf, KEY)).toBeUndefined();
  });

  it("are found when the page is loaded again, the latest first", () => {
    saveDraft(localStorage, draftKey("old"), DRAFT);
    saveDraft(localStorage, draftKey("new"), { ...DRAFT, saved_at: 2 });
    localStorage.setItem(draftKey("broken"), "{");
    localStorage.setItem("conductor.theme", "dark");
    expect(projectsWithDrafts(localStorage)).toEqual(["new", "old"]);
  });

  it("that cannot be understood are none", () => {
    for (const text of ["", "{", "null", "[]", '{"version":2}', JSON.stringify({ ...DRAFT, form: {} })]) {
      shelf.held.set(KEY, text);
      expect(loadDraft(shelf, KEY), text).toBeUndefined();
    }
  });

  it("say when the browser keeps nothing", () => {
    const full: Shelf = {
      getItem: () => {
        throw new Error("denied");
      },
      setItem: () => {
        throw new Error("quota");
      },
      removeItem: () => {
        throw new Error("denied");
      },
    };
    expect(saveDraft(full, KEY, DRAFT)).toBe(false);
    expect(loadDraft(full, KEY)).toBeUndefined();
    expect(() => removeDraft(full, KEY, "a")).not.toThrow();
  });
});
