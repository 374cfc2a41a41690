import { describe, expect, it } from "vitest";
import { format, moved, parse, type Route } from "./route";

describe("deep links", () => {
  it.each<[string, Route]>([
    ["", {}],
    ["#/", {}],
    ["#/p/shop", { project: "shop" }],
    [
      "#/p/shop/t/task-1/r/run-1?tab=log&at=17",
      { project: "shop", task: "task-1", run: "run-1", tab: "log", at: "17" },
    ],
    ["#/p/a%2Fb?view=graph", { project: "a/b", view: "graph" }],
    ["#/x/y/z", {}],
    ["#/p/shop/r/run", { project: "shop" }],
    ["#/p/%E0%A4%A", { project: "%E0%A4%A" }],
  ])("reads %s", (hash, route) => {
    expect(parse(hash)).toEqual(route);
  });

  it("reads back what it writes", () => {
    const route: Route = { project: "p", task: "t", run: "r", tab: "messages", msg: "MSG-1" };
    expect(parse(format(route))).toEqual(route);
  });

  it("clears what is deeper than what changes", () => {
    const from: Route = { project: "p", task: "t", run: "r", tab: "log", msg: "m", at: "7" };
    expect(moved(from, { task: "u" })).toEqual({ project: "p", task: "u" });
    expect(moved(from, { project: "q" })).toEqual({ project: "q" });
    expect(moved(from, { run: "s" })).toEqual({ project: "p", task: "t", run: "s", tab: "log" });
    expect(moved(from, { run: undefined })).toEqual({ project: "p", task: "t", tab: "log" });
    expect(moved(from, { task: "t" })).toEqual(from);
    expect(moved(from, { tab: "files" })).toEqual({
      project: "p",
      task: "t",
      run: "r",
      tab: "files",
      msg: "m",
    });
  });
});
