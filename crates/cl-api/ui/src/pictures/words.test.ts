import { expect, it } from "vitest";
import { costText, countdownText, lengthText, madeAt, moneyText, shortTask, tokensText } from "./words";

it("says money in few digits that matter", () => {
  expect([undefined, 0, 0.00001, 0.0042, 1.5, 1234.5].map(moneyText)).toEqual([
    "unknown",
    "$0.00",
    "<$0.0001",
    "$0.0042",
    "$1.50",
    "$1,234.50",
  ]);
});

it("never calls an unknown cost nothing", () => {
  expect(costText(null, 2)).toBe("unknown");
  expect(costText(0.5, 1)).toBe("$0.50 + 1 unknown");
  expect(costText(null, 0)).toBe("$0.00");
});

it("says tokens and times", () => {
  expect([null, 950, 1234, 45_600, 7_890_000].map(tokensText)).toEqual([
    "unknown",
    "950",
    "1.23k",
    "45.6k",
    "7.89M",
  ]);
  expect([5, 999, 61_000, 3_600_000].map(lengthText)).toEqual(["5 ms", "999 ms", "61s", "1h00m"]);
  expect(countdownText(10_000, 4_500)).toBe("in 6s");
  expect(countdownText(1, 2)).toBe("now");
});

it("reads what a task's id says", () => {
  expect(shortTask("task-20260301-100000-build")).toBe("build");
  expect(shortTask("other")).toBe("other");
  expect(madeAt("task-20260301-100000-build")).toBe(Date.UTC(2026, 2, 1, 10));
  expect(madeAt("other")).toBeUndefined();
});
