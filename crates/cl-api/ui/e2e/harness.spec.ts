import { GREETING_GATE, greeter, parent, release, steady } from "./agents";
import { PROJECT, taskId } from "./harness/api";
import { expect, test } from "./harness/stage";

// What all other tests stand on: a real server, real agents, and nothing that is left behind.

test("agents do what their scripts say, and gates refuse", async ({ stage, page }) => {
  greeter(stage.place);
  await stage.open(page);
  const id = await stage.api.launch("greeting", "greeter", {
    cwd: stage.place.work,
    policy: { gates: [GREETING_GATE] },
  });
  release(stage.place, id, "claim");
  release(stage.place, id, "work");
  await stage.api.reaches(id, /completed|done|all_finished/);
  const task = await stage.api.task(id);
  expect(task.runs).toHaveLength(2);
});

test("children of an agent are its children in the tree", async ({ stage }) => {
  parent(stage.place);
  await stage.serve();
  await stage.api.launch("top", "parent", { cwd: stage.place.work });
  await stage.api.reaches(taskId("roots"), "running");
  const tree = await stage.api.get(`/api/projects/${PROJECT}/tree`);
  const rows = tree.rows.map((row: { label: string; level: number }) => [row.label, row.level]);
  expect(rows[0]).toEqual(["top", 0]);
});

test("closing a stage leaves no process", async ({ stage }) => {
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("forever", "steady", { cwd: stage.place.work });
  await stage.api.reaches(id, "running");
  expect(stage.place.processes().length).toBeGreaterThan(1);
  await stage.close();
  expect(stage.place.processes()).toEqual([]);
});
