/**
 * What an agent's stream of JSON lines says, in the words of no particular agent.
 */

/** Tokens and money; what is not told is not there. */
export interface Spent {
  readonly input?: number;
  readonly cached?: number;
  readonly output?: number;
  readonly reasoning?: number;
  readonly costUsd?: number;
  readonly durationMs?: number;
  readonly turns?: number;
}

interface Common {
  /** Where the line begins that it was first told in; with `part` it names the item. */
  readonly at: number;
  /** Its number among the items of that line. */
  readonly part: number;
  /** When, in ms since 1970. */
  readonly time: number | null;
  /** Told by an agent that the agent has started. */
  readonly isNested?: true;
}

export type Item = Common &
  (
    | {
        readonly kind: "start";
        readonly agent: string;
        readonly facts: readonly (readonly [string, string])[];
      }
    | { readonly kind: "text"; readonly role: "assistant" | "user"; readonly text: string }
    | { readonly kind: "thinking"; readonly text: string }
    | {
        readonly kind: "tool";
        readonly id: string;
        readonly name: string;
        /** What it is about, on one line. */
        readonly summary: string;
        readonly input: string;
        readonly state: "running" | "ok" | "failed";
        readonly output: string | null;
      }
    | { readonly kind: "usage"; readonly spent: Spent }
    /** What went wrong and was not the end, or the reason of the end. */
    | { readonly kind: "error"; readonly text: string; readonly isFinal: boolean }
    | {
        readonly kind: "result";
        readonly isOk: boolean;
        readonly label: string;
        readonly text: string;
        readonly spent: Spent;
      }
    | { readonly kind: "note"; readonly label: string; readonly text: string }
    /** JSON that nobody here knows. */
    | { readonly kind: "json"; readonly label: string; readonly text: string }
    | { readonly kind: "plain"; readonly text: string }
  );

export type Kind = Item["kind"];

/** An item before it has its place. */
export type Said = Item extends infer Each
  ? Each extends Common
    ? Omit<Each, "at" | "part" | "time">
    : never
  : never;

/** What a line says of an item that was there before. */
export type Later =
  | {
      readonly kind: "answered";
      readonly id: string;
      readonly output: string;
      readonly isOk: boolean;
      /** The tool as far as the answer tells it, for when its call was not seen. */
      readonly name?: string;
      readonly input?: string;
      readonly summary?: string;
    }
  /** More of the text that came last. */
  | { readonly kind: "more"; readonly role: "assistant" | "user"; readonly text: string };

/** What a line says. */
export type Says = Said | Later;

/** A JSON object, as little as is known of it. */
export type Json = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Returns text as it is, and anything else as JSON. */
export function textOf(value: unknown): string {
  if (typeof value === "string") {
    return value;
  }
  return value === undefined || value === null ? "" : pretty(value);
}

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Leaves out what is not there. */
export function spentOf(known: { readonly [Key in keyof Spent]: Spent[Key] | undefined }): Spent {
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}

/** Says in one line what the input of a tool is about. */
export function summaryOf(input: unknown): string {
  if (typeof input === "string") {
    return oneLine(input);
  }
  const fields = objectOf(input);
  for (const key of [
    "command",
    "cmd",
    "file_path",
    "path",
    "absolute_path",
    "pattern",
    "query",
    "url",
    "description",
    "prompt",
  ]) {
    const value = fields[key];
    if (typeof value === "string" && value !== "") {
      return oneLine(value);
    }
  }
  const first = Object.values(fields).find((value) => typeof value === "string" && value !== "");
  return oneLine(
    typeof first === "string" ? first : Object.keys(fields).length > 0 ? JSON.stringify(fields) : "",
  );
}

const LONGEST_SUMMARY = 160;

function oneLine(text: string): string {
  const line = text
    .slice(0, 4 * LONGEST_SUMMARY)
    .replace(/\s+/g, " ")
    .trim();
  return line.length > LONGEST_SUMMARY ? `${line.slice(0, LONGEST_SUMMARY - 1)}…` : line;
}
