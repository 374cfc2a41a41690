import { describe, expect, it } from "vitest";
import type { Schemas } from "../../api/client";
import { row } from "../testdata";
import { accountText, degradedUntil, holders, limited, lookOfWindow, queued, sumOfLimits } from "./model";

const NOW = Date.UTC(2026, 2, 1, 12);
const later = (minutes: number) => new Date(NOW + minutes * 60_000).toISOString();

function window(of: Partial<Schemas["WindowRow"]>): Schemas["WindowRow"] {
  const base = { agent: "claude", account: "main", names: ["claude"], window: "five_hour", state: "ok" };
  return { ...base, source: "event", at: later(-5), age_seconds: 300, ...of };
}

function health(of: Partial<Schemas["HealthRow"]>): Schemas["HealthRow"] {
  return { agent: "codex", account: "codex", names: [], degraded: false, failures: 1, ...of };
}

describe("slots", () => {
  it("are held by runs that nobody launched and that wait for none; these come first", () => {
    const running = ["child", "queued", "root"].map((task) => ({
      project_id: "demo",
      task_id: task,
      run_id: `run of ${task}`,
      agent: "claude",
      started: later(-1),
    }));
    const parent = { project_id: "demo", task_id: "root", run_id: "r" };
    const made = holders(running, (_, task) => {
      if (task === "queued") return row({ queue_position: 1 });
      return task === "child" ? row({ parent }) : undefined;
    });
    expect(made.map((run) => [run.task, run.hasSlot])).toEqual([
      ["root", true],
      ["child", false],
    ]);
  });
});

it("lists the queue by place", () => {
  const rows = [
    row({ task_id: "b", queue_position: 2 }),
    row({ task_id: "x" }),
    row({ task_id: "a", queue_position: 1 }),
  ];
  expect(queued(rows).map((each) => each.task_id)).toEqual(["a", "b"]);
});

it("lists tasks that wait for a limit, the next one first", () => {
  const wait = { waiting_for: "limit" };
  const rows = [
    row({ task_id: "open", ...wait }),
    row({ task_id: "late", ...wait, wake_at: later(60) }),
    row({ task_id: "soon", ...wait, wake_at: later(5) }),
    row({ task_id: "slot", waiting_for: "slot" }),
  ];
  expect(limited(rows).map((each) => each.task_id)).toEqual(["soon", "late", "open"]);
});

describe("limits", () => {
  it("are closed until their time, and then nobody knows", () => {
    const closed = window({ state: "rejected", closed_until: later(10) });
    expect(lookOfWindow(closed, NOW)).toBe("closed");
    expect(lookOfWindow(closed, NOW + 11 * 60_000)).toBe("unknown");
    expect(lookOfWindow(window({ state: "warning" }), NOW)).toBe("warning");
    expect(lookOfWindow(window({}), NOW)).toBe("ok");
  });

  it("are summed up with the first end", () => {
    const limits: Schemas["Limits"] = {
      windows: [window({ state: "rejected", closed_until: later(30) }), window({ state: "warning" })],
      agents: [health({ degraded: true, degraded_until: later(10) }), health({})],
      problems: [],
    };
    expect(sumOfLimits(limits, NOW)).toEqual({ closed: 1, warning: 1, degraded: 1, next: NOW + 600_000 });
    expect(sumOfLimits(undefined, NOW)).toEqual({ closed: 0, warning: 0, degraded: 0, next: undefined });
    expect(degradedUntil(health({ degraded: true, degraded_until: later(-1) }), NOW)).toBeUndefined();
  });

  it("name accounts as the configuration does", () => {
    expect(accountText({ agent: "claude", account: "main", names: ["fast", "slow"] })).toBe(
      "fast, slow (claude)",
    );
    expect(accountText({ agent: "claude", account: "claude", names: [] })).toBe("claude");
  });
});
