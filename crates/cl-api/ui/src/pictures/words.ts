/** How the pictures say times, sizes and money. Pure. */

import { formatDuration, parseTime } from "../parts/time";

const KINDS: Record<string, string> = {
  limit_window: "usage limit",
  limit_credit: "credit used up",
  limit_admin: "limit of the account",
  overloaded: "service overloaded",
  api_transient: "service failed for a moment",
  auth: "login failed",
  context_overflow: "context too long",
  max_turns: "too many turns",
  max_budget: "budget used up",
  agent_crash: "agent crashed",
  spawn_failed: "agent could not be started",
  stall: "silent for too long",
  timeout: "took too long",
  output_limit: "wrote too much",
  permission_blocked: "permission refused",
  input_required: "asked for input",
  gate_failed: "a gate refused",
  merge_conflict: "merge conflict",
  clean_exit_not_done: "ended without DONE",
  cancelled: "stopped",
  deadlock: "dependencies can make no progress",
  runner_lost: "supervisor lost",
  unknown: "unknown",
};

/** Why something failed, in words. */
export function failureText(kind: string): string {
  return KINDS[kind] ?? kind.replaceAll("_", " ");
}

/** The failure is a limit of the service: what follows is a wait for it. */
export function isLimit(kind: string | null | undefined): boolean {
  return kind === "limit_window" || kind === "limit_credit" || kind === "limit_admin";
}

const WAITS: Record<string, string> = {
  slot: "a run slot",
  children: "its child tasks",
  limit: "a usage limit",
  delay: "the pause between attempts",
  gates: "its gates",
  dependencies: "tasks that must be done first",
};

/** What a task waits for, in words. */
export function waitText(what: string): string {
  return WAITS[what] ?? what.replaceAll("_", " ");
}

/** A task's id without what all ids have. */
export function shortTask(id: string): string {
  return id.replace(/^task-\d{8}-\d{6}-/, "") || id;
}

/** When a task was made, as its id says; milliseconds. */
export function madeAt(taskId: string): number | undefined {
  const found = /^task-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-/.exec(taskId);
  if (!found) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1).map(Number);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  return Number.isFinite(at) ? at : undefined;
}

/** Reads a time of the server; `undefined` where there is none. */
export const time = parseTime;

/** A length of time from milliseconds; what is shorter than a second is told in those. */
export function lengthText(ms: number): string {
  return ms < 1000 ? `${Math.round(Math.max(0, ms))} ms` : formatDuration(ms / 1000);
}

/** A time to come, counted down; `now` once it is over. */
export function countdownText(until: number, now: number): string {
  return until <= now ? "now" : `in ${formatDuration(Math.ceil((until - now) / 1000))}`;
}

/** Tokens in few digits: `950`, `12.3k`, `4.56M`. */
export function tokensText(count: number | null | undefined): string {
  if (count === null || count === undefined) return "unknown";
  for (const [size, unit] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (count < size) continue;
    const value = count / size;
    return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)}${unit}`;
  }
  return String(count);
}

/** Tokens in all digits, for tables. */
export function tokensWhole(count: number | null | undefined): string {
  return count === null || count === undefined ? "unknown" : count.toLocaleString("en-US");
}

/** Dollars: cents where they matter, more digits where there are no cents. */
export function moneyText(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return "unknown";
  if (usd === 0) return "$0.00";
  const size = Math.abs(usd);
  if (size < 0.01) return size < 0.0001 ? "<$0.0001" : `$${usd.toFixed(4)}`;
  return usd.toLocaleString("en-US", { style: "currency", currency: "USD" });
}

/** What is known of a cost, and of how many runs it is not. */
export function costText(usd: number | null | undefined, runsWithoutCost: number): string {
  if (runsWithoutCost === 0) return usd === null || usd === undefined ? "$0.00" : moneyText(usd);
  if (usd === null || usd === undefined) return "unknown";
  return `${moneyText(usd)} + ${runsWithoutCost} unknown`;
}
