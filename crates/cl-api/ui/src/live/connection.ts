/**
 * The one connection as a state machine: what comes in, what is to be done. It knows no clock, no
 * network and no randomness, so every course of events can be played in a test; `runner.ts` does
 * what it says.
 *
 * What counts is told by `generation`: every attempt has a number, and whatever is heard of an
 * earlier one no longer matters.
 */
import type { StreamEvent } from "./sse";
import type { Change, Connection, FileKey } from "./world";

export interface Machine {
  readonly phase: Connection["phase"];
  readonly generation: number;
  /** The answer to the attempt that counts has begun. */
  readonly isOpen: boolean;
  /** Attempts in a row that came to nothing. */
  readonly failures: number;
  /** Where the stream goes on. */
  readonly lastId: string | undefined;
  readonly follow: readonly FileKey[];
  readonly complete: boolean;
  readonly staleSince: number | undefined;
  readonly retryAt: number | undefined;
  readonly error: string | undefined;
  readonly resets: number;
}

export type Input =
  | { type: "start" }
  | { type: "opened"; generation: number }
  | { type: "event"; generation: number; event: StreamEvent }
  /** The answer ended, was refused (`status`), or never came. */
  | { type: "ended"; generation: number; error: string; status?: number; retryAfter?: number }
  /** Nothing was heard for too long, not even a heartbeat. */
  | { type: "silent"; generation: number }
  /** The time to wait is over. */
  | { type: "waited"; generation: number }
  /** Something suggests that it may work now: the network is back, the page is looked at again. */
  | { type: "wake" }
  | { type: "follow"; files: readonly FileKey[] };

/** What the stream says, understood. */
export type Told =
  | { type: "connection"; connection: Connection }
  /** Everything is told from the beginning, up to `ready`. */
  | { type: "begin" }
  | { type: "change"; change: Change }
  | { type: "ready" }
  | { type: "grown"; key: FileKey; size: number; isNew: boolean; identity?: string; modified?: string };

export type Effect =
  | { type: "connect"; generation: number; lastId: string | undefined; follow: readonly FileKey[] }
  | { type: "abort" }
  | { type: "wait"; generation: number; ms: number }
  | { type: "told"; told: Told };

/** What the machine is told about the world around it. */
export interface Moment {
  /** Milliseconds. */
  now: number;
  /** From 0 to 1. */
  random: number;
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;

export const machine: Machine = {
  phase: "connecting",
  generation: 0,
  isOpen: false,
  failures: 0,
  lastId: undefined,
  follow: [],
  complete: false,
  staleSince: undefined,
  retryAt: undefined,
  error: undefined,
  resets: 0,
};

/** How long to wait after `failures` attempts that came to nothing, in milliseconds. */
export function waitAfter(failures: number, random: number): number {
  const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(failures - 1, 10));
  // Pages that lost the same server do not come back at the same moment.
  return Math.round(longest * (0.5 + random / 2));
}

/** What is told to those who show it. */
export function connectionOf(m: Machine): Connection {
  const { phase, complete, staleSince, retryAt, error, resets } = m;
  return { phase, complete, staleSince, retryAt, error, resets };
}

export function step(m: Machine, input: Input, moment: Moment): [Machine, Effect[]] {
  if ("generation" in input && input.generation !== m.generation) return [m, []];
  switch (input.type) {
    case "start":
      return m.generation === 0 ? connect(m) : [m, []];
    case "opened":
      return opened(m);
    case "event":
      return heard(m, input.event);
    case "ended":
      return ended(m, input, moment);
    case "silent":
      return ended(m, { error: "nothing was heard from the server" }, moment, [{ type: "abort" }]);
    case "waited":
      return m.phase === "live" || m.phase === "connecting" ? [m, []] : connect(m);
    case "wake":
      return m.phase === "live" || m.phase === "connecting" ? [m, []] : connect({ ...m, failures: 0 });
    case "follow":
      return followed(m, input.files);
  }
}

function connect(m: Machine): [Machine, Effect[]] {
  const generation = m.generation + 1;
  // Between two attempts it still looks as it does while waiting: no flicker.
  const next: Machine = { ...m, generation, isOpen: false, retryAt: undefined, phase: "connecting" };
  const { lastId, follow } = next;
  return [next, [{ type: "connect", generation, lastId, follow }, tell(next)]];
}

function opened(m: Machine): [Machine, Effect[]] {
  const next: Machine = { ...m, isOpen: true };
  // Who goes on where he stopped gets what he missed, or hears at once that everything is told anew.
  return m.lastId === undefined ? [next, []] : live(next);
}

function live(m: Machine): [Machine, Effect[]] {
  const next: Machine = { ...m, phase: "live", failures: 0, staleSince: undefined, error: undefined };
  return [next, [tell(next)]];
}

function heard(m: Machine, event: StreamEvent): [Machine, Effect[]] {
  const next: Machine = event.id === undefined || event.name === "grown" ? m : { ...m, lastId: event.id };
  switch (event.name) {
    case "snapshot":
      return [next, [{ type: "told", told: { type: "begin" } }]];
    case "ready": {
      const told: Effect = { type: "told", told: { type: "ready" } };
      const [after, effects] = live({ ...next, complete: true, resets: next.resets + 1 });
      return [after, [told, ...effects]];
    }
    case "change": {
      const change = parse<Change>(event.data);
      return [next, change ? [{ type: "told", told: { type: "change", change } }] : []];
    }
    case "grown": {
      const told = grown(event.data);
      return [next, told ? [{ type: "told", told }] : []];
    }
    default:
      return [next, []];
  }
}

function ended(
  m: Machine,
  how: { error: string; status?: number; retryAfter?: number },
  { now, random }: Moment,
  before: Effect[] = [],
): [Machine, Effect[]] {
  const failures = m.failures + 1;
  const staleSince = m.staleSince ?? now;
  // Whatever else is heard of this attempt no longer counts.
  const generation = m.generation + 1;
  const lost = { ...m, generation, isOpen: false, failures, staleSince, error: how.error };
  if (how.status === 401) {
    // Asking again with the same cookie changes nothing; `wake` does when the page is looked at again.
    const next: Machine = { ...lost, phase: "unauthorised", retryAt: undefined };
    return [next, [...before, tell(next)]];
  }
  const isRefused = how.status !== undefined && how.status < 500 && how.status !== 429;
  const asked = how.retryAfter === undefined ? 0 : how.retryAfter * 1000;
  const ms = Math.max(waitAfter(failures, random), Math.min(asked, 60_000));
  const next: Machine = { ...lost, phase: isRefused ? "refused" : "waiting", retryAt: now + ms };
  return [next, [...before, tell(next), { type: "wait", generation, ms }]];
}

function followed(m: Machine, files: readonly FileKey[]): [Machine, Effect[]] {
  const follow = [...new Set(files)].sort();
  if (follow.length === m.follow.length && follow.every((file, at) => file === m.follow[at])) return [m, []];
  const next = { ...m, follow };
  if (m.generation === 0 || (m.phase !== "live" && m.phase !== "connecting")) return [next, []];
  // It stays live in the eyes of those who look: what happens meanwhile is told after it.
  const generation = m.generation + 1;
  const again: Machine = { ...next, generation, isOpen: false };
  return [again, [{ type: "abort" }, { type: "connect", generation, lastId: m.lastId, follow }]];
}

function tell(m: Machine): Effect {
  return { type: "told", told: { type: "connection", connection: connectionOf(m) } };
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

function grown(text: string): Told | undefined {
  const of = parse<Record<string, unknown>>(text);
  if (!of || typeof of.size !== "number") return undefined;
  const key = [of.project_id, of.task_id, of.run_id, of.file].join("/");
  const identity = typeof of.identity === "string" ? { identity: of.identity } : {};
  const modified = typeof of.modified === "string" ? { modified: of.modified } : {};
  return { type: "grown", key, size: of.size, isNew: of.replaced === true, ...identity, ...modified };
}
