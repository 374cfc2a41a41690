import { expect, it } from "vitest";
import { lastSeen, markSeen, unseenOf } from "./seen";

it("remembers for each bus what was seen last", () => {
  markSeen(localStorage, "p/t", "MSG-1");
  markSeen(localStorage, "p", "MSG-9");
  markSeen(localStorage, "p/t", "MSG-2");
  expect(lastSeen(localStorage, "p/t")).toBe("MSG-2");
  expect(lastSeen(localStorage, "p")).toBe("MSG-9");
  expect(lastSeen(localStorage, "q")).toBeUndefined();
});

it("keeps a bounded number of buses, those looked at last", () => {
  for (let n = 0; n < 320; n += 1) markSeen(localStorage, `p/${n}`, "MSG-1");
  expect(lastSeen(localStorage, "p/0")).toBeUndefined();
  expect(lastSeen(localStorage, "p/319")).toBe("MSG-1");
});

it("does not mind what it cannot read", () => {
  localStorage.setItem("conductor.seen", "{");
  expect(lastSeen(localStorage, "p")).toBeUndefined();
});

it("marks what came after it", () => {
  const items = ["c", "b", "a"].map((msg_id) => ({ msg_id }));
  expect([...unseenOf(items, "a")]).toEqual(["c", "b"]);
  expect(unseenOf(items, "c").size).toBe(0);
  expect(unseenOf(items, undefined).size).toBe(0);
  expect(unseenOf(items, "gone").size).toBe(0);
});
