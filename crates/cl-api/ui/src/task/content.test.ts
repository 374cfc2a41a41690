import { expect, it } from "vitest";
import { downloadName, rawPath } from "./content";

it("names files of runs and of tasks", () => {
  const file = { project: "p", task: "t", name: "stdout" };
  expect(rawPath({ ...file, run: "r" })).toBe("api/projects/p/tasks/t/runs/r/file/raw?name=stdout");
  expect(rawPath({ ...file, name: "TASK.md" })).toBe("api/projects/p/tasks/t/file/raw?name=TASK.md");
  expect(downloadName({ ...file, run: "r" })).toBe("r-stdout.txt");
  expect(downloadName({ ...file, name: "TASK.md" })).toBe("t-TASK.md");
});
