import { describe, expect, it } from "vitest";
import { row } from "../testdata";
import { choose, graphOf, linksOf, MOST_NODES, shapeOf } from "./model";

const task = (name: string, of: Parameters<typeof row>[0] = {}) =>
  row({ task_id: name, status: "completed", active: false, ...of });
const ids = (nodes: { id: string }[]) => nodes.map((node) => node.id);
const ref = (name: string, project = "demo") => ({ project_id: project, task_id: name, run_id: "r" });

describe("the graph of a project", () => {
  it("tells dependencies and children apart, each once", () => {
    const rows = [
      task("a", { children: [{ project_id: "demo", task_id: "c", parent_run_id: "r", active: false }] }),
      task("b", { depends_on: ["a"], blocked_by: ["a"], status: "blocked" }),
      task("c", { parent: ref("a") }),
      task("d", { depends_on: ["a", "a", "d"], parent: ref("x", "other") }),
    ];
    const { edges } = graphOf("demo", rows);
    expect(edges).toEqual([
      { from: "a", to: "c", kind: "child", isBlocking: false },
      { from: "a", to: "b", kind: "depends", isBlocking: true },
      { from: "a", to: "d", kind: "depends", isBlocking: false },
    ]);
  });

  it("shows what is named and not there", () => {
    const { nodes } = graphOf("demo", [task("b", { depends_on: ["gone"] })]);
    expect(nodes[1]).toMatchObject({ id: "gone", isMissing: true });
  });

  it("has the same shape as long as nothing has to move", () => {
    const before = graphOf("demo", [task("a"), task("b", { depends_on: ["a"] })]);
    const after = graphOf("demo", [
      task("a", { status: "failed" }),
      task("b", { depends_on: ["a"], blocked_by: ["a"] }),
    ]);
    expect(shapeOf(after)).toBe(shapeOf(before));
    expect(shapeOf(graphOf("demo", [task("a"), task("b")]))).not.toBe(shapeOf(before));
  });
});

describe("what is drawn", () => {
  const whole = graphOf("demo", [
    task("old"),
    task("before"),
    task("now", { status: "running", active: true, depends_on: ["before"] }),
    task("after", { status: "blocked", depends_on: ["now"] }),
    task("aside", { depends_on: ["old"] }),
  ]);
  const wish = { unfinishedOnly: true, text: "" };

  it("is what is unfinished, with its neighbours", () => {
    expect(ids(choose(whole, wish).graph.nodes)).toEqual(["before", "now", "after"]);
    expect(choose(whole, wish).graph.edges).toHaveLength(2);
    expect(choose(whole, { ...wish, unfinishedOnly: false }).graph).toEqual(whole);
  });

  it("is found by a part of the name, with its neighbours", () => {
    expect(ids(choose(whole, { unfinishedOnly: false, text: "OLD" }).graph.nodes)).toEqual(["old", "aside"]);
  });

  it("always has what is selected, and nothing else moves for it", () => {
    expect(ids(choose(whole, { ...wish, selected: "old" }).graph.nodes)).toEqual([
      "old",
      "before",
      "now",
      "after",
    ]);
    expect(ids(choose(whole, { ...wish, selected: "now" }).graph.nodes)).toEqual(["before", "now", "after"]);
  });

  it("is bounded, and says what is left out", () => {
    const many = Array.from({ length: MOST_NODES + 5 }, (_, number) => task(`t${number}`));
    const choice = choose(graphOf("demo", many), { unfinishedOnly: false, text: "" });
    expect([choice.graph.nodes.length, choice.left]).toEqual([MOST_NODES, 5]);
  });
});

it("lists what each task is connected with", () => {
  const links = linksOf(graphOf("demo", [task("a"), task("b", { depends_on: ["a"], parent: ref("a") })]));
  expect(links.get("a")).toEqual({ dependsOn: [], neededBy: ["b"], children: ["b"], parents: [] });
  expect(links.get("b")).toEqual({ dependsOn: ["a"], neededBy: [], children: [], parents: ["a"] });
});
