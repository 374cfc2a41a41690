import { describe, expect, it } from "vitest";
import {
  type Item,
  KEPT,
  MOST_KEPT,
  NONE,
  newestOf,
  oldestOf,
  startedAgain,
  withNewer,
  withOlder,
} from "./messages";

const item = (n: number, change: Partial<Item> = {}): Item => ({
  msg_id: `MSG-${n}`,
  timestamp: new Date(Date.UTC(2026, 1, 23) + n * 1000).toISOString(),
  type: "FACT",
  body: `body ${n}`,
  ...change,
});
const page = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => item(from + at));
const ids = (items: readonly Item[]) => items.map((it) => Number(it.msg_id.slice(4)));

describe("the message store", () => {
  it("merges newest first", () => {
    const store = withNewer(withNewer(NONE, page(1, 3)), page(4, 5));
    expect(ids(store.items)).toEqual([5, 4, 3, 2, 1]);
    expect(newestOf(store)).toBe("MSG-5");
    expect(oldestOf(store)).toBe("MSG-1");
  });

  it("keeps the order when a known message is another now", () => {
    const store = withNewer(NONE, page(1, 3));
    const after = withNewer(store, [item(2, { timestamp: "2026-02-24T00:00:00Z", body: "new" })]);
    expect(ids(after.items)).toEqual([3, 2, 1]);
    expect(after.byId.get("MSG-2")?.body).toBe("new");
  });

  it("replaces a message of the same time and another payload, and ignores an older one", () => {
    const store = withNewer(NONE, page(1, 3));
    expect(withNewer(store, [item(2, { body: "edited" })]).items[1]?.body).toBe("edited");
    expect(withNewer(store, [item(2, { timestamp: "2020-01-01T00:00:00Z", body: "past" })])).toBe(store);
  });

  it("is the same object when nothing is new", () => {
    const store = withNewer(NONE, page(1, 500));
    let after = store;
    for (let times = 0; times < 120; times += 1) after = withNewer(after, page(1, 500));
    expect(after).toBe(store);
    expect(withNewer(store, [])).toBe(store);
    expect(startedAgain(store, page(1, 500), false)).toBe(store);
    expect(withOlder(store, [], false)).toBe(store);
  });

  it("takes each id once, whatever a page holds", () => {
    const store = withNewer(NONE, [item(1), item(2), item(1, { body: "again" }), item(2)]);
    expect(ids(store.items)).toEqual([2, 1]);
    expect(store.byId.get("MSG-1")?.body).toBe("again");
  });

  it("follows the order of the bus and not the clocks of those who write", () => {
    const late = item(1, { timestamp: "2027-01-01T00:00:00Z" });
    expect(ids(withNewer(withNewer(NONE, [late]), [item(2)]).items)).toEqual([2, 1]);
  });

  it("enforces the cap and remembers that there is more", () => {
    const store = withNewer(NONE, page(1, 1400));
    expect(store.hasOlder).toBe(false);
    const after = withNewer(store, page(1401, 1680));
    expect(after.items).toHaveLength(KEPT);
    expect(after.items[0]?.msg_id).toBe("MSG-1680");
    expect(after.hasOlder).toBe(true);
    expect(after.byId.size).toBe(KEPT);
  });

  it("reads on into the past without losing what is new, up to a bound", () => {
    let store = withNewer(NONE, page(20_001, 20_000 + KEPT));
    store = withOlder(store, page(19_001, 20_000), true);
    expect(store.items).toHaveLength(KEPT + 1000);
    expect(oldestOf(store)).toBe("MSG-19001");
    store = withOlder(store, page(1, 19_000), false);
    expect(store.items).toHaveLength(MOST_KEPT);
    expect(store.hasOlder).toBe(true);
    // No holes: the oldest that is kept stands before the next one.
    const kept = ids(store.items);
    expect(kept.every((id, at) => at === 0 || id === (kept[at - 1] ?? 0) - 1)).toBe(true);
  });

  it("starts again from the last page when its place is unknown", () => {
    const store = withNewer(NONE, page(1, 5));
    const after = startedAgain(store, page(100, 120), true);
    expect(after.items).toHaveLength(21);
    expect(after.hasOlder).toBe(true);
  });
});
