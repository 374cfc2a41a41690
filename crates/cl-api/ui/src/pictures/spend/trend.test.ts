import { describe, expect, it } from "vitest";
import { amountOf, bucketText, keyText, lines, roundSteps, stack, type Trend } from "./trend";

const point = (bucket: number, of: object = {}) => ({
  bucket,
  runs: 1,
  runs_without_cost: 0,
  cost_usd: 1,
  input_tokens: 100,
  output_tokens: 10,
  ...of,
});
const total = {
  runs: 0,
  runs_without_cost: 0,
  runs_without_usage: 0,
  wasted: { runs: 0, runs_without_cost: 0, runs_without_usage: 0 },
};
const trend: Trend = {
  by: "agent",
  bucket: "day",
  time_zone: "UTC",
  buckets: ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"],
  until: "2026-03-04T00:00:00Z",
  keys: 2,
  rows: [
    { key: "claude", total, points: [point(0, { cost_usd: 2 }), point(2)] },
    { key: null, total, points: [point(2, { cost_usd: 0.5 }), point(9)] },
  ],
  total,
  problems: [],
};

describe("a chart of usage", () => {
  it("stands rows on each other, the first at the bottom", () => {
    const made = stack(trend, "cost");
    expect(made.rows.map((row) => row.tops)).toEqual([
      [2, null, 1],
      [null, null, 1.5],
    ]);
    expect(made.rows.map((row) => [row.name, row.total])).toEqual([
      ["claude", 3],
      ["all others", 0.5],
    ]);
    expect(made.most).toBe(2);
  });

  it("keeps what is not known apart from nothing", () => {
    const known = point(0, { cost_usd: null, input_tokens: null, output_tokens: null });
    expect(amountOf(known, "cost")).toBeUndefined();
    expect(amountOf(known, "tokens")).toBeUndefined();
    expect(amountOf(point(0, { cache_read_tokens: 5 }), "cached")).toBe(5);
    expect(amountOf(known, "runs")).toBe(1);
  });

  it("lists the latest first, and nothing where there was nothing", () => {
    const made = lines(stack(trend, "cost"));
    expect(made.map((line) => [new Date(line.at).getUTCDate(), line.cells, line.sum])).toEqual([
      [3, [1, 0.5], 1.5],
      [1, [2, undefined], 2],
    ]);
  });
});

it("says when a bucket begins in the zone of the trend", () => {
  const at = Date.UTC(2026, 2, 1, 23, 0);
  expect(bucketText(at, "hour", "Europe/Berlin")).toBe("2 Mar, 00:00");
  expect(bucketText(at, "day", "UTC")).toBe("1 Mar 2026");
  expect(bucketText(at, "day", "Nowhere/At_all")).toBe("1 Mar 2026");
});

it("names tasks by what tells them apart", () => {
  expect(keyText("demo/task-20260301-100000-build", "task")).toBe("demo/build");
  expect(keyText("claude", "agent")).toBe("claude");
});

it.each([
  [0, [0, 1]],
  [3, [0, 1, 2, 3]],
  [0.07, [0, 0.02, 0.04, 0.06, 0.08]],
  [97, [0, 25, 50, 75, 100]],
])("has round marks up to %d", (most, steps) => {
  expect(roundSteps(most)).toEqual(steps);
});
