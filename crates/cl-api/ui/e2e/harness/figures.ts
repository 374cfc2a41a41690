import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { out } from "./program";

/** Something measured, and the largest value that keeps the promise. */
export interface Figure {
  group: "U1" | "U2";
  name: string;
  value: number;
  unit: string;
  goal: number;
}

/** Prints a figure and writes it down for `cargo xtask e2e --performance`, which judges it. */
export function report(figure: Figure): void {
  mkdirSync(out, { recursive: true });
  appendFileSync(join(out, "figures.jsonl"), `${JSON.stringify(figure)}\n`);
  const { group, name, value, unit, goal } = figure;
  process.stdout.write(`    ${group}  ${value.toFixed(1)} ${unit} (goal ${goal})  ${name}\n`);
}

/** The middle one. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
