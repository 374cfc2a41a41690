import { describe, expect, it } from "vitest";
import { aTask, taskChange } from "../test/samples";
import { apply } from "./apply";
import type { Told } from "./connection";
import { emptyWorld, type World } from "./world";

const begin: Told = { type: "begin" };
const ready: Told = { type: "ready" };
const project = (id: string, what: "project" | "project_gone" = "project"): Told => ({
  type: "change",
  change: { what, version: 1, project_id: id, task_id: null, task: null, run: null, msg_id: null },
});
const grow = (world: World, ...told: Told[]) => apply(world, told, { current: undefined });
const some = () => grow(emptyWorld(), begin, project("p"), taskChange(aTask({ task_id: "a" })), ready);

describe("the world that was told", () => {
  it("is the very same where nothing is new, however often it is told", () => {
    const world = some();
    const again = Array.from({ length: 80 }, () => taskChange(aTask({ task_id: "a" })));
    expect(grow(world, ...again)).toBe(world);
  });

  it("changes the task that has changed and no other", () => {
    const world = grow(some(), taskChange(aTask({ task_id: "b" })));
    const next = grow(world, taskChange(aTask({ task_id: "b", status: "failed" })));
    expect(next.tasks["p/b"]?.task.status).toBe("failed");
    expect(next.tasks["p/a"]).toBe(world.tasks["p/a"]);
    expect(next.projects).toBe(world.projects);
    expect(world.tasks["p/b"]?.task.status).toBe("running");
  });

  it("forgets what a new snapshot does not name", () => {
    const world = grow(some(), project("q"), taskChange(aTask({ project_id: "q", task_id: "x" })));
    const next = grow(world, begin, project("p"), taskChange(aTask({ task_id: "b" })), ready);
    expect(Object.keys(next.tasks)).toEqual(["p/b"]);
    expect(Object.keys(next.projects)).toEqual(["p"]);
  });

  it("keeps what it has until the snapshot was told to its end", () => {
    const naming = { current: undefined };
    const half = apply(some(), [begin, project("q")], naming);
    expect(Object.keys(half.tasks)).toEqual(["p/a"]);
    const whole = apply(half, [ready], naming);
    expect(Object.keys(whole.tasks)).toEqual([]);
  });

  it("takes away a task, and a project with all of its tasks", () => {
    const world = grow(some(), taskChange(aTask({ task_id: "b" })));
    const gone: Told = { ...taskChange(aTask({ task_id: "b" })) };
    if (gone.type === "change") gone.change = { ...gone.change, what: "task_gone", task: null };
    expect(Object.keys(grow(world, gone).tasks)).toEqual(["p/a"]);
    expect(grow(world, project("p", "project_gone"))).toMatchObject({ tasks: {}, projects: {} });
  });

  it("tells a file that became another one from one that grows", () => {
    const grown = (size: number, isNew = false): Told => ({
      type: "grown",
      key: "p/t/r/stdout",
      size,
      isNew,
    });
    const sizes = (world: World) => world.grown["p/t/r/stdout"];
    const world = grow(emptyWorld(), grown(10), grown(30));
    expect(sizes(world)).toEqual({ size: 30, epoch: 0 });
    expect(sizes(grow(world, grown(5)))).toEqual({ size: 5, epoch: 1 });
    expect(sizes(grow(world, grown(40, true)))).toEqual({ size: 40, epoch: 1 });
  });
});
