/** The lines between tasks. Pure; all lines of a kind are one path, however many they are. */

import { NODE_HEIGHT, NODE_WIDTH, type Point } from "./layout";
import type { Edge } from "./model";

/** How long the head of an arrow is. */
const HEAD = 7;

export interface Paths {
  /** The lines. */
  lines: string;
  /** The heads of arrows, to be filled. */
  heads: string;
}

export function pathsOf(
  edges: readonly Edge[],
  places: ReadonlyMap<string, Point>,
  withHeads: boolean,
): Paths {
  const lines: string[] = [];
  const heads: string[] = [];
  for (const edge of edges) {
    const [from, to] = [places.get(edge.from), places.get(edge.to)];
    if (!from || !to) continue;
    lines.push(line(from, to, withHeads ? HEAD - 1 : 0));
    if (withHeads) heads.push(head(to));
  }
  return { lines: lines.join(""), heads: heads.join("") };
}

function line(from: Point, to: Point, before: number): string {
  const [ax, ay] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2];
  const [bx, by] = [to.x - before, to.y + NODE_HEIGHT / 2];
  // A line that goes back swings out further, so that it is seen beside the tasks.
  const bend = bx > ax ? Math.max(20, (bx - ax) / 2) : 60;
  return `M${n(ax)} ${n(ay)}C${n(ax + bend)} ${n(ay)} ${n(bx - bend)} ${n(by)} ${n(bx)} ${n(by)}`;
}

function head(to: Point): string {
  const [x, y] = [to.x, to.y + NODE_HEIGHT / 2];
  return `M${n(x)} ${n(y)}L${n(x - HEAD)} ${n(y - 3.5)}L${n(x - HEAD)} ${n(y + 3.5)}Z`;
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
