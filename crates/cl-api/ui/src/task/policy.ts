/** What a task's row means for a person, as pure functions. */
import type { RunRow, TaskRow } from "../live/world";

/** Whether and how a task goes on by itself; `detail` says more. */
export interface Policy {
  text: string;
  detail?: string;
}

export function policyOf(task: TaskRow): Policy {
  if (task.deadlocked_by.length > 0) {
    return { text: "Can never begin", detail: `waits for itself through ${task.deadlocked_by.join(", ")}` };
  }
  if (task.status === "cancelled") return { text: "Given up", detail: "until it is taken up again" };
  if (task.blocked_by.length > 0)
    return { text: "Blocked by dependencies", detail: "begins when they are done" };
  if (task.status === "queued" && task.queue_position)
    return { text: `Queued for a run slot (#${task.queue_position})` };
  if (task.status === "waiting")
    return { text: "Waits for a limit to end", detail: "then goes on by itself" };
  if (task.done && task.active)
    return {
      text: "Not started again",
      detail: task.waiting_for === "children" ? "ends when its children have ended" : "ends as it is",
    };
  if (task.done) return { text: "Restart disabled", detail: "stays final until you resume it" };
  if (task.goes_on) return { text: "Lost its supervisor", detail: "recovery goes on with it" };
  if (task.active) {
    return task.kind === "job"
      ? { text: "A single run", detail: "is not restarted" }
      : { text: "Auto-restart active", detail: "until it is done or gives up" };
  }
  if (task.status === "stopped") return { text: "Stopped", detail: "resume it to go on" };
  return { text: "Restart possible", detail: "resume it to go on" };
}

const ORDER = ["running", "failed", "completed", "stopped", "unknown"];

/** `2 running | 1 failed | 3 completed`. */
export function runMix(runs: readonly Pick<RunRow, "status">[]): { status: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { status } of runs) counts.set(status, (counts.get(status) ?? 0) + 1);
  const place = (status: string) => (ORDER.includes(status) ? ORDER.indexOf(status) : ORDER.length);
  return [...counts]
    .map(([status, count]) => ({ status, count }))
    .sort((a, b) => place(a.status) - place(b.status));
}

/** A run in few words: `attempt 3`, or its id without what all ids have. */
export function runName(run: Pick<RunRow, "run_id"> & Partial<Pick<RunRow, "attempt" | "role">>): string {
  const name = run.attempt ? `attempt ${run.attempt}` : run.run_id.slice(0, 14);
  return run.role ? `${name} · ${run.role}` : name;
}

/** A task without what all ids have. */
export function taskName(id: string): string {
  return id.replace(/^task-\d{8}-\d{6}-/, "") || id;
}
