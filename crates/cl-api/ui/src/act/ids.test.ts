import { describe, expect, it } from "vitest";
import { isTaskId, projectIdProblem, randomText, slugProblem, stamp, taskId, typedSlug } from "./ids";

describe("ids", () => {
  it("accepts the project ids that the server accepts, and no others", () => {
    for (const id of ["p", "my-project", "a1", "0"]) expect(projectIdProblem(id), id).toBeUndefined();
    for (const id of ["", "My", "a_b", "-a", "a-", "a/b", "a b", "ä", ".hidden", "a".repeat(101)]) {
      expect(projectIdProblem(id), id).toBeDefined();
    }
  });

  it("cleans names while they are typed and keeps a hyphen for the next word", () => {
    expect(typedSlug("Fix the Bug!")).toBe("fix-the-bug-");
    expect(typedSlug("fix-")).toBe("fix-");
    expect(typedSlug("--a__b")).toBe("a-b");
    expect(typedSlug("x".repeat(80))).toHaveLength(48);
  });

  it("makes ids in UTC that the strict rules accept", () => {
    const stamped = stamp(new Date("2026-02-23T20:48:58.120Z"));
    expect(stamped).toBe("20260223-204858");
    expect(taskId(stamped, "docs-pass-")).toBe("task-20260223-204858-docs-pass");
    expect(isTaskId(taskId(stamped, "docs-pass-"))).toBe(true);
    expect(isTaskId("task-20260223-204858-ab")).toBe(false);
    expect(isTaskId("task-2026-1-abc")).toBe(false);
  });

  it("asks for a name of three characters", () => {
    expect(slugProblem("")).toBe("A name is required");
    expect(slugProblem("ab-")).toMatch(/at least 3/);
    expect(slugProblem("abc")).toBeUndefined();
  });

  it("makes names that ids may hold", () => {
    expect(randomText(5)).toMatch(/^[a-z0-9]{5}$/);
    expect(randomText(3, (bytes) => bytes.fill(255))).toHaveLength(3);
  });
});
