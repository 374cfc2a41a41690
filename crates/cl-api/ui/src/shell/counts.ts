import type { TaskRow, World } from "../live/world";

/** How many tasks have each status, in the order in which they are shown. */
export interface Mix {
  total: number;
  parts: { status: string; count: number }[];
}

const ORDER = [
  "running",
  "partial_failure",
  "waiting",
  "queued",
  "blocked",
  "failed",
  "stopped",
  "all_finished",
  "completed",
];

/** Counts the tasks of a project, or all. */
export function mixOf(tasks: World["tasks"], project?: string): Mix {
  const counts = new Map<string, number>();
  let total = 0;
  for (const { task } of Object.values(tasks)) {
    if (project !== undefined && task.project_id !== project) continue;
    total += 1;
    counts.set(task.status, (counts.get(task.status) ?? 0) + 1);
  }
  return { total, parts: inOrder(counts, ORDER) };
}

/** The same for all projects at once. */
export function mixes(tasks: World["tasks"]): Map<string, Mix> {
  const byProject = new Map<string, TaskRow[]>();
  for (const { task } of Object.values(tasks)) {
    const known = byProject.get(task.project_id);
    if (known) known.push(task);
    else byProject.set(task.project_id, [task]);
  }
  const result = new Map<string, Mix>();
  for (const [project, rows] of byProject) {
    const counts = new Map<string, number>();
    for (const row of rows) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
    result.set(project, { total: rows.length, parts: inOrder(counts, ORDER) });
  }
  return result;
}

function inOrder(counts: ReadonlyMap<string, number>, order: readonly string[]): Mix["parts"] {
  const place = (status: string) => {
    const at = order.indexOf(status);
    return at < 0 ? order.length : at;
  };
  return [...counts]
    .map(([status, count]) => ({ status, count }))
    .sort((a, b) => place(a.status) - place(b.status) || a.status.localeCompare(b.status));
}
