/** Which rows of the tree are shown, as a pure function: the server has decided on their order. */
import type { Schemas } from "../api/client";

export type TreeRow = Schemas["Row"];
export type TaskNode = Extract<TreeRow, { kind: "task" }>;
export type RunNode = Extract<TreeRow, { kind: "run" }>;

/** What the user has chosen; kept per project. */
export interface Choices {
  /** Nodes that were opened or closed by hand. */
  toggled: ReadonlyMap<string, boolean>;
  /** Nodes that opened by themselves: they never close by themselves. */
  opened: ReadonlySet<string>;
  /** Root tasks that stand in the section of ended ones. */
  settled: ReadonlySet<string>;
  /** That section was opened or closed by hand. */
  section: boolean | undefined;
}

export const noChoices: Choices = {
  toggled: new Map(),
  opened: new Set(),
  settled: new Set(),
  section: undefined,
};

export interface Filter {
  /** Words that all stand in the label, the id or the agent. */
  text: string;
  status: StatusFilter;
}

export type StatusFilter = "all" | "active" | "waiting" | "failed" | "done";

export const noFilter: Filter = { text: "", status: "all" };

export interface Selection {
  task?: string | undefined;
  run?: string | undefined;
}

export type Shown =
  | {
      kind: "node";
      key: string;
      level: number;
      row: TreeRow;
      /** It can be opened, and is or is not. */
      open: boolean | undefined;
      /** Shown for what is below it: it does not match the filter itself. */
      faint: boolean;
    }
  | {
      kind: "section";
      key: typeof SECTION;
      level: 0;
      open: boolean;
      count: number;
      completed: number;
      failed: number;
    };

/** The key of the row above the root tasks that have ended. */
export const SECTION = "…section";

const ENDED = new Set(["completed", "all_finished", "failed", "stopped", "cancelled"]);
const FAILED = new Set(["failed", "stopped"]);
const STATUSES: Record<Exclude<StatusFilter, "all">, ReadonlySet<string>> = {
  active: new Set(["running", "partial_failure", "stopping"]),
  waiting: new Set(["queued", "blocked", "waiting", "idle"]),
  failed: new Set(["failed", "partial_failure", "stopped"]),
  done: new Set(["completed", "all_finished", "cancelled"]),
};

export function isActive(row: TreeRow): boolean {
  return row.active_below || (row.kind === "task" ? row.active : row.status === "running");
}

function isEndedRoot(row: TreeRow): boolean {
  return row.level === 0 && row.kind === "task" && ENDED.has(row.status) && !isActive(row);
}

/** The keys of the rows above what is selected. */
export function pathTo(rows: readonly TreeRow[], selection: Selection): string[] {
  const at = selectedAt(rows, selection);
  const path: string[] = [];
  let parent = rows[at]?.parent;
  while (parent !== undefined && parent !== null) {
    const row = rows[parent];
    if (!row || path.length > rows.length) break;
    path.push(row.key);
    parent = row.parent;
  }
  return path;
}

/** The row that stands for the selection: of the run if it has one, else of the task. */
export function selectedAt(rows: readonly TreeRow[], { task, run }: Selection): number {
  if (run !== undefined) {
    const at = rows.findIndex((row) => row.kind === "run" && row.run_id === run);
    if (at >= 0) return at;
  }
  return task === undefined ? -1 : rows.findIndex((row) => row.kind === "task" && row.task_id === task);
}

/**
 * What the choices become with new rows or another selection: running nodes and what is above the
 * selection open by themselves; root tasks that ended join the section unless they are selected.
 */
export function settle(
  rows: readonly TreeRow[],
  choices: Choices,
  selection: Selection,
  isNewSelection: boolean,
): Choices {
  const path = pathTo(rows, selection);
  const above = new Set(path);
  const root = path.at(-1) ?? rows[selectedAt(rows, selection)]?.key;
  const opened = new Set(choices.opened);
  const settled = new Set<string>();
  for (const row of rows) {
    if (row.below > 0 && (isActive(row) || above.has(row.key))) opened.add(row.key);
    if (
      isEndedRoot(row) &&
      (choices.settled.has(row.key) || row.key !== root || choices.settled.size === 0)
    ) {
      settled.add(row.key);
    }
  }
  let { toggled, section } = choices;
  if (isNewSelection) {
    // Whoever selects something wants to see it, also where he had closed what is above it.
    if (path.some((key) => toggled.get(key) === false)) {
      toggled = new Map(toggled);
      for (const key of path) (toggled as Map<string, boolean>).delete(key);
    }
    if (root !== undefined && settled.has(root) && section === false) section = undefined;
  }
  return { toggled, opened, settled, section };
}

/** The rows that are shown, in their order. */
export function shown(
  rows: readonly TreeRow[],
  choices: Choices,
  filter: Filter,
  selection: Selection = {},
): Shown[] {
  const isFiltered = filter.text.trim() !== "" || filter.status !== "all";
  return isFiltered ? filtered(rows, choices, filter) : unfiltered(rows, choices, selection);
}

function unfiltered(rows: readonly TreeRow[], choices: Choices, selection: Selection): Shown[] {
  const current: Shown[] = [];
  const ended: Shown[] = [];
  let completed = 0;
  let failed = 0;
  let count = 0;
  let roots = 0;
  const root = pathTo(rows, selection).at(-1) ?? rows[selectedAt(rows, selection)]?.key;
  let isSelectionInside = false;
  for (let at = 0; at < rows.length; ) {
    const row = rows[at];
    if (!row) break;
    if (row.level === 0) roots += 1;
    const isInside = row.level === 0 && choices.settled.has(row.key);
    if (isInside && row.kind === "task") {
      count += 1;
      if (FAILED.has(row.status)) failed += 1;
      else completed += 1;
      isSelectionInside ||= row.key === root;
    }
    at = subtree(rows, at, choices, isInside ? ended : current);
  }
  if (count === 0) return current;
  const open = choices.section ?? (count === roots || isSelectionInside);
  const section: Shown = { kind: "section", key: SECTION, level: 0, open, count, completed, failed };
  return open ? [...current, section, ...ended] : [...current, section];
}

/** Adds a row and what is shown below it; returns where the next one is that is not below it. */
function subtree(rows: readonly TreeRow[], start: number, choices: Choices, to: Shown[]): number {
  const end = start + 1 + (rows[start]?.below ?? 0);
  for (let at = start; at < end; ) {
    const row = rows[at];
    if (!row) break;
    const open = row.below > 0 ? (choices.toggled.get(row.key) ?? choices.opened.has(row.key)) : undefined;
    to.push({ kind: "node", key: row.key, level: row.level, row, open, faint: false });
    at += open === false ? 1 + row.below : 1;
  }
  return end;
}

function filtered(rows: readonly TreeRow[], choices: Choices, filter: Filter): Shown[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = rows.map((row) => matching(row, words, filter.status));
  const isAbove = new Array<boolean>(rows.length).fill(false);
  for (let at = rows.length - 1; at >= 0; at--) {
    const parent = rows[at]?.parent;
    if ((matches[at] || isAbove[at]) && parent !== undefined && parent !== null) isAbove[parent] = true;
  }
  const result: Shown[] = [];
  for (let at = 0; at < rows.length; ) {
    const row = rows[at];
    if (!row) break;
    if (!matches[at] && !isAbove[at]) {
      at += 1;
      continue;
    }
    const open = isAbove[at] ? (choices.toggled.get(row.key) ?? true) : undefined;
    result.push({ kind: "node", key: row.key, level: row.level, row, open, faint: !matches[at] });
    at += open === false ? 1 + row.below : 1;
  }
  return result;
}

function matching(row: TreeRow, words: readonly string[], status: StatusFilter): boolean {
  if (status !== "all" && (row.kind === "run" || !STATUSES[status].has(row.status))) return false;
  if (row.kind === "run" && words.length === 0) return false;
  const text = `${row.label} ${row.key} ${row.agent ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/**
 * Where to scroll and how much room to leave so that what is looked at stays where it is when the
 * rows change. `look` are the keys in the order in which they matter; the first that is still
 * there counts.
 */
export function anchored(of: {
  before: readonly string[];
  after: readonly string[];
  look: readonly string[];
  scroll: number;
  /** The room above the first row before. */
  room: number;
  rowHeight: number;
  viewHeight: number;
}): { scroll: number; above: number; below: number } {
  const places = new Map(of.after.map((key, at) => [key, at]));
  const key = of.look.find((each) => places.has(each));
  const to = key === undefined ? undefined : places.get(key);
  if (key === undefined || to === undefined) return { scroll: of.scroll, above: 0, below: 0 };
  const from = of.before.indexOf(key);
  const seenAt = from * of.rowHeight + of.room - of.scroll;
  const wanted = to * of.rowHeight - seenAt;
  const above = Math.max(0, -wanted);
  const scroll = wanted + above;
  const height = of.after.length * of.rowHeight + above;
  const below = scroll > 0 ? Math.max(0, scroll + of.viewHeight - height) : 0;
  return { scroll, above, below };
}
