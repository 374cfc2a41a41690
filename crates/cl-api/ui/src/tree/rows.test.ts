import { describe, expect, it } from "vitest";
import {
  anchored,
  type Choices,
  noChoices,
  noFilter,
  pathTo,
  SECTION,
  selectedAt,
  settle,
  shown,
  type TreeRow,
} from "./rows";

/** Rows from lines such as `task a running`, two spaces for each level. */
function tree(...lines: string[]): TreeRow[] {
  const rows: TreeRow[] = [];
  for (const line of lines) {
    const level = (line.length - line.trimStart().length) / 2;
    const [kind, key = "", status = "running"] = line.trim().split(" ");
    const parent = rows.findLastIndex((row) => row.level === level - 1);
    const active = status === "running";
    const common = {
      key,
      level,
      parent: level === 0 ? null : parent,
      below: 0,
      active_below: false,
      label: key,
      status,
    };
    const own = kind === "task" ? { task_id: key, active } : { run_id: key };
    rows.push({ ...common, ...own, kind } as unknown as TreeRow);
    for (let above = level === 0 ? null : parent; above !== null && above !== undefined; ) {
      const row: TreeRow | undefined = rows[above];
      if (!row) break;
      row.below += 1;
      row.active_below ||= active;
      above = row.parent ?? null;
    }
  }
  return rows;
}

const keys = (rows: TreeRow[], choices: Choices, filter = noFilter, selection = {}) =>
  shown(rows, choices, filter, selection).map((row) => row.key);
const settled = (rows: TreeRow[], selection = {}, choices = noChoices) =>
  settle(rows, choices, selection, true);

const CHAIN = tree(
  "task a running",
  "  run a3 running",
  "    run a2 failed",
  "      run a1 failed",
  "task b blocked",
  "  task b1 completed",
  "    run b1r completed",
);

describe("the tree's rows", () => {
  it("shows running nodes open and all others closed", () => {
    expect(keys(CHAIN, settled(CHAIN))).toEqual(["a", "a3", "a2", "b"]);
  });

  it("opens what is above the selection, down to the last of a chain", () => {
    expect(pathTo(CHAIN, { task: "a", run: "a1" })).toEqual(["a2", "a3", "a"]);
    expect(keys(CHAIN, settled(CHAIN, { task: "a", run: "a1" }))).toEqual(["a", "a3", "a2", "a1", "b"]);
    expect(pathTo(CHAIN, { task: "nobody" })).toEqual([]);
  });

  it("selects the task where the run has no row of its own", () => {
    expect(selectedAt(CHAIN, { task: "b", run: "not here" })).toBe(4);
    expect(selectedAt(CHAIN, { task: "b1", run: "b1r" })).toBe(6);
    expect(selectedAt(CHAIN, {})).toBe(-1);
  });

  it("never closes by itself what opened by itself", () => {
    const open = settled(CHAIN);
    const later = tree("task a failed", "  run a3 failed", "    run a2 failed", "task c running");
    expect(keys(later, settle(later, { ...open, section: true }, {}, false))).toEqual([
      "c",
      SECTION,
      "a",
      "a3",
      "a2",
    ]);
  });

  it("keeps closed what was closed by hand, until something in it is selected", () => {
    const closed = { ...settled(CHAIN), toggled: new Map([["a", false]]) };
    expect(keys(CHAIN, settle(CHAIN, closed, {}, false))).toEqual(["a", "b"]);
    expect(keys(CHAIN, settle(CHAIN, closed, { task: "a", run: "a1" }, false))).toEqual(["a", "b"]);
    expect(keys(CHAIN, settle(CHAIN, closed, { task: "a", run: "a1" }, true))).toContain("a1");
  });

  const MIXED = tree(
    "task run running",
    "task bad failed",
    "task ok completed",
    "task parent completed",
    "  task kid running",
  );

  it("collapses ended root tasks, but not those with something active below", () => {
    expect(shown(MIXED, settled(MIXED), noFilter).map((row) => [row.key, row.kind])).toEqual([
      ["run", "node"],
      ["parent", "node"],
      ["kid", "node"],
      [SECTION, "section"],
    ]);
    expect(shown(MIXED, settled(MIXED), noFilter).at(-1)).toMatchObject({
      count: 2,
      completed: 1,
      failed: 1,
      open: false,
    });
  });

  it("shows all tasks where every root task has ended, and what was toggled by hand stays", () => {
    const rows = tree("task a completed", "task b failed");
    expect(keys(rows, settled(rows))).toEqual([SECTION, "a", "b"]);
    const closed = { ...settled(rows), section: false };
    expect(keys(rows, settle(rows, closed, {}, false))).toEqual([SECTION]);
    const more = tree("task c running", "task a completed", "task b failed");
    expect(keys(more, settle(more, closed, {}, false))).toEqual(["c", SECTION]);
  });

  it("leaves a selected task where it is when it ends, and in the section where it was there", () => {
    const before = settled(MIXED, { task: "run" });
    const after = tree("task x running", "task run completed", "task bad failed", "task ok completed");
    const kept = settle(after, before, { task: "run" }, false);
    expect(keys(after, kept, noFilter, { task: "run" })).toEqual(["x", "run", SECTION]);
    // Once something else is selected it goes where it belongs.
    expect(keys(after, settle(after, kept, { task: "x" }, true), noFilter, { task: "x" })).toEqual([
      "x",
      SECTION,
    ]);
    // One that is in the section stays there, and the section opens.
    const inside = settle(after, before, { task: "ok" }, true);
    expect(keys(after, inside, noFilter, { task: "ok" })).toEqual(["x", SECTION, "run", "bad", "ok"]);
  });

  it("filters by words and status, and shows what is above a match", () => {
    expect(keys(CHAIN, settled(CHAIN), { text: "B1", status: "all" })).toEqual(["b", "b1", "b1r"]);
    expect(
      shown(CHAIN, settled(CHAIN), { text: "b1r", status: "all" }).map(
        (row) => row.kind === "node" && row.faint,
      ),
    ).toEqual([true, true, false]);
    expect(keys(MIXED, settled(MIXED), { text: "", status: "failed" })).toEqual(["bad"]);
    expect(keys(MIXED, settled(MIXED), { text: "k", status: "active" })).toEqual(["parent", "kid"]);
    expect(keys(CHAIN, settled(CHAIN), { text: "nothing like it", status: "all" })).toEqual([]);
  });

  it("stays quick with 4000 rows in one deep chain", () => {
    const rows = Array.from({ length: 4000 }, (_, at) => ({
      ...(CHAIN[1] as TreeRow),
      key: `r${at}`,
      run_id: `r${at}`,
      level: at,
      parent: at === 0 ? null : at - 1,
      below: 3999 - at,
    })) as TreeRow[];
    expect(keys(rows, settled(rows, { run: "r3999" }))).toHaveLength(4000);
  });
});

describe("stability of the tree", () => {
  const base = { rowHeight: 28, viewHeight: 280, room: 0 };

  it("keeps the row that is looked at where it is when others come above it", () => {
    const of = { ...base, before: ["a", "b", "c"], after: ["x", "y", "a", "b", "c"], look: ["b"], scroll: 0 };
    const { scroll, above } = anchored(of);
    expect(3 * 28 + above - scroll).toBe(1 * 28);
  });

  it("leaves room where rows above go away and there is nothing to scroll", () => {
    const of = { ...base, before: ["a", "b", "c"], after: ["c"], look: ["c"], scroll: 0 };
    expect(anchored(of)).toEqual({ scroll: 0, above: 56, below: 0 });
  });

  it("takes the next one where the row itself is gone", () => {
    const of = { ...base, before: ["a", "b", "c"], after: ["x", "c"], look: ["b", "c"], scroll: 0 };
    const { scroll, above } = anchored(of);
    expect(1 * 28 + above - scroll).toBe(2 * 28);
  });

  it("holds for any change of any list", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    for (let round = 0; round < 500; round++) {
      const before = Array.from({ length: 1 + random(60) }, (_, at) => `k${at}`);
      const look = before[random(before.length)] ?? "k0";
      const after = before.filter((key) => key === look || random(3) > 0);
      for (let more = random(20); more > 0; more--)
        after.splice(random(after.length + 1), 0, `n${round}-${more}`);
      const longest = Math.max(0, before.length * 28 - 280);
      const scroll = longest === 0 ? 0 : random(longest);
      const { scroll: to, above, below } = anchored({ ...base, before, after, look: [look], scroll });
      expect(after.indexOf(look) * 28 + above - to).toBe(before.indexOf(look) * 28 - scroll);
      expect(to).toBeGreaterThanOrEqual(0);
      expect(to).toBeLessThanOrEqual(Math.max(0, after.length * 28 + above + below - 280));
    }
  });
});
