import { describe, expect, it } from "vitest";
import { aTask } from "../test/samples";
import { policyOf, runMix, taskName } from "./policy";

describe("the restart policy", () => {
  it.each([
    [{ blocked_by: ["a"], active: false, status: "blocked" }, "Blocked by dependencies"],
    [{ deadlocked_by: ["a"], blocked_by: ["a"] }, "Can never begin"],
    [{ queue_position: 2, status: "queued" }, "Queued for a run slot (#2)"],
    [{ done: true, active: false, status: "all_finished" }, "Restart disabled"],
    [{ done: true, active: true, waiting_for: "children" }, "Not started again"],
    [{ status: "waiting" }, "Waits for a limit to end"],
    [{ active: true }, "Auto-restart active"],
    [{ active: true, kind: "job" }, "A single run"],
    [{ active: false, status: "failed" }, "Restart possible"],
    [{ active: false, status: "stopped" }, "Stopped"],
    [{ active: false, status: "cancelled" }, "Given up"],
  ] as const)("of %j is %s", (of, text) => {
    expect(policyOf(aTask(of as never)).text).toBe(text);
  });

  it("counts runs in the order in which they matter", () => {
    const runs = ["completed", "running", "failed", "running"].map((status) => ({ status }) as never);
    expect(runMix(runs)).toEqual([
      { status: "running", count: 2 },
      { status: "failed", count: 1 },
      { status: "completed", count: 1 },
    ]);
    expect(runMix([])).toEqual([]);
  });

  it("names tasks by what tells them apart", () => {
    expect(taskName("task-20260223-204858-docs-pass")).toBe("docs-pass");
    expect(taskName("other")).toBe("other");
  });
});
