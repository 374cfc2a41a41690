/** Which actions a task offers in the state that it is in. */

import type { components } from "../api/schema";

type TaskRow = components["schemas"]["TaskRow"];

export type Action = "stop" | "cancel" | "uncancel" | "resume" | "wake" | "unblock";

export interface Offer {
  action: Action;
  label: string;
  /** Why it is offered, or what it will do; shown beside it. */
  says: string;
  danger?: true;
}

/** The parts of a row that decide; so tests need no whole one. */
export type Seen = Pick<
  TaskRow,
  "status" | "active" | "done" | "legacy" | "owner" | "blocked_by" | "waiting_for" | "failure" | "runs"
>;

const AT_WORK = new Set(["running", "partial_failure", "queued", "blocked", "waiting"]);

/** Returns what can be done with the task, the most likely first. Nothing deletes. */
export function offersOf(row: Seen): Offer[] {
  if (row.legacy) return [];
  const offers: Offer[] = [];
  const isAtWork = row.active || AT_WORK.has(row.status);
  const isCancelled = row.status === "cancelled";
  if (isAtWork) {
    offers.push({
      action: "stop",
      label: "Stop",
      says: "What runs is ended, and nothing begins until the task is resumed",
      danger: true,
    });
  }
  if (row.status === "blocked" || row.blocked_by.length > 0) {
    offers.push({
      action: "unblock",
      label: "Unblock",
      says: "It no longer waits for other tasks",
    });
  }
  if (row.status === "waiting" || row.waiting_for === "limit") {
    offers.push({ action: "wake", label: "Wake", says: "One attempt is made now, whatever the limit says" });
  }
  if (!isAtWork && !isCancelled) {
    offers.push(resume(row));
  }
  if (isCancelled) {
    offers.push({
      action: "uncancel",
      label: "Take back",
      says: "The task is given up no more; it is not started",
    });
  } else {
    offers.push({
      action: "cancel",
      label: "Cancel",
      says: "It is given up for good, and says why",
      danger: true,
    });
  }
  return offers;
}

function resume(row: Seen): Offer {
  if (row.failure?.kind === "gate_failed") {
    return {
      action: "resume",
      label: "Retry the gate",
      says: "The task goes on, and its gates judge the next claim",
    };
  }
  if (row.runs === 0) {
    return { action: "resume", label: "Start", says: "It is started as it was submitted" };
  }
  return {
    action: "resume",
    label: "Resume",
    says: row.done ? "Its DONE is taken back, and it goes on" : "It goes on where it stopped",
  };
}
