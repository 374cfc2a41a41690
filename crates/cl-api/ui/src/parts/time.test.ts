import { describe, expect, it } from "vitest";
import { formatAgo, formatBytes, formatDuration, parseTime } from "./time";

describe("times", () => {
  it.each([
    [0, "0s"],
    [119.9, "119s"],
    [120, "2m00s"],
    [3599, "59m59s"],
    [3600, "1h00m"],
    [86_399, "23h59m"],
    [86_400, "1d00h"],
    [-5, "0s"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it("says how long ago and how soon", () => {
    const now = 1_000_000_000;
    expect(formatAgo(now - 2000, now)).toBe("now");
    expect(formatAgo(now - 59_000, now)).toBe("59s ago");
    expect(formatAgo(now - 7_200_000, now)).toBe("2h ago");
    expect(formatAgo(now + 300_000, now)).toBe("in 5m");
  });

  it("takes the zero time for none", () => {
    expect(parseTime("0001-01-01T00:00:00Z")).toBeUndefined();
    expect(parseTime(null)).toBeUndefined();
    expect(parseTime("nonsense")).toBeUndefined();
    expect(parseTime("2026-02-23T20:49:01.5Z")).toBe(Date.UTC(2026, 1, 23, 20, 49, 1, 500));
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [4200, "4.2 kB"],
    [1_100_000_000, "1.1 GB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
