import { describe, expect, it } from "vitest";
import { type Found, type Hit, hitFrom, placesOf, type Search, searching } from "./search";

const hit = (at: number): Hit => ({ at, excerpt: "x" });

function server(places: readonly number[], size: number, step: number) {
  return async (_text: string, from: number, limit: number): Promise<Found> => {
    const end = Math.min(size, from + step);
    const all = places.filter((at) => at >= from && at < end);
    const last = all[limit - 1];
    const next = all.length > limit && last !== undefined ? last + 1 : end;
    return { hits: all.slice(0, limit).map(hit), next: next < size ? next : null, size_bytes: size };
  };
}

async function all(search: AsyncGenerator<Search>): Promise<Search[]> {
  const seen: Search[] = [];
  for await (const each of search) {
    seen.push(each);
  }
  return seen;
}

describe("a search", () => {
  it("goes through the whole file and tells how far it came", async () => {
    const seen = await all(searching(server([5, 150, 350], 400, 100), "x", 0, new AbortController().signal));
    expect(seen.map((each) => [each.scanned, each.hits.length, each.state])).toEqual([
      [100, 1, "running"],
      [200, 2, "running"],
      [300, 2, "running"],
      [400, 3, "done"],
    ]);
  });

  it("finds each place once although answers are limited", async () => {
    const places = Array.from({ length: 950 }, (_, index) => index);
    const last = (await all(searching(server(places, 1000, 1000), "x", 0, new AbortController().signal))).at(
      -1,
    );
    expect(last?.hits.map((each) => each.at)).toEqual(places);
    expect(last?.state).toBe("done");
  });

  it("ends when it has enough", async () => {
    const places = Array.from({ length: 950 }, (_, index) => index);
    const seen = await all(searching(server(places, 1000, 1000), "x", 0, new AbortController().signal, 300));
    expect(seen.at(-1)).toMatchObject({ state: "full", scanned: 300 });
    expect(seen.at(-1)?.hits.length).toBe(300);
  });

  it("can be given up", async () => {
    const ending = new AbortController();
    const seen: Search[] = [];
    for await (const each of searching(server([1], 1000, 10), "x", 0, ending.signal)) {
      seen.push(each);
      if (seen.length === 2) {
        ending.abort();
      }
    }
    expect(seen.map((each) => each.state)).toEqual(["running", "running", "cancelled"]);
    expect(seen.at(-1)?.hits.length).toBe(1);
  });

  it("keeps what it found when it fails", async () => {
    const good = server([1], 100, 10);
    const ask = async (text: string, from: number, limit: number) => {
      if (from >= 20) {
        throw new Error("api 500: gone");
      }
      return good(text, from, limit);
    };
    const seen = await all(searching(ask, "x", 0, new AbortController().signal));
    expect(seen.at(-1)).toMatchObject({ state: "failed", scanned: 20, failure: new Error("api 500: gone") });
    expect(seen.at(-1)?.hits.length).toBe(1);
  });

  it("does not go on with a server that does not get on", async () => {
    const ask = async (_text: string, from: number): Promise<Found> => ({
      hits: [],
      next: from,
      size_bytes: 10,
    });
    expect(await all(searching(ask, "x", 0, new AbortController().signal))).toHaveLength(1);
  });
});

describe("hits", () => {
  it("are gone through in both directions, around the ends", () => {
    const hits = [10, 20, 30].map(hit);
    expect(hitFrom(hits, 10, "next")).toBe(1);
    expect(hitFrom(hits, 30, "next")).toBe(0);
    expect(hitFrom(hits, 25, "previous")).toBe(1);
    expect(hitFrom(hits, 10, "previous")).toBe(2);
    expect(hitFrom([], 0, "next")).toBeNull();
  });

  it("are marked in a line whatever their case", () => {
    expect(placesOf("Error: error", "ERROR")).toEqual([
      { from: 0, to: 5 },
      { from: 7, to: 12 },
    ]);
    expect(placesOf("text", "")).toEqual([]);
    expect(placesOf("İx", "x")).toEqual([{ from: 1, to: 2 }]);
  });
});
