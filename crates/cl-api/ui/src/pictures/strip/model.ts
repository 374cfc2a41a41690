/** What the strip on top says of slots, queue and limits. Pure. */

import type { Schemas } from "../../api/client";
import { time } from "../words";

type TaskRow = Schemas["TaskRow"];

/** A run that is at work. */
export interface Holder {
  project: string;
  task: string;
  run: string;
  agent: string;
  began: string | undefined;
  /** It has a slot of its own; runs that others launched need none. */
  hasSlot: boolean;
}

/**
 * The runs at work: those with slots first, the oldest first. A run that waits for its slot has
 * begun, and is not at work.
 */
export function holders(
  running: readonly Schemas["RunningTask"][],
  rowOf: (project: string, task: string) => TaskRow | undefined,
): Holder[] {
  const all = running.flatMap((run): Holder[] => {
    const row = rowOf(run.project_id, run.task_id);
    if (row && ((row.queue_position ?? undefined) !== undefined || row.waiting_for === "slot")) return [];
    const holder = {
      project: run.project_id,
      task: run.task_id,
      run: run.run_id,
      agent: run.agent,
      began: run.started,
      hasSlot: !row?.parent,
    };
    return [holder];
  });
  return all.sort((a, b) => Number(b.hasSlot) - Number(a.hasSlot));
}

/** What waits for a slot, by place. */
export function queued(rows: readonly TaskRow[]): TaskRow[] {
  const waiting = rows.filter((row) => row.queue_position !== null && row.queue_position !== undefined);
  return waiting.sort((a, b) => (a.queue_position ?? 0) - (b.queue_position ?? 0));
}

/** Tasks that wait for a usage limit, those that go on first first. */
export function limited(rows: readonly TaskRow[]): TaskRow[] {
  const waiting = rows.filter((row) => row.waiting_for === "limit");
  const at = (row: TaskRow) => time(row.wake_at) ?? Number.POSITIVE_INFINITY;
  return waiting.sort((a, b) => at(a) - at(b) || (a.task_id < b.task_id ? -1 : 1));
}

/** How a window is now: what was closed until a time that has passed is closed no longer. */
export type WindowLook = "ok" | "warning" | "closed" | "unknown";

export function lookOfWindow(window: Schemas["WindowRow"], now: number): WindowLook {
  const closed = time(window.closed_until);
  if (closed !== undefined) return closed > now ? "closed" : "unknown";
  if (window.state === "rejected") return "unknown";
  return window.state === "warning" ? "warning" : "ok";
}

/** An agent is passed over: until when, if it still is. */
export function degradedUntil(agent: Schemas["HealthRow"], now: number): number | undefined {
  const until = time(agent.degraded_until);
  return agent.degraded && until !== undefined && until > now ? until : undefined;
}

export interface LimitSum {
  closed: number;
  warning: number;
  degraded: number;
  /** When the first of them ends. */
  next: number | undefined;
}

export function sumOfLimits(limits: Schemas["Limits"] | undefined, now: number): LimitSum {
  const sum: LimitSum = { closed: 0, warning: 0, degraded: 0, next: undefined };
  const ends = (at: number | undefined) => {
    if (at !== undefined) sum.next = Math.min(sum.next ?? at, at);
  };
  for (const window of limits?.windows ?? []) {
    const look = lookOfWindow(window, now);
    if (look === "closed") {
      sum.closed += 1;
      ends(time(window.closed_until));
    } else if (look === "warning") sum.warning += 1;
  }
  for (const agent of limits?.agents ?? []) {
    const until = degradedUntil(agent, now);
    if (until === undefined) continue;
    sum.degraded += 1;
    ends(until);
  }
  return sum;
}

/** The name of an account: how the configuration calls it. */
export function accountText(of: { agent: string; account: string; names: readonly string[] }): string {
  const names = of.names.length > 0 ? of.names.join(", ") : of.account;
  return names === of.agent ? names : `${names} (${of.agent})`;
}

/** A window in words: `five_hour` is `five hour`. */
export function windowText(window: string): string {
  return window.replaceAll("_", " ");
}
