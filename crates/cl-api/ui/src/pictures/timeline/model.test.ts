import { describe, expect, it } from "vitest";
import { at, evidence, failed, row, run, shown } from "../testdata";
import { build, childrenOf, MOST_CHILDREN, sentence, stacked, without } from "./model";

const NOW = at(60);
const story = (spans: { what: string; title: string; tone: string }[]) =>
  spans.map((span) => `${span.what} ${span.tone}: ${span.title}`);

describe("what happened to a task", () => {
  it("shows attempts and names the waits between them by how the one before ended", () => {
    const runs = [
      run(1, 5, 10, failed("limit_window")),
      run(2, 20, 25, failed("agent_crash")),
      run(3, 30, 35, { failure: { kind: "clean_exit_not_done", detail: "", retry_at: null } }),
      run(4, 36, undefined),
    ];
    const made = build(shown(runs), [], [], NOW);
    expect(story(made.spans)).toEqual([
      "wait queued: Before the first attempt",
      "attempt waiting: Attempt 1 by claude",
      "wait waiting: Waited for a usage limit",
      "attempt failed: Attempt 2 by claude",
      "wait none: Pause between attempts",
      "attempt none: Attempt 3 by claude",
      "wait none: Pause between attempts",
      "attempt running: Attempt 4 by claude",
    ]);
    expect(made.spans[2]).toMatchObject({ from: at(10), to: at(20) });
    expect(made.to).toBeUndefined();
  });

  it("takes gates out of the pauses that they ran in", () => {
    const runs = [run(1, 0, 10), run(2, 20, 30)];
    const made = build(
      shown(runs, { status: "completed", active: false }),
      [evidence(1, 12, { verdict: "refused" })],
      [],
      NOW,
    );
    const waits = made.spans.filter((span) => span.what === "wait");
    expect(waits.map((wait) => [wait.from, wait.to])).toEqual([
      [at(10), at(12)],
      [at(12.5), at(20)],
    ]);
    const gate = made.spans.find((span) => span.what === "gate");
    expect(gate).toMatchObject({ tone: "failed", outcome: "refused", to: at(12.5) });
    expect(made.lanes.map((lane) => lane.kind)).toEqual(["attempts", "gates"]);
  });

  it("says that a task was not running between two launches", () => {
    const made = build(shown([run(2, 0, 10), run(1, 40, 45)]), [], [], NOW);
    expect(made.spans[1]?.title).toContain("until it was launched again");
  });

  it("shows the present wait up to now and until when it is meant to go on", () => {
    const limit = { account: "main", reason: "5 h window" };
    const state = { waiting_for: "limit", wake_at: new Date(at(90)).toISOString(), limit: limit as never };
    const made = build(shown([run(1, 5, 10, failed("limit_window"))], {}, state), [], [], NOW);
    const last = made.spans.at(-1);
    expect(last).toMatchObject({
      what: "wait",
      tone: "waiting",
      from: at(10),
      to: undefined,
      planned: at(90),
    });
    expect(last?.facts).toContainEqual(["Reason", "5 h window"]);
    expect(made.planned).toBe(at(90));
  });

  it("shows that a task is blocked, and its place in the queue", () => {
    const blocked = build(
      shown([], { status: "blocked", blocked_by: ["task-a"], depends_on: ["task-a"] }),
      [],
      [],
      NOW,
    );
    expect(blocked.spans[0]).toMatchObject({ tone: "blocked", from: at(0), to: undefined });
    const queued = build(shown([], { status: "queued", queue_position: 3 }), [], [], NOW);
    expect(queued.spans[0]).toMatchObject({ tone: "queued", outcome: "place 3 in the queue" });
  });

  it("ends where the task ended", () => {
    const result = {
      status: "completed",
      exit_code: 0,
      ended_at: new Date(at(12)).toISOString(),
      left_children: [],
    };
    const made = build(
      shown([run(1, 0, 10)], { status: "all_finished", active: false }, { result }),
      [],
      [],
      NOW,
    );
    expect(made).toMatchObject({ to: at(12), end: { at: at(12), status: "completed" } });
  });

  it("keeps runs without times of their own at the time of their id, and others out", () => {
    const made = build(
      shown([run(1, 0, 0, { started: null, ended: null }), run(2, 1, 2, { run_id: "x", started: null })]),
      [],
      [],
      NOW,
    );
    expect(made.spans.filter((span) => span.what === "attempt")).toHaveLength(1);
    expect(made.spans[0]?.from).toBe(at(0));
  });

  it("has nothing where nothing happened", () => {
    expect(build(shown([], { status: "idle", active: false }), [], [], NOW).spans).toEqual([]);
  });
});

describe("children", () => {
  it("have lanes with their runs, below", () => {
    const child = { project: "demo", task: "task-20260301-101000-part" };
    const made = build(shown([run(1, 0, 30)]), [], [{ ...child, runs: [run(7, 10, 20)] }], NOW);
    expect(made.lanes.at(-1)).toMatchObject({ kind: "child", label: "part", of: child });
    expect(made.spans.at(-1)).toMatchObject({ what: "child", title: "part: attempt 7 by claude" });
  });

  it("are bounded: those at work and the latest come first, in their order", () => {
    const ref = (number: number, active = false) => ({
      project_id: "demo",
      task_id: `task-${number}`,
      parent_run_id: "r",
      active,
    });
    const children = Array.from({ length: 100 }, (_, number) => ref(number, number === 3));
    const chosen = childrenOf(row({ children: [...children, ref(3)] }));
    expect(chosen).toHaveLength(MOST_CHILDREN);
    expect(chosen[0]?.task).toBe("task-3");
    expect(chosen.at(-1)?.task).toBe("task-99");
    const made = build(shown([run(1, 0, 1)], { children }), [], [], NOW);
    expect(made.hiddenChildren).toBe(100 - MOST_CHILDREN);
  });
});

describe("lanes", () => {
  const span = (key: string, from: number, to: number | undefined) =>
    ({ ...build(shown([run(1, 0, 1)]), [], [], NOW).spans[0], key, from, to }) as never;

  it("hold what does not overlap; what does stands in the next", () => {
    const lanes = stacked("a", "Attempts", "attempts", [
      span("1", 0, 10),
      span("2", 5, 8),
      span("3", 10, 12),
    ]);
    expect(lanes.map((lane) => lane.spans.map((each) => each.key))).toEqual([["1", "3"], ["2"]]);
    expect(lanes.map((lane) => lane.isMore)).toEqual([false, true]);
  });

  it("are not more than a few, however many overlap", () => {
    const many = Array.from({ length: 50 }, (_, number) => span(String(number), 0, undefined));
    expect(stacked("a", "A", "attempts", many).length).toBeLessThanOrEqual(12);
  });

  it("leaves out short gaps", () => {
    expect(without(0, 10_000, [span("1", 500, 9_500)])).toEqual([]);
    expect(without(0, 10_000, [span("1", 3000, 4000), span("2", 3500, 5000)])).toEqual([
      [0, 3000],
      [5000, 10_000],
    ]);
  });
});

it("says a bar in one sentence", () => {
  const [attempt] = build(
    shown([run(1, 0, 10, failed("stall"))], { status: "failed", active: false }),
    [],
    [],
    NOW,
  ).spans;
  expect(attempt && sentence(attempt, NOW)).toBe("Attempt 1 by claude, silent for too long, 10m00s");
});

it("shows a thousand attempts in one lane", () => {
  const runs = Array.from({ length: 1000 }, (_, number) => run(number + 1, number * 2, number * 2 + 1));
  const made = build(shown(runs), [], [], at(3000));
  expect(made.spans).toHaveLength(1999);
  expect(made.lanes).toHaveLength(1);
});
