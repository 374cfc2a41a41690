/** Answers of the server for tests, with what they always have. */

import type { Schemas } from "../api/client";

export const PROJECT = "demo";
export const TASK = "task-20260301-100000-build";

export function row(of: Partial<Schemas["TaskRow"]> = {}): Schemas["TaskRow"] {
  return {
    project_id: PROJECT,
    task_id: TASK,
    status: "running",
    active: true,
    runs: 0,
    done: false,
    suspicious: false,
    owner: "alive",
    children: [],
    depends_on: [],
    blocked_by: [],
    deadlocked_by: [],
    legacy: false,
    problems: [],
    ...of,
  };
}

/** A run that began at minute `from` after ten o'clock and ended at minute `to`, if it did. */
export function run(
  number: number,
  from: number,
  to: number | undefined,
  of: Partial<Schemas["RunRow"]> = {},
): Schemas["RunRow"] {
  return {
    run_id: `20260301-10000000${String(number).padStart(2, "0")}-1-${number}`,
    status: to === undefined ? "running" : "completed",
    attempt: number,
    agent: "claude",
    started: minute(from),
    ended: to === undefined ? null : minute(to),
    pid_alive: to === undefined,
    path: "/x",
    legacy: false,
    synthetic: false,
    ...of,
  };
}

export function failed(kind: string, detail = ""): Pick<Schemas["RunRow"], "status" | "failure"> {
  return { status: "failed", failure: { kind, detail, retry_at: null } };
}

export function minute(count: number): string {
  return new Date(at(count)).toISOString();
}

export function at(minutes: number): number {
  return Date.UTC(2026, 2, 1, 10, 0) + minutes * 60_000;
}

export function shown(
  runs: Schemas["RunRow"][],
  of: Partial<Schemas["TaskRow"]> = {},
  state: Partial<Schemas["StateShown"]> = {},
): Schemas["TaskShown"] {
  return {
    activity: {},
    done_is_no_file: false,
    markers: {},
    path: "/x",
    problems: [],
    runs,
    task: row({ runs: runs.length, ...of }),
    state: {
      attempts: {},
      gate_failures: 0,
      last_gate: "",
      launch_id: "l1",
      ...state,
    } as Schemas["StateShown"],
  };
}

export function evidence(
  number: number,
  from: number,
  of: Partial<Schemas["EvidenceRow"]> = {},
): Schemas["EvidenceRow"] {
  return {
    number,
    name: "tests",
    run: "cargo test",
    cwd: "/x",
    launch_id: "l1",
    claim: 1,
    run_id: null,
    verdict: "passed",
    started_at: minute(from),
    duration_ms: 30_000,
    timeout_ms: 60_000,
    tree: "",
    tree_after: "",
    output: "",
    output_bytes: 0,
    output_sha256: "",
    unquiet: false,
    ...of,
  };
}
