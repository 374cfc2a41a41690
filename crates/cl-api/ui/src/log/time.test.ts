import { describe, expect, it } from "vitest";
import { LogDocument, type Piece } from "./document";
import { agoOf, freshnessOf } from "./freshness";
import { FakeFile } from "./testing";
import { placeOfTime, timeOf } from "./time";

describe("the time of a line", () => {
  it("is read as programs write it", () => {
    const time = Date.UTC(2026, 1, 23, 20, 49, 1, 500);
    expect(timeOf("2026-02-23T20:49:01.500Z INFO x")).toBe(time);
    expect(timeOf("[2026-02-23 20:49:01,500] x")).toBe(time);
    expect(timeOf("2026-02-23T22:49:01.500123+02:00")).toBe(time);
    expect(timeOf(`{"a":1,"timestamp":"2026-02-23T20:49:01.5Z"}`)).toBe(time);
    expect(timeOf(`{"timestamp":${time}}`)).toBe(time);
    expect(timeOf("no time, 2026-13-45T99:99:99Z")).toBeNull();
    expect(timeOf("nothing")).toBeNull();
  });

  it("leads to its place, with few reads", async () => {
    const begin = Date.UTC(2026, 0, 1);
    const text = Array.from({ length: 60_000 }, (_, index) => {
      const stamp = index % 3 === 0 ? new Date(begin + index * 1000).toISOString() : "  more of it";
      return `${stamp} line ${index}`;
    }).join("\n");
    const file = new FakeFile(text);
    const document = new LogDocument(file);
    await document.look();
    const place = (await placeOfTime(document, begin + 30_000 * 1000)) as number;
    await document.load(place, place + 1000);
    expect(document.text(document.piece(place) as Piece, 99).text).toContain("line 30000");
    expect(await placeOfTime(document, begin - 5)).toBe(0);
    expect(await placeOfTime(document, begin + 10 ** 12)).toBeNull();
  });

  it("is not found in files that do not say it", async () => {
    const document = new LogDocument(new FakeFile("a\nb\n".repeat(1000)));
    await document.look();
    expect(await placeOfTime(document, 0)).toBeNull();
  });
});

describe("the badge of the last output", () => {
  it("is recent, stale and silent", () => {
    expect([0, 29_999, 30_000, 119_999, 120_000].map(freshnessOf)).toEqual([
      "recent",
      "recent",
      "stale",
      "stale",
      "silent",
    ]);
    expect([0, 119_000, 121_000, 3 * 3_600_000, 3 * 86_400_000].map(agoOf)).toEqual([
      "0s",
      "119s",
      "2m",
      "3h",
      "3d",
    ]);
  });
});
