import { describe, expect, it } from "vitest";
import { targetOf } from "./goto";

describe("a place that is typed", () => {
  const now = new Date(2026, 1, 23, 12, 0, 0);
  const local = (...parts: [number, number, number, number, number, number]) => new Date(...parts).getTime();

  it("is a byte, a share or a time", () => {
    expect(targetOf("50 %", now)).toEqual({ kind: "share", share: 0.5 });
    expect(targetOf("@12345", now)).toEqual({ kind: "byte", at: 12345 });
    expect(targetOf("byte 7", now)).toEqual({ kind: "byte", at: 7 });
    expect(targetOf("11:30", now)).toEqual({ kind: "time", time: local(2026, 1, 23, 11, 30, 0) });
    expect(targetOf("13:00:05", now)).toEqual({ kind: "time", time: local(2026, 1, 22, 13, 0, 5) });
    expect(targetOf("2026-02-20 08:00", now)).toEqual({ kind: "time", time: local(2026, 1, 20, 8, 0, 0) });
    expect(targetOf("2026-02-20T08:00:00Z", now)).toEqual({ kind: "time", time: Date.UTC(2026, 1, 20, 8) });
  });

  it("is nothing where it is not understood", () => {
    for (const text of ["", "soon", "25:00", "120%", "2026-13-40", "-5"]) {
      expect(targetOf(text, now)).toBeNull();
    }
  });
});
