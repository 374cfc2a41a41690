/**
 * What happened to a task along time: attempts, waits, gates and the tasks that it launched.
 * Pure: made of what the server answers, and of nothing else. Times are milliseconds.
 *
 * Only attempts, gates and the present wait are written down. What lies between two attempts is
 * told by how the first of them ended, and is called a pause where that says nothing.
 */

import type { Schemas } from "../../api/client";
import type { Tone } from "../../parts/Status";
import { failureText, isLimit, lengthText, madeAt, shortTask, time, waitText } from "../words";

export interface Place {
  project: string;
  task: string;
}

/** Something with a beginning, and an end unless it goes on. */
export interface Span {
  key: string;
  what: "attempt" | "wait" | "gate" | "child";
  tone: Tone;
  from: number;
  /** `undefined` while it goes on. */
  to: number | undefined;
  /** Until when it is meant to go on, where that is known. */
  planned?: number;
  /** What stands in the bar, if there is room. */
  label: string;
  title: string;
  /** How it ended, or what it does. */
  outcome: string;
  facts: [name: string, value: string][];
  task: string;
  project: string;
  run?: string;
}

/** Spans that are shown in one line; none of them overlap. */
export interface Lane {
  key: string;
  label: string;
  kind: "attempts" | "gates" | "child";
  /** Where the lane is only there because the one above was full. */
  isMore: boolean;
  spans: Span[];
  /** The child that it is about. */
  of?: Place;
}

export interface Timeline {
  lanes: Lane[];
  /** All spans in the order of time, as the table and the keys go through them. */
  spans: Span[];
  from: number;
  /** Where it ends; `undefined` as long as it goes on. */
  to: number | undefined;
  /** The furthest time that is planned. */
  planned: number | undefined;
  /** When the task ended for good, and as what. */
  end: { at: number; status: string } | undefined;
  /** Children that are not shown, because there are too many or because they are elsewhere. */
  hiddenChildren: number;
}

/** What the server says of a child. */
export interface ChildRuns {
  project: string;
  task: string;
  runs: readonly RunRow[];
}

type RunRow = Schemas["RunRow"];
type Evidence = Schemas["EvidenceRow"];

/** How many children have lanes. */
export const MOST_CHILDREN = 24;
/** Shorter gaps are the work of the loop and no wait. */
const SHORTEST_GAP = 1000;

/** The children of a task that have lanes: those that are at work first, then the latest. */
export function childrenOf(task: Schemas["TaskRow"]): { project: string; task: string }[] {
  const known = new Map<string, { project: string; task: string; isActive: boolean }>();
  for (const { project_id: project, task_id, active } of task.children) {
    const key = `${project}/${task_id}`;
    const isActive = active || (known.get(key)?.isActive ?? false);
    known.set(key, { project, task: task_id, isActive });
  }
  const order = [...known.values()].reverse();
  const chosen = new Set(
    [...order].sort((a, b) => Number(b.isActive) - Number(a.isActive)).slice(0, MOST_CHILDREN),
  );
  return [...known.values()]
    .filter((child) => chosen.has(child))
    .map(({ project, task }) => ({ project, task }));
}

export function build(
  shown: Schemas["TaskShown"],
  evidence: readonly Evidence[],
  children: readonly ChildRuns[],
  now: number,
): Timeline {
  const { project_id: project, task_id: task } = shown.task;
  const place = { project, task };
  const runs = inOrder(shown.runs);
  const attempts = runs.map((run) => attemptOf(run, place));
  const gates = evidence.flatMap((piece) => gateOf(piece, place)).sort(byTime);
  const waits = waitsOf(shown, runs, gates, now);

  const lanes: Lane[] = [];
  lanes.push(...stacked("attempts", "Attempts", "attempts", [...attempts, ...waits]));
  if (gates.length > 0) lanes.push(...stacked("gates", "Gates", "gates", gates));
  const ofChildren: Span[] = [];
  for (const child of children) {
    const spans = inOrder(child.runs).map((run) => childOf(run, child));
    if (spans.length === 0) continue;
    ofChildren.push(...spans);
    const key = `child ${child.project}/${child.task}`;
    lanes.push(...stacked(key, shortTask(child.task), "child", spans, child));
  }
  const total = new Set(shown.task.children.map((child) => `${child.project_id}/${child.task_id}`)).size;

  const spans = [...attempts, ...waits, ...gates, ...ofChildren].sort(byTime);
  const result = shown.state?.result;
  const endedAt = time(result?.ended_at);
  const isOpen = spans.some((span) => span.to === undefined);
  const first = spans[0]?.from ?? madeAt(task) ?? endedAt ?? now;
  const last = Math.max(first, ...spans.map((span) => span.to ?? span.from), endedAt ?? first);
  const planned = spans.flatMap((span) => span.planned ?? []);
  return {
    lanes,
    spans,
    from: first,
    to: isOpen ? undefined : last,
    planned: planned.length > 0 ? Math.max(...planned) : undefined,
    end: result && endedAt !== undefined && !isOpen ? { at: endedAt, status: result.status } : undefined,
    hiddenChildren: Math.max(0, total - MOST_CHILDREN),
  };
}

function attemptOf(run: RunRow, place: Place): Span {
  const from = startOf(run) ?? 0;
  const to = run.status === "running" ? undefined : (time(run.ended) ?? from);
  const number = run.attempt ? `#${run.attempt}` : "";
  const agent = run.agent ?? "unknown agent";
  const outcome = outcomeOf(run.status, run.failure?.kind, run.phase);
  const facts: Span["facts"] = [["Run", run.run_id]];
  if (run.role) facts.push(["Role", run.role]);
  if (run.model) facts.push(["Model", run.model]);
  if (run.exit_code !== null && run.exit_code !== undefined) facts.push(["Exit code", String(run.exit_code)]);
  if (run.failure?.detail) facts.push(["Seen", run.failure.detail]);
  return {
    key: run.run_id,
    what: "attempt",
    tone: toneOf(run.status, run.failure?.kind),
    from,
    to,
    label: [number, agent].filter(Boolean).join(" "),
    title: `${run.attempt ? `Attempt ${run.attempt}` : "Run"} by ${agent}`,
    outcome,
    facts,
    ...place,
    run: run.run_id,
  };
}

function childOf(run: RunRow, child: Place): Span {
  const from = startOf(run) ?? 0;
  const agent = run.agent ?? "unknown agent";
  return {
    key: `child ${run.run_id}`,
    what: "child",
    tone: toneOf(run.status, run.failure?.kind),
    from,
    to: run.status === "running" ? undefined : (time(run.ended) ?? from),
    label: [run.attempt ? `#${run.attempt}` : "", agent].filter(Boolean).join(" "),
    title: `${shortTask(child.task)}: ${run.attempt ? `attempt ${run.attempt}` : "run"} by ${agent}`,
    outcome: outcomeOf(run.status, run.failure?.kind, run.phase),
    facts: [["Task", child.task]],
    project: child.project,
    task: child.task,
    run: run.run_id,
  };
}

function gateOf(piece: Evidence, place: Place): Span[] {
  const from = time(piece.started_at);
  if (from === undefined) return [];
  const passed = piece.verdict === "passed";
  const facts: Span["facts"] = [["Command", piece.run]];
  if (piece.reason) facts.push(["Reason", piece.reason]);
  if (piece.exit_code !== null && piece.exit_code !== undefined)
    facts.push(["Exit code", String(piece.exit_code)]);
  if (piece.unquiet) facts.push(["Note", "child tasks were still at work"]);
  return [
    {
      key: `gate ${piece.number}`,
      what: "gate",
      tone: passed ? "ok" : "failed",
      from,
      to: from + piece.duration_ms,
      label: piece.name,
      title: `Gate ${piece.name}, claim ${piece.claim}`,
      outcome: passed ? "passed" : piece.verdict.replaceAll("_", " "),
      facts,
      ...place,
      ...(piece.run_id && { run: piece.run_id }),
    },
  ];
}

/** The times in which no agent of the task was at work, as far as they are told apart. */
function waitsOf(
  shown: Schemas["TaskShown"],
  runs: readonly RunRow[],
  gates: readonly Span[],
  now: number,
): Span[] {
  const { task } = shown;
  const place = { project: task.project_id, task: task.task_id };
  const waits: Span[] = [];
  const add = (key: string, from: number, to: number | undefined, of: Partial<Span> & { title: string }) => {
    const base = { what: "wait" as const, tone: "none" as Tone, label: "", outcome: "", facts: [] };
    waits.push({ ...base, ...place, ...of, key: `wait ${key}`, from, to });
  };

  const first = runs[0];
  const made = madeAt(task.task_id);
  const begun = first && startOf(first);
  if (made !== undefined && begun !== undefined && begun - made >= SHORTEST_GAP) {
    const depends = task.depends_on.length > 0;
    add("start", made, begun, {
      tone: "queued",
      label: "before the first attempt",
      title: "Before the first attempt",
      outcome: depends ? "waited for its dependencies or for a place" : "waited for a place to run",
    });
  }

  let end: { at: number; run: RunRow } | undefined;
  for (const run of runs) {
    const from = startOf(run);
    if (from === undefined) continue;
    if (end && from - end.at >= SHORTEST_GAP) {
      for (const [index, [a, b]] of without(end.at, from, gates).entries()) {
        add(`before ${run.run_id} ${index}`, a, b, pauseAfter(end.run, run));
      }
    }
    const to = run.status === "running" ? Number.POSITIVE_INFINITY : (time(run.ended) ?? from);
    if (!end || to > end.at) end = { at: to, run };
  }

  const isIdle = end === undefined || Number.isFinite(end.at);
  const what = shown.state?.waiting_for ?? task.waiting_for ?? undefined;
  const present = presentWait(shown, what);
  if (isIdle && present) {
    const planned = time(shown.state?.wake_at ?? task.wake_at);
    const lastGate = gates.at(-1)?.to;
    const from = Math.min(now, Math.max(end?.at ?? made ?? now, lastGate ?? 0));
    add("now", from, undefined, { ...present, ...(planned !== undefined && planned > now && { planned }) });
  }
  return waits;
}

function pauseAfter(before: RunRow, after: RunRow): Partial<Span> & { title: string } {
  const kind = before.failure?.kind;
  if (isLimit(kind)) {
    return {
      tone: "waiting",
      label: "limit",
      title: "Waited for a usage limit",
      outcome: failureText(kind ?? ""),
    };
  }
  // Attempts are counted anew by each launch.
  const isNewLaunch = (after.attempt ?? 0) === 1 && (before.attempt ?? 0) >= 1;
  if (isNewLaunch) {
    return {
      tone: "none",
      label: "not running",
      title: "Not running, until it was launched again",
      outcome: "",
    };
  }
  const why = kind ? `after: ${failureText(kind)}` : "";
  return { tone: "none", label: "pause", title: "Pause between attempts", outcome: why };
}

function presentWait(
  shown: Schemas["TaskShown"],
  what: string | undefined,
): (Partial<Span> & { title: string }) | undefined {
  const { task } = shown;
  if (what) {
    const limit = shown.state?.limit as
      | { reason?: string; window?: string; account?: string }
      | null
      | undefined;
    const facts: Span["facts"] = [];
    if (what === "limit" && limit?.reason) facts.push(["Reason", limit.reason]);
    if (what === "limit" && limit?.account) facts.push(["Account", limit.account]);
    return {
      tone: what === "slot" ? "queued" : "waiting",
      label: what,
      title: `Waits for ${waitText(what)}`,
      outcome: task.queue_position ? `place ${task.queue_position} in the queue` : "",
      facts,
    };
  }
  if (task.status === "blocked") {
    const facts = task.blocked_by.map((id): [string, string] => ["Waits for", id]);
    return { tone: "blocked", label: "blocked", title: "Waits for other tasks", outcome: "", facts };
  }
  if (task.status === "queued") {
    const outcome = task.queue_position ? `place ${task.queue_position} in the queue` : "";
    return { tone: "queued", label: "queued", title: "Waits for a run slot", outcome };
  }
  return undefined;
}

/** The parts of a stretch in which none of `spans` is. */
export function without(from: number, to: number, spans: readonly Span[]): [from: number, to: number][] {
  const parts: [number, number][] = [];
  let at = from;
  for (const span of spans) {
    const end = span.to ?? to;
    if (end <= at || span.from >= to) continue;
    if (span.from - at >= SHORTEST_GAP) parts.push([at, span.from]);
    at = Math.max(at, end);
  }
  if (to - at >= SHORTEST_GAP) parts.push([at, to]);
  return parts;
}

/** Puts spans that overlap into lanes below each other. */
export function stacked(
  key: string,
  label: string,
  kind: Lane["kind"],
  spans: readonly Span[],
  of?: Place,
): Lane[] {
  const lanes: Span[][] = [[]];
  const ends: number[] = [];
  for (const span of [...spans].sort(byTime)) {
    let lane = ends.findIndex((end) => end <= span.from);
    if (lane < 0) lane = ends.length;
    if (lane >= MOST_STACKED) lane = MOST_STACKED - 1;
    const into = lanes[lane] ?? [];
    into.push(span);
    lanes[lane] = into;
    ends[lane] = Math.max(ends[lane] ?? 0, span.to ?? Number.POSITIVE_INFINITY);
  }
  return lanes.map((spans, index) => ({
    key: index === 0 ? key : `${key} ${index}`,
    label: index === 0 ? label : "",
    kind,
    isMore: index > 0,
    spans,
    ...(of && { of }),
  }));
}

/** Runs at once that have lanes of their own. */
const MOST_STACKED = 12;

function toneOf(status: string, failure: string | null | undefined): Tone {
  if (status === "running") return "running";
  if (isLimit(failure)) return "waiting";
  if (failure === "cancelled") return "stopped";
  // Such an attempt did its part; the loop goes on.
  if (failure === "clean_exit_not_done") return "none";
  if (failure || status === "failed") return "failed";
  return status === "completed" ? "ok" : "none";
}

function outcomeOf(
  status: string,
  failure: string | null | undefined,
  phase: string | null | undefined,
): string {
  if (status === "running") return phase && phase !== "running" ? `running, ${phase}` : "running";
  if (failure) return failureText(failure);
  return status === "unknown" ? "nobody knows how it ended" : status;
}

function startOf(run: { started?: string | null; run_id: string }): number | undefined {
  return time(run.started) ?? runStart(run.run_id);
}

/** A run's id begins with its time. */
function runStart(id: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(\d{0,4})/.exec(id);
  if (!found) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  return Number.isFinite(at) ? at : undefined;
}

function inOrder<T extends { started?: string | null; run_id: string }>(runs: readonly T[]): T[] {
  const known = runs.filter((run) => startOf(run) !== undefined);
  return known.sort((a, b) => (startOf(a) ?? 0) - (startOf(b) ?? 0) || (a.run_id < b.run_id ? -1 : 1));
}

function byTime(a: Span, b: Span): number {
  return a.from - b.from || (a.to ?? Number.POSITIVE_INFINITY) - (b.to ?? Number.POSITIVE_INFINITY);
}

/** Says a span in one sentence, for those who do not see it. */
export function sentence(span: Span, now: number): string {
  const length = lengthText((span.to ?? now) - span.from);
  const parts = [span.title, span.outcome, span.to === undefined ? `for ${length} so far` : length];
  return parts.filter(Boolean).join(", ");
}
