/** What of messages is shown: which, how they hang together, and how their bodies look. */

import { shortTaskId } from "../act/ids";
import type { Item } from "./messages";

export interface BusFilter {
  text: string;
  /** Exactly this type; empty for all. */
  type: string;
}

export const ALL: BusFilter = { text: "", type: "" };

/** Tells whether a filter lets everything through. */
export function isOpenFilter(filter: BusFilter): boolean {
  return filter.text.trim() === "" && filter.type === "";
}

/** Returns the messages that fit; the same list if all do because nothing was asked for. */
export function matching(items: readonly Item[], filter: BusFilter): readonly Item[] {
  if (isOpenFilter(filter)) return items;
  const wanted = filter.text.trim().toLowerCase();
  const type = filter.type.toLowerCase();
  return items.filter((item) => {
    if (type !== "" && item.type.toLowerCase() !== type) return false;
    if (wanted === "") return true;
    const fields = [
      item.body,
      item.msg_id,
      item.type,
      sourceOf(item),
      item.project_id,
      item.task_id,
      item.run_id,
    ];
    return fields.some((field) => field?.toLowerCase().includes(wanted));
  });
}

/** A message in its thread. */
export interface Row {
  item: Item;
  /** 0 for the first of a thread. */
  depth: number;
  /** The last one of its thread. */
  isLast: boolean;
}

const DEEPEST = 3;

/**
 * Puts answers below what they answer, oldest first; threads stand in the order of their latest
 * message. `items` is newest first.
 */
export function threaded(items: readonly Item[]): Row[] {
  const shown = new Map(items.map((item, at) => [item.msg_id, at]));
  const answers = new Map<string, Item[]>();
  const roots: Item[] = [];
  for (const item of items) {
    const parent = parentIn(item, shown);
    if (parent === undefined) roots.push(item);
    else {
      const known = answers.get(parent);
      if (known) known.push(item);
      else answers.set(parent, [item]);
    }
  }
  const threads = roots.map((root) => {
    const rows: Row[] = [];
    let latest = Number.POSITIVE_INFINITY;
    const waiting = [{ item: root, depth: 0 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { item, depth } = next;
      rows.push({ item, depth: Math.min(depth, DEEPEST), isLast: false });
      latest = Math.min(latest, shown.get(item.msg_id) ?? latest);
      // Newest first, so that the oldest is taken next.
      for (const answer of answers.get(item.msg_id) ?? []) waiting.push({ item: answer, depth: depth + 1 });
    }
    const last = rows.at(-1);
    if (last) last.isLast = true;
    return { rows, latest };
  });
  threads.sort((one, other) => one.latest - other.latest);
  return threads.flatMap((thread) => thread.rows);
}

/** Each message by itself. */
export function flat(items: readonly Item[]): Row[] {
  return items.map((item) => ({ item, depth: 0, isLast: true }));
}

/** Returns the first parent that is shown and older; so nothing stands below itself. */
function parentIn(item: Item, shown: ReadonlyMap<string, number>): string | undefined {
  const own = shown.get(item.msg_id) ?? -1;
  return item.parents?.find((parent) => (shown.get(parent.msg_id) ?? -1) > own)?.msg_id;
}

/** Returns who says it. */
export function sourceOf(item: Item): string {
  for (const name of ["source", "author", "agent", "sender", "origin"]) {
    const said = item.meta?.[name];
    if (said) return said;
  }
  if (item.run_id) return item.run_id;
  if (item.task_id) return shortTaskId(item.task_id);
  return item.project_id || "unknown";
}

export const LONGEST_BODY = 1800;
export const MOST_LINES = 18;
const LONGEST_JSON = 10_000;

/** Tells whether a message is an event that the supervisor tells of a run; its first line says it all. */
export function isRunEvent(type: string): boolean {
  return type.startsWith("RUN_") && type !== "RUN_CRASH";
}

/** Returns the beginning of a long body; none if it is short enough to be shown whole. */
export function beginningOf(body: string, mostLines = MOST_LINES): string | undefined {
  let end = Math.min(body.length, LONGEST_BODY);
  let lines = 0;
  for (let at = body.indexOf("\n"); at >= 0 && at < end; at = body.indexOf("\n", at + 1)) {
    lines += 1;
    if (lines === mostLines) end = at;
  }
  if (end >= body.trimEnd().length) return undefined;
  // Half a character is none.
  const code = body.charCodeAt(end - 1);
  return body.slice(0, code >= 0xd800 && code <= 0xdbff ? end - 1 : end);
}

/** Returns a body that is JSON in a readable form. */
export function readableJson(body: string): string | undefined {
  const text = body.trim();
  if (text.length > LONGEST_JSON || !/^[{[]/.test(text)) return undefined;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined;
  }
}

/** Tells whether a body has marks of Markdown; plain lines keep their breaks as they are. */
export function looksLikeMarkdown(body: string): boolean {
  return (
    /^(?:#{1,6} |[-*+] |\d{1,3}[.)] |> |```|\|.*\|)/m.test(body) ||
    /\*\*[^*\n]+\*\*|`[^`\n]+`|\[[^\]\n]+\]\([^)\n]+\)/.test(body)
  );
}

/** A place in the UI that a message speaks of. */
export interface Place {
  project: string;
  task: string;
  run?: string;
  msg?: string;
}

/** Returns where the message stands that this one answers, if it is on another bus. */
export function sourceMessage(item: Item): Place | undefined {
  const meta = item.meta;
  if (!meta?.thread_parent_task_id || !meta.thread_parent_project_id) return undefined;
  if (meta.thread_parent_task_id === item.task_id) return undefined;
  const place: Place = { project: meta.thread_parent_project_id, task: meta.thread_parent_task_id };
  if (meta.thread_parent_message_id) place.msg = meta.thread_parent_message_id;
  return place;
}

/** Returns the task that was opened to answer, if the message tells of one. */
export function childTask(item: Item): Place | undefined {
  const meta = item.meta;
  if (!meta?.thread_child_task_id || !meta.thread_child_project_id) return undefined;
  if (meta.thread_child_task_id === item.task_id) return undefined;
  const place: Place = { project: meta.thread_child_project_id, task: meta.thread_child_task_id };
  if (meta.thread_child_message_id) place.msg = meta.thread_child_message_id;
  return place;
}

/** Returns the tasks that answer each message, by its id. */
export function answerTasks(items: readonly Item[]): Map<string, Place[]> {
  const answers = new Map<string, Place[]>();
  for (const item of items) {
    const child = childTask(item);
    const source = item.meta?.thread_source_message_id ?? item.meta?.thread_parent_message_id;
    if (!child || !source) continue;
    const known = answers.get(source) ?? [];
    if (!known.some((place) => place.task === child.task)) answers.set(source, [...known, child]);
  }
  return answers;
}

/** Returns the questions that nobody has answered, by what is loaded. */
export function openQuestions(items: readonly Item[]): Set<string> {
  const open = new Set(items.filter((item) => item.type === "QUESTION").map((item) => item.msg_id));
  for (const item of items) {
    for (const parent of item.parents ?? []) if (item.type !== "QUESTION") open.delete(parent.msg_id);
  }
  for (const id of answerTasks(items).keys()) open.delete(id);
  return open;
}

/** Tells whether a task can be opened to answer the message. */
export function canAnswerInTask(item: Item): boolean {
  const isAnswerable = item.type === "QUESTION" || item.type === "FACT";
  return isAnswerable && Boolean(item.project_id && item.task_id && item.run_id);
}
