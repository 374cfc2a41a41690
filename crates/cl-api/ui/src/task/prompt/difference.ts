/** What changed between the prompts of two attempts, line by line. */

import { diffLines } from "diff";

export type Line =
  | { kind: "same" | "added" | "removed"; text: string }
  /** So many equal lines that are left out. */
  | { kind: "gap"; count: number };

/** How many equal lines are shown around a change. */
const CONTEXT = 3;
/** Beyond this a comparison may take too long, and nobody reads it. */
const LONGEST = 400_000;

/** Compares two texts; none if they are too long to be compared here. */
export function difference(before: string, after: string): Line[] | undefined {
  if (before.length + after.length > LONGEST) return undefined;
  const parts = diffLines(before, after, { timeout: 1000 });
  if (!parts) return undefined;
  const lines: Line[] = [];
  parts.forEach((part, at) => {
    const texts = part.value.replace(/\n$/, "").split("\n");
    if (part.added || part.removed) {
      const kind = part.added ? "added" : "removed";
      lines.push(...texts.map((text) => ({ kind, text }) as const));
      return;
    }
    const head = at === 0 ? 0 : CONTEXT;
    const tail = at === parts.length - 1 ? 0 : CONTEXT;
    const same = (texts: string[]) => texts.map((text) => ({ kind: "same", text }) as const);
    if (texts.length <= head + tail + 1) {
      lines.push(...same(texts));
      return;
    }
    lines.push(...same(texts.slice(0, head)));
    lines.push({ kind: "gap", count: texts.length - head - tail });
    lines.push(...same(texts.slice(texts.length - tail)));
  });
  return lines;
}

/** Tells whether anything is different. */
export function isSame(lines: readonly Line[]): boolean {
  return lines.every((line) => line.kind === "same" || line.kind === "gap");
}
