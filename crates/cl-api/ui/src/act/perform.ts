/** What is done to tasks: the requests, and what is told of their outcome. */

import { api, got, type Schemas } from "../api/client";
import { shortTaskId } from "./ids";
import type { Action } from "./offers";

/** What goes with an action. */
export interface Said {
  reason?: string;
  /** The dependencies that no longer count; all without it. */
  dependencies?: string[];
}

export interface Outcome {
  text: string;
  more?: string;
  /** It takes its time: what the task is then, the live connection tells. */
  isUnderway?: true;
}

const PATHS = {
  stop: "/api/projects/{project_id}/tasks/{task_id}/stop",
  uncancel: "/api/projects/{project_id}/tasks/{task_id}/uncancel",
  wake: "/api/projects/{project_id}/tasks/{task_id}/wake",
} as const;

/** Does it, and returns what the server says of it; throws a `Problem` where it refuses. */
export async function perform(
  action: Action,
  project: string,
  task: string,
  said: Said = {},
): Promise<Outcome> {
  const params = { path: { project_id: project, task_id: task } };
  switch (action) {
    case "resume": {
      const path = "/api/projects/{project_id}/tasks/{task_id}/resume";
      await got(api.POST(path, { params, body: { start: true } }));
      return {
        text: `${shortTaskId(task)} goes on`,
        more: "It is in the queue, and starts when it is its turn.",
      };
    }
    case "cancel": {
      const path = "/api/projects/{project_id}/tasks/{task_id}/cancel";
      const body = { reason: said.reason ?? "", superseded_by: null };
      return outcomeOf(await got(api.POST(path, { params, body })));
    }
    case "unblock": {
      const path = "/api/projects/{project_id}/tasks/{task_id}/unblock";
      const body = { dependencies: said.dependencies ?? [], reason: said.reason ?? "" };
      return outcomeOf(await got(api.POST(path, { params, body })));
    }
    default:
      return outcomeOf(await got(api.POST(PATHS[action], { params })));
  }
}

/** Says what became of it, in the server's words and no better. */
export function outcomeOf(acted: Schemas["TaskActed"]): Outcome {
  const task = shortTaskId(acted.task_id);
  const runs = acted.runs.length;
  const ending = runs > 0 ? { more: `${runs} ${runs === 1 ? "run is" : "runs are"} being ended.` } : {};
  switch (acted.outcome) {
    case "stopping":
      return { text: `Stopping ${task}`, ...ending, isUnderway: true };
    case "nothing_running":
      return { text: `${task} is stopped`, more: "Nothing of it was running." };
    case "cancelled":
      return { text: `${task} is cancelled`, ...ending, ...(runs > 0 && { isUnderway: true }) };
    case "already_cancelled":
      return { text: `${task} was cancelled before` };
    case "uncancelled":
      return { text: `${task} is cancelled no more`, more: "It is not started; Resume does that." };
    case "not_cancelled":
      return { text: `${task} was not cancelled` };
    case "unblocked": {
      const names = acted.unblocked.map(shortTaskId).join(", ");
      return { text: `${task} no longer waits`, more: `Lifted: ${names}` };
    }
    case "not_blocked":
      return { text: `${task} was not waiting for other tasks` };
    case "awake":
      return { text: `${task} makes an attempt now` };
    default:
      return { text: `${task}: ${String(acted.outcome).replaceAll("_", " ")}` };
  }
}

/** Says how what was stopped has ended, by the exit code of its run: 128 and more are signals. */
export function endingOf(task: string, status: string, exitCode: number | null | undefined): Outcome {
  const name = shortTaskId(task);
  if (exitCode === 137)
    return { text: `${name} was killed`, more: "It did not end in time when it was asked." };
  if (status === "stopped" || status === "cancelled") return { text: `${name} is ${status}` };
  return { text: `${name} has ended: ${status.replaceAll("_", " ")}` };
}
