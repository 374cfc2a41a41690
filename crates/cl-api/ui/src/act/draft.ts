/**
 * Drafts of tasks: in local storage after every change, until the server has confirmed the task or
 * somebody throws the draft away. What is sent is written down before it is sent, with its key, so
 * that whoever comes back after a crash can send the very same request again.
 */

import type { Answering, TaskForm } from "./taskForm";

/** A request that was sent, or is about to be. */
export interface Sent {
  /** The same key, the same task. */
  key: string;
  /** The body, as it goes over the wire. */
  body: string;
}

export interface Draft {
  version: 1;
  /** Tells this draft from one that another tab began later. */
  id: string;
  saved_at: number;
  form: TaskForm;
  answering?: Answering;
  /** Sent, and not known to have been refused. */
  sent?: Sent;
}

/** The part of `Storage` that is used here. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const PREFIX = "conductor.draft.";
/** The toast that says that there is a draft. */
export const DRAFT_NOTICE = "draft-notice";

/** Returns where the draft of a project stands; an answer to a message has a draft of its own. */
export function draftKey(project: string, answering?: Answering): string {
  return answering ? `${PREFIX}answer.${project}.${answering.message_id}` : `${PREFIX}task.${project}`;
}

/** Returns the draft that stands there, if there is one that this version understands. */
export function loadDraft(shelf: Shelf, key: string): Draft | undefined {
  let text: string | null;
  try {
    text = shelf.getItem(key);
  } catch {
    return undefined;
  }
  if (text === null) return undefined;
  try {
    return understood(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Keeps a draft; returns false where the browser has no room or keeps nothing. */
export function saveDraft(shelf: Shelf, key: string, draft: Draft): boolean {
  try {
    shelf.setItem(key, JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

/** Removes a draft, unless another one was begun in its place meanwhile. */
export function removeDraft(shelf: Shelf, key: string, id: string): void {
  const standing = loadDraft(shelf, key);
  if (standing && standing.id !== id) return;
  try {
    shelf.removeItem(key);
  } catch {
    // Nothing was kept, so nothing is left.
  }
}

function understood(value: unknown): Draft | undefined {
  if (!isRecord(value) || value.version !== 1 || typeof value.id !== "string") return undefined;
  if (typeof value.saved_at !== "number" || !isForm(value.form)) return undefined;
  const draft: Draft = { version: 1, id: value.id, saved_at: value.saved_at, form: value.form };
  if (isRecord(value.answering)) draft.answering = value.answering as unknown as Answering;
  const sent = value.sent;
  if (isRecord(sent) && typeof sent.key === "string" && typeof sent.body === "string") {
    draft.sent = { key: sent.key, body: sent.body };
  }
  return draft;
}

const TEXTS = [
  "stamp",
  "slug",
  "agent",
  "prompt",
  "cwd",
  "maxCost",
  "maxTokens",
  "maxDuration",
  "maxAttempts",
] as const;

function isForm(value: unknown): value is TaskForm {
  if (!isRecord(value)) return false;
  const isList = (list: unknown) => Array.isArray(list) && list.every((it) => typeof it === "string");
  return (
    TEXTS.every((name) => typeof value[name] === "string") && isList(value.dependsOn) && isList(value.gates)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the projects that have a draft of a task, the latest first. */
export function projectsWithDrafts(shelf: Shelf & Pick<Storage, "key" | "length">): string[] {
  const found: { project: string; at: number }[] = [];
  try {
    for (let n = 0; n < shelf.length; n += 1) {
      const key = shelf.key(n) ?? "";
      const draft = key.startsWith(`${PREFIX}task.`) ? loadDraft(shelf, key) : undefined;
      if (draft) found.push({ project: key.slice(`${PREFIX}task.`.length), at: draft.saved_at });
    }
  } catch {
    return [];
  }
  return found.sort((one, other) => other.at - one.at).map(({ project }) => project);
}
