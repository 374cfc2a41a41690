import { describe, expect, it } from "vitest";
import { emptyForm, fieldOf, isWorthKeeping, problemsOf, requestOf, type TaskForm } from "./taskForm";

const PRISTINE = emptyForm({ stamp: "20260223-204858", slug: "x7k2p", agent: "claude", cwd: "/srv/work" });
const NOTHING = { tasks: new Set<string>() };
const form = (change: Partial<TaskForm>): TaskForm => ({ ...PRISTINE, prompt: "Do it.", ...change });

describe("the form of a new task", () => {
  it("needs an agent, a prompt and a name", () => {
    expect(problemsOf(form({}), NOTHING)).toEqual({});
    expect(Object.keys(problemsOf(form({ agent: " ", prompt: "\n", slug: "a" }), NOTHING)).sort()).toEqual([
      "agent",
      "prompt",
      "slug",
    ]);
  });

  it("refuses relative folders and ids that are taken before anything is sent", () => {
    expect(problemsOf(form({ cwd: "work" }), NOTHING).cwd).toBe(
      "Folder path must be absolute (or use ~/...)",
    );
    expect(problemsOf(form({ cwd: "/a\0b" }), NOTHING).cwd).toBe("Folder path contains invalid characters");
    for (const cwd of ["", "/srv", "~/work", "C:\\work", "\\\\host\\share"]) {
      expect(problemsOf(form({ cwd }), NOTHING).cwd, cwd).toBeUndefined();
    }
    const taken = { tasks: new Set(["task-20260223-204858-x7k2p"]) };
    expect(problemsOf(form({}), taken).slug).toMatch(/exists already/);
  });

  it("checks each budget", () => {
    const wrong = { maxCost: "much", maxTokens: "x", maxDuration: "soon", maxAttempts: "0" };
    expect(Object.keys(problemsOf(form(wrong), NOTHING)).sort()).toEqual([
      "maxAttempts",
      "maxCost",
      "maxDuration",
      "maxTokens",
    ]);
  });

  it("becomes a request that says only what was asked for", () => {
    expect(requestOf("p", form({}))).toEqual({
      project_id: "p",
      task_id: "task-20260223-204858-x7k2p",
      agent_type: "claude",
      prompt: "Do it.",
      attach_mode: "create",
      project_root: "/srv/work",
    });
    const request = requestOf(
      "p",
      form({
        slug: "docs-",
        cwd: " ",
        dependsOn: ["task-20260220-100000-schema"],
        gates: ["cargo test", "  "],
        maxCost: "$2.50",
        maxTokens: "500k",
        maxDuration: "2h",
        maxAttempts: "10",
      }),
    );
    expect(request).toMatchObject({
      task_id: "task-20260223-204858-docs",
      depends_on: ["task-20260220-100000-schema"],
      policy: {
        gates: ["cargo test"],
        max_cost_usd: "2.50",
        max_tokens: 500_000,
        max_task_duration_ms: 7_200_000,
        max_attempts: 10,
      },
    });
    expect(request.project_root).toBeUndefined();
  });

  it("names the message that it answers", () => {
    const parent = { project_id: "p", task_id: "t", run_id: "r", message_id: "m" };
    const request = requestOf("p", form({}), { ...parent, type: "QUESTION" });
    expect(request).toMatchObject({ thread_parent: parent, thread_message_type: "USER_REQUEST" });
  });

  it("shows what the server refuses at the field that it is about", () => {
    expect(fieldOf({ message: "unknown agent", field: "agent_type" })).toBe("agent");
    expect(fieldOf({ message: "project_root does not exist: /x" })).toBe("cwd");
    expect(fieldOf({ message: 'max_cost_usd: "x" is no amount of money' })).toBe("maxCost");
    expect(fieldOf({ message: "the disk is full" })).toBeUndefined();
    expect(fieldOf({ message: "x", field: "unknown" })).toBeUndefined();
  });

  it("is kept once somebody has put work into it", () => {
    expect(isWorthKeeping(PRISTINE, PRISTINE)).toBe(false);
    expect(isWorthKeeping({ ...PRISTINE, stamp: "20260223-204900" }, PRISTINE)).toBe(false);
    expect(isWorthKeeping(form({}), PRISTINE)).toBe(true);
    expect(isWorthKeeping({ ...PRISTINE, slug: "named" }, PRISTINE)).toBe(true);
  });
});
