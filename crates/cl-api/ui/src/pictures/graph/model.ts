/**
 * The tasks of a project and what connects them: which waits for which, and which launched which.
 * Pure. What is drawn is decided here; where it stands is decided in `layout.ts`.
 */

import type { Schemas } from "../../api/client";
import { shortTask } from "../words";

export type TaskRow = Schemas["TaskRow"];

export interface Node {
  id: string;
  label: string;
  status: string;
  agent: string | undefined;
  /** Named by another task, and not there. */
  isMissing: boolean;
  /** Nothing more will happen by itself. */
  isFinished: boolean;
  queue: number | undefined;
}

export interface Edge {
  /** What must be done first, or what has launched. */
  from: string;
  to: string;
  kind: "depends" | "child";
  /** A dependency that holds its task up now. */
  isBlocking: boolean;
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
}

const FINISHED = new Set(["all_finished", "completed", "failed", "cancelled", "partial_failure", "stopped"]);

/** Makes the graph of all tasks of a project. Edges to itself and edges told twice are left out. */
export function graphOf(project: string, rows: Iterable<TaskRow>): Graph {
  const nodes = new Map<string, Node>();
  const edges = new Map<string, Edge>();
  const all = [...rows];
  for (const row of all) nodes.set(row.task_id, nodeOf(row));
  const connect = (edge: Edge) => {
    if (edge.from === edge.to) return;
    for (const id of [edge.from, edge.to]) if (!nodes.has(id)) nodes.set(id, missing(id));
    const key = `${edge.kind} ${edge.from} ${edge.to}`;
    const known = edges.get(key);
    if (known) known.isBlocking ||= edge.isBlocking;
    else edges.set(key, edge);
  };
  for (const row of all) {
    const blockers = new Set(row.blocked_by);
    for (const from of new Set([...row.depends_on, ...row.blocked_by])) {
      connect({ from, to: row.task_id, kind: "depends", isBlocking: blockers.has(from) });
    }
    for (const child of row.children) {
      if (child.project_id !== project) continue;
      connect({ from: row.task_id, to: child.task_id, kind: "child", isBlocking: false });
    }
    // An ended task's children are known by themselves only.
    const parent = row.parent;
    if (parent && parent.project_id === project) {
      connect({ from: parent.task_id, to: row.task_id, kind: "child", isBlocking: false });
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

function nodeOf(row: TaskRow): Node {
  return {
    id: row.task_id,
    label: shortTask(row.task_id),
    status: row.status,
    agent: row.agent ?? undefined,
    isMissing: false,
    isFinished: FINISHED.has(row.status) && !row.active,
    queue: row.queue_position ?? undefined,
  };
}

function missing(id: string): Node {
  const base = { id, label: shortTask(id), status: "missing", agent: undefined, queue: undefined };
  return { ...base, isMissing: true, isFinished: true };
}

export interface Wish {
  /** Only what is not finished, and what that is connected with. */
  unfinishedOnly: boolean;
  /** Only what has this in its id, and what that is connected with. */
  text: string;
  /** Always there. */
  selected?: string | undefined;
}

/** How many tasks are drawn at the most. */
export const MOST_NODES = 2000;

export interface Choice {
  graph: Graph;
  /** How many tasks there are, and how many of those that were asked for are not drawn. */
  all: number;
  left: number;
}

/** Chooses what is drawn. */
export function choose(graph: Graph, wish: Wish): Choice {
  const text = wish.text.trim().toLowerCase();
  const isMeant = (node: Node) =>
    (!wish.unfinishedOnly || !node.isFinished) && (text === "" || node.id.toLowerCase().includes(text));
  let chosen = new Set(graph.nodes.filter(isMeant).map((node) => node.id));
  if (chosen.size < graph.nodes.length) chosen = withNeighbours(graph, chosen);
  // Without its neighbours: choosing a task must not move the others.
  if (wish.selected !== undefined) chosen.add(wish.selected);
  const wanted = graph.nodes.filter((node) => chosen.has(node.id));
  const nodes = wanted.slice(0, MOST_NODES);
  const drawn = nodes.length < wanted.length ? new Set(nodes.map((node) => node.id)) : chosen;
  const edges = graph.edges.filter((edge) => drawn.has(edge.from) && drawn.has(edge.to));
  return { graph: { nodes, edges }, all: graph.nodes.length, left: wanted.length - nodes.length };
}

function withNeighbours(graph: Graph, ids: ReadonlySet<string>): Set<string> {
  const more = new Set(ids);
  for (const { from, to } of graph.edges) {
    if (ids.has(from)) more.add(to);
    if (ids.has(to)) more.add(from);
  }
  return more;
}

/** Stands for what the layout depends on: it is the same as long as nothing has to move. */
export function shapeOf(graph: Graph): string {
  const nodes = graph.nodes.map((node) => node.id).join("\n");
  return `${nodes}\n\n${graph.edges.map((edge) => `${edge.kind} ${edge.from} ${edge.to}`).join("\n")}`;
}

/** What each task is connected with, for the table and for who looks at one task. */
export interface Links {
  dependsOn: string[];
  neededBy: string[];
  children: string[];
  parents: string[];
}

export function linksOf(graph: Graph): Map<string, Links> {
  const links = new Map<string, Links>();
  for (const node of graph.nodes)
    links.set(node.id, { dependsOn: [], neededBy: [], children: [], parents: [] });
  for (const edge of graph.edges) {
    const [from, to] = [links.get(edge.from), links.get(edge.to)];
    if (edge.kind === "depends") {
      from?.neededBy.push(edge.to);
      to?.dependsOn.push(edge.from);
    } else {
      from?.children.push(edge.to);
      to?.parents.push(edge.from);
    }
  }
  return links;
}
