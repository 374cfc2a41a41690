/** Made-up rows for tests. */
import type { Told } from "../live/connection";
import type { RunRow, TaskRow } from "../live/world";

export function aTask(of: Partial<TaskRow> = {}): TaskRow {
  return {
    project_id: "p",
    task_id: "task-20260223-204858-docs",
    status: "running",
    exit_code: null,
    latest_run: "run-1",
    latest_status: "running",
    kind: "task",
    active: true,
    runs: 1,
    done: false,
    claim: null,
    suspicious: false,
    pid_alive: true,
    owner: "alive",
    goes_on: false,
    waiting_for: null,
    wake_at: null,
    attempts: 1,
    agent: "claude",
    failure: null,
    parent: null,
    children: [],
    depends_on: [],
    blocked_by: [],
    deadlocked_by: [],
    queue_position: null,
    last_activity: "2026-02-23T20:49:01Z",
    legacy: false,
    problems: [],
    ...of,
  } as TaskRow;
}

export function aRun(of: Partial<RunRow> = {}): RunRow {
  return {
    run_id: "run-1",
    status: "running",
    phase: null,
    attempt: 1,
    agent: "claude",
    agent_version: null,
    model: null,
    session_id: null,
    exit_code: null,
    started: "2026-02-23T20:49:00Z",
    ended: null,
    duration: 1,
    pid: 4711,
    pid_alive: true,
    parent_run_id: null,
    previous_run_id: null,
    depth: null,
    role: null,
    iteration: null,
    failure: null,
    usage: null,
    path: "/root/p/t/runs/run-1",
    legacy: false,
    synthetic: false,
    problem: null,
    ...of,
  } as RunRow;
}

/** What the stream says of a task. */
export function taskChange(task: TaskRow, run: RunRow | null = null): Told {
  const { project_id, task_id } = task;
  return {
    type: "change",
    change: { what: "task", version: 1, project_id, task_id, task, run, msg_id: null },
  };
}
