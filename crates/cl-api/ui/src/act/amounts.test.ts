import { expect, it } from "vitest";
import { parseCount, parseDollars, parseDuration } from "./amounts";

it("reads lengths of time", () => {
  const cases: [string, number | undefined][] = [
    ["90s", 90_000],
    ["45m", 2_700_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["30", 1_800_000],
    ["2 h", 7_200_000],
    ["0", undefined],
    ["", undefined],
    ["soon", undefined],
    ["-5m", undefined],
    ["5m x", undefined],
    ["9999d", undefined],
  ];
  for (const [text, ms] of cases) expect(parseDuration(text), text).toBe(ms);
});

it("reads counts", () => {
  const cases: [string, number | undefined][] = [
    ["200000", 200_000],
    ["200k", 200_000],
    ["1.5M", 1_500_000],
    ["1,000", 1000],
    ["1,200,000", 1_200_000],
    ["1,5k", 1500],
    ["2.01k", 2010],
    // Neither of them is fifteen.
    ["1,5", undefined],
    ["1,500k", undefined],
    ["1,0000", undefined],
    ["0.0001k", undefined],
    ["0", undefined],
    ["1.5", undefined],
    ["many", undefined],
  ];
  for (const [text, count] of cases) expect(parseCount(text), text).toBe(count);
});

it("reads money without changing it", () => {
  const cases: [string, string | undefined][] = [
    ["2.50", "2.50"],
    ["$5", "5"],
    ["2,5", "2.5"],
    ["2,50", "2.50"],
    // One dollar, or a thousand?
    ["1,000", undefined],
    ["1,000.50", undefined],
    ["0", undefined],
    ["free", undefined],
    ["1e9", undefined],
  ];
  for (const [text, dollars] of cases) expect(parseDollars(text), text).toBe(dollars);
});
