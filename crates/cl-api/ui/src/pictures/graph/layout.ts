/**
 * Where the tasks of a graph stand. Pure, and slow for large graphs: it runs in a worker.
 *
 * What is connected is laid out together, in ranks from left to right; the parts, and the tasks
 * that nothing is connected with, are then packed beside and below each other. One layout of the
 * whole would put a thousand tasks that are not connected into one endless column.
 */

import dagre from "@dagrejs/dagre";

export const NODE_WIDTH = 188;
export const NODE_HEIGHT = 44;
const GAP_X = 56;
const GAP_Y = 16;
/** Between parts that are not connected. */
const GAP_PARTS = 40;
/** Parts with more tasks than this are ranked by the longest path, which is quicker and less even. */
const LARGE = 250;
/** Beyond, tasks stand in their ranks without a search for fewer crossings. */
const HUGE = 900;

export interface LayoutRequest {
  nodes: string[];
  edges: [from: string, to: string][];
}

export interface Point {
  x: number;
  y: number;
}

export interface Placed {
  /** The corner at the top left of each task, in the order of the request. */
  nodes: Point[];
  width: number;
  height: number;
}

/** Lays a graph out. Edges to tasks that are not there are passed over. */
export function layout(request: LayoutRequest): Placed {
  const places = new Map<string, Point>();
  const parts = partsOf(request);
  const boxes: Box[] = [];
  const single: string[] = [];
  for (const part of parts) {
    const [only] = part.nodes;
    if (part.nodes.length === 1 && only !== undefined) single.push(only);
    else boxes.push(part.nodes.length > HUGE ? ranked(part) : arranged(part));
  }
  // The largest first: what is small fills what is left.
  boxes.sort((a, b) => b.height * b.width - a.height * a.width);
  const area = boxes.reduce((sum, box) => sum + (box.width + GAP_PARTS) * (box.height + GAP_PARTS), 0);
  const ofSingle = single.length * (NODE_WIDTH + GAP_Y) * (NODE_HEIGHT + GAP_Y);
  const widest = Math.max(NODE_WIDTH, ...boxes.map((box) => box.width));
  // As wide as a screen is, compared with its height.
  const width = Math.max(widest, Math.sqrt((area + ofSingle) * 1.7));
  const { bottom, right } = packed(boxes, width, places);

  const columns = Math.max(1, Math.floor((width + GAP_Y) / (NODE_WIDTH + GAP_Y)));
  const top = bottom > 0 ? bottom + GAP_PARTS : 0;
  for (const [index, id] of single.entries()) {
    const x = (index % columns) * (NODE_WIDTH + GAP_Y);
    places.set(id, { x, y: top + Math.floor(index / columns) * (NODE_HEIGHT + GAP_Y) });
  }
  const rows = Math.ceil(single.length / columns);
  const singleRight = Math.min(single.length, columns) * (NODE_WIDTH + GAP_Y) - GAP_Y;
  return {
    nodes: request.nodes.map((id) => places.get(id) ?? { x: 0, y: 0 }),
    width: Math.max(right, singleRight, 0),
    height: rows > 0 ? top + rows * (NODE_HEIGHT + GAP_Y) - GAP_Y : bottom,
  };
}

interface Part {
  nodes: string[];
  edges: [from: string, to: string][];
}

interface Box {
  width: number;
  height: number;
  places: [id: string, at: Point][];
}

/** Cuts a graph into the parts that nothing connects, in the order of their first task. */
export function partsOf(request: LayoutRequest): Part[] {
  const above = new Map<string, string>(request.nodes.map((id) => [id, id]));
  const top = (id: string): string => {
    let at = id;
    for (;;) {
      const next = above.get(at) ?? at;
      if (next === at) break;
      above.set(at, above.get(next) ?? next);
      at = next;
    }
    return at;
  };
  const edges = request.edges.filter(([from, to]) => above.has(from) && above.has(to) && from !== to);
  for (const [from, to] of edges) {
    const [a, b] = [top(from), top(to)];
    if (a !== b) above.set(b, a);
  }
  const parts = new Map<string, Part>();
  for (const id of request.nodes) {
    const key = top(id);
    const part = parts.get(key);
    if (part) part.nodes.push(id);
    else parts.set(key, { nodes: [id], edges: [] });
  }
  for (const edge of edges) parts.get(top(edge[0]))?.edges.push(edge);
  return [...parts.values()];
}

function arranged(part: Part): Box {
  const graph = new dagre.graphlib.Graph();
  const isLarge = part.nodes.length > LARGE;
  graph.setGraph({
    rankdir: "LR",
    nodesep: GAP_Y,
    ranksep: GAP_X,
    ranker: isLarge ? "longest-path" : "network-simplex",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of part.nodes) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const [from, to] of part.edges) graph.setEdge(from, to);
  dagre.layout(graph);
  const places = part.nodes.map((id): [string, Point] => {
    const { x, y } = graph.node(id) as Point;
    return [id, { x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 }];
  });
  return boxed(places);
}

/** Puts tasks behind the last of those that they follow, ordered by where those stand. */
export function ranked(part: Part): Box {
  const ranks = ranksOf(part);
  const before = new Map<string, string[]>();
  for (const [from, to] of part.edges) before.set(to, [...(before.get(to) ?? []), from]);
  const columns: string[][] = [];
  for (const id of part.nodes) {
    const rank = ranks.get(id) ?? 0;
    const column = columns[rank] ?? [];
    column.push(id);
    columns[rank] = column;
  }
  const row = new Map<string, number>();
  const places: [string, Point][] = [];
  for (const [rank, column] of columns.entries()) {
    if (!column) continue;
    const middle = (id: string) => {
      const rows = (before.get(id) ?? []).flatMap((from) => row.get(from) ?? []);
      return rows.length === 0
        ? Number.POSITIVE_INFINITY
        : rows.reduce((sum, at) => sum + at, 0) / rows.length;
    };
    const weighed = column.map((id, index) => ({ id, index, at: middle(id) }));
    weighed.sort((a, b) => (a.at === b.at ? a.index - b.index : a.at - b.at));
    for (const [index, { id }] of weighed.entries()) {
      row.set(id, index);
      places.push([id, { x: rank * (NODE_WIDTH + GAP_X), y: index * (NODE_HEIGHT + GAP_Y) }]);
    }
  }
  return boxed(places);
}

/** The length of the longest way to each task; edges that close a circle do not count. */
function ranksOf(part: Part): Map<string, number> {
  const after = new Map<string, string[]>();
  const open = new Map<string, number>(part.nodes.map((id) => [id, 0]));
  for (const [from, to] of part.edges) {
    const list = after.get(from);
    if (list) list.push(to);
    else after.set(from, [to]);
    open.set(to, (open.get(to) ?? 0) + 1);
  }
  const ranks = new Map<string, number>();
  const ready = part.nodes.filter((id) => open.get(id) === 0);
  const take = (id: string) => {
    const rank = ranks.get(id) ?? 0;
    ranks.set(id, rank);
    for (const to of after.get(id) ?? []) {
      if (open.get(to) === 0) continue;
      ranks.set(to, Math.max(ranks.get(to) ?? 0, rank + 1));
      const left = (open.get(to) ?? 1) - 1;
      open.set(to, left);
      if (left === 0) ready.push(to);
    }
    open.set(id, 0);
  };
  for (let next = 0; next < ready.length; next += 1) take(ready[next] ?? "");
  // Circles are opened at their first task.
  for (const id of part.nodes) {
    if ((open.get(id) ?? 0) === 0) continue;
    const from = ready.length;
    open.set(id, 0);
    ready.push(id);
    for (let next = from; next < ready.length; next += 1) take(ready[next] ?? "");
  }
  return ranks;
}

function boxed(places: [string, Point][]): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [, { x, y }] of places) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + NODE_WIDTH);
    bottom = Math.max(bottom, y + NODE_HEIGHT);
  }
  const moved = places.map(([id, { x, y }]): [string, Point] => [id, { x: x - left, y: y - top }]);
  return { width: right - left, height: bottom - top, places: moved };
}

/** Puts boxes onto shelves of a width, and says where they end. */
function packed(boxes: readonly Box[], width: number, places: Map<string, Point>) {
  let [x, y, shelf, right] = [0, 0, 0, 0];
  for (const box of boxes) {
    if (x > 0 && x + box.width > width) {
      y += shelf + GAP_PARTS;
      [x, shelf] = [0, 0];
    }
    for (const [id, at] of box.places) places.set(id, { x: x + at.x, y: y + at.y });
    right = Math.max(right, x + box.width);
    shelf = Math.max(shelf, box.height);
    x += box.width + GAP_PARTS;
  }
  return { bottom: y + shelf, right };
}
