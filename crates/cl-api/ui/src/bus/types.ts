/** The types of messages: each has a colour, a shape and a word, so that no one of them has to tell it alone. */

export type Tone = "accent" | "ok" | "failed" | "running" | "queued" | "waiting" | "blocked" | "none";
/** Names of icons; what draws them knows no types. */
export type Shape =
  | "person"
  | "info"
  | "fact"
  | "progress"
  | "decision"
  | "question"
  | "answer"
  | "error"
  | "warning"
  | "start"
  | "stop"
  | "other";

export interface Look {
  tone: Tone;
  shape: Shape;
}

const LOOKS: Record<string, Look> = {
  USER: { tone: "accent", shape: "person" },
  USER_REQUEST: { tone: "accent", shape: "person" },
  INFO: { tone: "none", shape: "info" },
  FACT: { tone: "ok", shape: "fact" },
  PROGRESS: { tone: "queued", shape: "progress" },
  DECISION: { tone: "waiting", shape: "decision" },
  REVIEW: { tone: "waiting", shape: "decision" },
  QUESTION: { tone: "running", shape: "question" },
  ANSWER: { tone: "accent", shape: "answer" },
  ERROR: { tone: "failed", shape: "error" },
  RUN_CRASH: { tone: "failed", shape: "error" },
  WARNING: { tone: "blocked", shape: "warning" },
  RUN_START: { tone: "none", shape: "start" },
  RUN_STOP: { tone: "none", shape: "stop" },
};

/** Returns how messages of a type look; of one that nobody knows, plainly. */
export function lookOf(type: string): Look {
  return LOOKS[type.toUpperCase()] ?? { tone: "none", shape: "other" };
}

/** What a person can post. */
export const COMPOSED = [
  "USER",
  "INFO",
  "PROGRESS",
  "FACT",
  "DECISION",
  "QUESTION",
  "ANSWER",
  "ERROR",
] as const;

/** What a filter offers, besides the types that are there. */
export const USUAL = [
  "USER",
  "QUESTION",
  "ANSWER",
  "FACT",
  "PROGRESS",
  "DECISION",
  "INFO",
  "WARNING",
  "ERROR",
] as const;

/** Returns the types that a filter offers: those that are there, the usual ones first. */
export function offeredTypes(present: Iterable<string>): string[] {
  const there = new Set(present);
  const others = [...there].filter((type) => !USUAL.some((usual) => usual === type)).sort();
  return [...USUAL.filter((type) => there.has(type)), ...others];
}
