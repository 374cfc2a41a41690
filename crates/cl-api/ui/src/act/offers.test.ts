import { expect, it } from "vitest";
import { offersOf, type Seen } from "./offers";

const ROW: Seen = {
  status: "all_finished",
  active: false,
  done: true,
  legacy: false,
  owner: "none",
  blocked_by: [],
  waiting_for: null,
  failure: null,
  runs: 1,
};

const actions = (change: Partial<Seen>) => offersOf({ ...ROW, ...change }).map((offer) => offer.action);
const failure = { kind: "gate_failed", detail: "gates refused 5 times", retry_at: null };

it.each([
  ["running", { status: "running", active: true }, ["stop", "cancel"]],
  ["queued", { status: "queued" }, ["stop", "cancel"]],
  ["blocked", { status: "blocked", blocked_by: ["task-a"] }, ["stop", "unblock", "cancel"]],
  ["waiting for a limit", { status: "waiting", waiting_for: "limit" }, ["stop", "wake", "cancel"]],
  ["done", { status: "all_finished" }, ["resume", "cancel"]],
  ["failed", { status: "failed" }, ["resume", "cancel"]],
  ["stopped", { status: "stopped" }, ["resume", "cancel"]],
  ["cancelled", { status: "cancelled" }, ["uncancel"]],
  ["cancelled and still ending", { status: "cancelled", active: true }, ["stop", "uncancel"]],
  ["of the old layout", { legacy: true }, []],
] as [string, Partial<Seen>, string[]][])("a task that is %s offers what fits", (_, change, expected) => {
  expect(actions(change)).toEqual(expected);
});

it("offers to retry the gate that refused", () => {
  const labels = offersOf({ ...ROW, status: "failed", failure }).map((offer) => offer.label);
  expect(labels).toContain("Retry the gate");
});

it("never offers to delete", () => {
  const statuses = [
    "running",
    "queued",
    "blocked",
    "waiting",
    "failed",
    "stopped",
    "cancelled",
    "idle",
    "unknown",
  ];
  const labels = statuses.flatMap((status) => offersOf({ ...ROW, status })).map((offer) => offer.label);
  expect(labels.join(" ")).not.toMatch(/delete|remove|gc/i);
});
