/** Spend and tokens along time, as charts and tables show them. Pure. */

import type { Schemas } from "../../api/client";
import { moneyText, tokensText } from "../words";

export type Trend = Schemas["UsageTrend"];
export type Point = Schemas["UsagePoint"];

/** What is measured. */
export type Measure = "cost" | "tokens" | "cached" | "runs";

export const MEASURES: { id: Measure; label: string }[] = [
  { id: "cost", label: "Cost" },
  { id: "tokens", label: "Tokens" },
  { id: "cached", label: "Cached tokens" },
  { id: "runs", label: "Runs" },
];

/** The stretches of time that are offered. */
export const RANGES = [
  { id: "today", label: "Today", days: 1, bucket: "hour" },
  { id: "week", label: "7 days", days: 7, bucket: "hour" },
  { id: "month", label: "30 days", days: 30, bucket: "day" },
  { id: "quarter", label: "90 days", days: 90, bucket: "day" },
  { id: "year", label: "1 year", days: 365, bucket: "day" },
] as const;
export type RangeId = (typeof RANGES)[number]["id"];

/** The value of a point; `undefined` where it is not known. */
export function amountOf(point: Point, measure: Measure): number | undefined {
  switch (measure) {
    case "cost":
      return point.cost_usd ?? undefined;
    case "tokens":
      return sum(point.input_tokens, point.output_tokens);
    case "cached":
      return sum(point.cache_read_tokens, point.cache_write_tokens);
    case "runs":
      return point.runs;
  }
}

function sum(a: number | null | undefined, b: number | null | undefined): number | undefined {
  if ((a ?? undefined) === undefined && (b ?? undefined) === undefined) return undefined;
  return (a ?? 0) + (b ?? 0);
}

export function valueText(value: number | undefined, measure: Measure): string {
  if (value === undefined) return "unknown";
  return measure === "cost" ? moneyText(value) : tokensText(value);
}

/** What the row without a key is called. */
export function keyText(key: string | null | undefined, by: string): string {
  if (key === null || key === undefined) return "all others";
  return by === "task" ? key.replace(/\/task-\d{8}-\d{6}-/, "/") : key;
}

/** A chart: for each row the top of its bars, one standing on the other. */
export interface Stack {
  /** The beginning of each bucket, in seconds. */
  at: number[];
  rows: {
    name: string;
    values: (number | undefined)[];
    tops: (number | null)[];
    total: number | undefined;
  }[];
  /** The highest bar. */
  most: number;
}

export function stack(trend: Trend, measure: Measure): Stack {
  const at = trend.buckets.map((text) => Date.parse(text) / 1000);
  const heights = at.map(() => 0);
  const rows = trend.rows.map((row) => {
    const values: (number | undefined)[] = at.map(() => undefined);
    for (const point of row.points) {
      if (point.bucket < values.length) values[point.bucket] = amountOf(point, measure);
    }
    const tops = values.map((value, index) => {
      if (value === undefined || value === 0) return null;
      const top = (heights[index] ?? 0) + value;
      heights[index] = top;
      return top;
    });
    const known = values.filter((value) => value !== undefined);
    const total = known.length === 0 ? undefined : known.reduce((all, value) => all + value, 0);
    return { name: keyText(row.key, trend.by), values, tops, total };
  });
  return { at, rows, most: Math.max(0, ...heights) };
}

/** A row of the table: what was used in one bucket. */
export interface Line {
  at: number;
  cells: (number | undefined)[];
  sum: number | undefined;
}

/** The lines of the table, the latest first; buckets without anything are left out. */
export function lines(stack: Stack): Line[] {
  const shown: Line[] = [];
  for (const [index, at] of stack.at.entries()) {
    const cells = stack.rows.map((row) => row.values[index]);
    const known = cells.filter((value) => value !== undefined);
    if (known.length === 0) continue;
    shown.push({ at: at * 1000, cells, sum: known.reduce((all, value) => all + value, 0) });
  }
  return shown.reverse();
}

/** The beginning of a bucket in words. */
export function bucketText(at: number, bucket: string, timeZone: string): string {
  const options: Intl.DateTimeFormatOptions =
    bucket === "hour"
      ? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }
      : { year: "numeric", month: "short", day: "numeric" };
  return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: known(timeZone) }).format(new Date(at));
}

function known(timeZone: string): string {
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone });
    return timeZone;
  } catch {
    return "UTC";
  }
}

/** The time zone of the browser. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Round values for the axis, from 0 to a little more than `most`. */
export function roundSteps(most: number, wanted = 4): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / wanted;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * size).find((step) => step >= rough) ?? rough;
  const count = Math.ceil(most / step);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}
