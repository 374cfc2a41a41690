import { describe, expect, it } from "vitest";
import { bars, moved, SHORTEST, showing, ticks, toPixels, whole, within, zoomed } from "./scale";

const bounds = { from: 0, to: 10_000 };

describe("the window of time", () => {
  it("zooms around the pointer", () => {
    const closer = zoomed(bounds, 0.5, 2000, bounds);
    expect(closer).toEqual({ from: 1000, to: 6000 });
    const x = toPixels(closer, 100);
    expect(x(2000)).toBe(20);
  });

  it("never leaves what there is, nor gets closer than anybody looks", () => {
    expect(moved({ from: 0, to: 1000 }, -5, bounds)).toEqual({ from: 0, to: 1000 });
    expect(moved({ from: 0, to: 1000 }, 99, bounds)).toEqual({ from: 9000, to: 10_000 });
    const closest = zoomed(bounds, 1e-9, 5000, bounds);
    expect(closest.to - closest.from).toBe(SHORTEST);
    expect(zoomed(bounds, 100, 5000, bounds)).toEqual(bounds);
    expect(within({ from: -5, to: 50_000 }, bounds)).toEqual(bounds);
  });

  it("moves no further than a bar needs to be seen", () => {
    const window = { from: 1000, to: 2000 };
    expect(showing(window, 1200, 1300, bounds)).toEqual(window);
    const later = showing(window, 5000, 5100, bounds);
    expect(later.from).toBeLessThan(5000);
    expect(later.to).toBeGreaterThan(5100);
    const long = showing(window, 3000, 9000, bounds);
    expect(long.from).toBeLessThanOrEqual(3000);
    expect(long.to).toBeGreaterThanOrEqual(9000);
  });

  it("is never empty", () => {
    const one = whole(5, 5);
    expect(one.to).toBeGreaterThan(one.from);
  });
});

describe("marks", () => {
  it("stand at round times with room between them", () => {
    const from = new Date(2026, 2, 1, 9, 57).getTime();
    const marks = ticks({ from, to: from + 60 * 60_000 }, 600);
    expect(marks.length).toBeGreaterThan(2);
    expect(marks.length).toBeLessThanOrEqual(7);
    expect(marks[0]?.label).toMatch(/^\d\d:\d0$/);
  });

  it("tell days by their date", () => {
    const from = new Date(2026, 2, 1, 20).getTime();
    const marks = ticks({ from, to: from + 8 * 3_600_000 }, 400);
    expect(marks.find((mark) => mark.isDay)?.label).toBe("2 Mar");
  });

  it("are bounded for any stretch of time", () => {
    for (const length of [1, 1e3, 1e6, 1e9, 1e12, 1e13]) {
      const marks = ticks({ from: 1.7e12, to: 1.7e12 + length }, 5000);
      expect(marks.length).toBeLessThanOrEqual(60);
    }
    expect(ticks({ from: 5, to: 5 }, 100)).toEqual([]);
  });
});

describe("bars", () => {
  const span = (from: number, to: number | undefined, tone = "ok") => ({ from, to, tone });

  it("grow up to now while they go on, and can always be seen", () => {
    const made = bars([span(0, undefined), span(9000, 9000)], bounds, 100, 5000);
    expect(made[0]).toMatchObject({ left: 0, width: 50 });
    expect(made[1]?.width).toBeGreaterThan(0);
  });

  it("leaves out what is not in sight", () => {
    expect(bars([span(0, 10), span(9000, 9500)], { from: 100, to: 200 }, 100, 0)).toEqual([]);
  });

  it("draws what nobody could tell apart as one", () => {
    const many = Array.from({ length: 5000 }, (_, number) => span(number * 2, number * 2 + 1));
    const made = bars(many, bounds, 500, 0);
    expect(made.length).toBeLessThanOrEqual(400);
    expect(made.reduce((sum, bar) => sum + bar.count, 0)).toBe(5000);
  });

  it("keeps a failure apart from what is around it", () => {
    const made = bars([span(0, 1), span(2, 3, "failed"), span(4, 5)], bounds, 100, 0);
    expect(made.map((bar) => bar.span.tone)).toEqual(["ok", "failed", "ok"]);
  });
});
