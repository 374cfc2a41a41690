import { describe, expect, it } from "vitest";
import { type Effect, type Input, type Machine, machine, step, waitAfter } from "./connection";
import type { StreamEvent } from "./sse";

const MOMENT = { now: 1000, random: 0 };

/** Plays inputs one after the other; `g` stands for the generation that counts then. */
function play(...inputs: ((g: number) => Input)[]): { m: Machine; effects: Effect[]; last: Effect[] } {
  let m = machine;
  const effects: Effect[] = [];
  let last: Effect[] = [];
  for (const input of inputs) {
    [m, last] = step(m, input(m.generation), MOMENT);
    effects.push(...last);
  }
  return { m, effects, last };
}

const start = (): Input => ({ type: "start" });
const opened = (generation: number): Input => ({ type: "opened", generation });
const event =
  (name: string, data: unknown = {}, id?: string) =>
  (generation: number): Input => ({
    type: "event",
    generation,
    event: { name, id, data: JSON.stringify(data) } satisfies StreamEvent,
  });
const ended =
  (of: { status?: number; retryAfter?: number } = {}) =>
  (generation: number): Input => ({ type: "ended", generation, error: "lost", ...of });
const waited = (generation: number): Input => ({ type: "waited", generation });
const live = [start, opened, event("snapshot"), event("ready", {}, "a-7")];

const connects = (effects: Effect[]) => effects.filter((effect) => effect.type === "connect");
const waits = (effects: Effect[]) => effects.flatMap((effect) => (effect.type === "wait" ? [effect.ms] : []));

describe("the one connection", () => {
  it("is live only once everything was told", () => {
    expect(play(start, opened, event("snapshot")).m).toMatchObject({ phase: "connecting", complete: false });
    expect(play(...live).m).toMatchObject({ phase: "live", complete: true, lastId: "a-7", resets: 1 });
  });

  it("goes on behind the last change after a drop, and what is shown is stale meanwhile", () => {
    const lost = play(...live, event("change", { what: "bus" }, "a-8"), ended());
    expect(lost.m).toMatchObject({ phase: "waiting", staleSince: 1000, complete: true });
    expect(waits(lost.last)).toEqual([250]);
    const back = play(...live, event("change", { what: "bus" }, "a-8"), ended(), waited);
    expect(connects(back.last)).toMatchObject([{ lastId: "a-8" }]);
    const resumed = play(...live, ended(), waited, opened);
    // Nothing has to be fetched again: what happened meanwhile is told.
    expect(resumed.m).toMatchObject({ phase: "live", staleSince: undefined, resets: 1, failures: 0 });
  });

  it("says that everything has to be fetched again where the server knows the place no more", () => {
    const { m } = play(
      ...live,
      ended(),
      waited,
      opened,
      event("reset"),
      event("snapshot"),
      event("ready", {}, "b-1"),
    );
    expect(m).toMatchObject({ phase: "live", resets: 2, lastId: "b-1" });
  });

  it("waits longer each time, with a bound, and says since when it is stale", () => {
    const { effects, m } = play(start, ended(), waited, ended(), waited, ended(), waited, ended());
    expect(waits(effects)).toEqual([250, 500, 1000, 2000]);
    expect(m.staleSince).toBe(1000);
    expect(waitAfter(99, 1)).toBe(15_000);
    expect(waitAfter(1, 1)).toBe(500);
  });

  it("does not listen to an attempt that no longer counts", () => {
    const { m } = play(...live, ended());
    for (const input of [opened(1), event("ready", {}, "x")(1), ended()(1), waited(1)]) {
      expect(step(m, input, MOMENT)).toEqual([m, []]);
    }
  });

  it("counts an attempt that fell silent once", () => {
    const silent = (generation: number): Input => ({ type: "silent", generation });
    const { m, last } = play(...live, silent);
    expect(last[0]).toEqual({ type: "abort" });
    expect(m.failures).toBe(1);
    expect(step(m, ended()(m.generation - 1), MOMENT)[0]).toBe(m);
  });

  it("asks nobody again and again who has to log in first", () => {
    const { m, last } = play(...live, ended({ status: 401 }));
    expect(m.phase).toBe("unauthorised");
    expect(waits(last)).toEqual([]);
    expect(connects(step(m, { type: "wake" }, MOMENT)[1])).toHaveLength(1);
  });

  it("waits as long as the server asks for", () => {
    expect(waits(play(start, ended({ status: 429, retryAfter: 7 })).last)).toEqual([7000]);
    expect(waits(play(start, ended({ status: 503, retryAfter: 9999 })).last)).toEqual([60_000]);
  });

  it("connects at once when something suggests that it may work now, and only then", () => {
    const wake = (): Input => ({ type: "wake" });
    expect(connects(play(start, ended(), wake).last)).toHaveLength(1);
    expect(play(...live, wake).last).toEqual([]);
    expect(play(start, wake).last).toEqual([]);
  });

  it("goes on at its place when other files are followed, and stays live", () => {
    const follow = (files: string[]) => (): Input => ({ type: "follow", files });
    const { m, last } = play(...live, follow(["p/t/r/b", "p/t/r/a", "p/t/r/a"]));
    expect(connects(last)).toMatchObject([{ lastId: "a-7", follow: ["p/t/r/a", "p/t/r/b"] }]);
    expect(m.phase).toBe("live");
    expect(play(...live, follow(["x"]), follow(["x"])).last).toEqual([]);
    expect(play(start, ended(), follow(["x"])).last).toEqual([]);
  });

  it("survives what is no JSON", () => {
    const broken = (generation: number): Input => ({
      type: "event",
      generation,
      event: { name: "change", id: "a-9", data: "{" },
    });
    expect(play(...live, broken)).toMatchObject({ last: [], m: { lastId: "a-9", phase: "live" } });
  });
});
