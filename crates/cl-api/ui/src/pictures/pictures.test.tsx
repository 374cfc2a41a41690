import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, configure, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Schemas } from "../api/client";
import { live } from "../live/store";
import { emptyWorld, taskKey } from "../live/world";
import { DependencyGraph } from "./DependencyGraph";
import { LimitsView } from "./LimitsView";
import { ProcessesView } from "./ProcessesView";
import { SpendChart } from "./SpendChart";
import { StripItems } from "./StripItems";
import { TaskUsage } from "./TaskUsage";
import { Timeline } from "./Timeline";
import { evidence, failed, minute, PROJECT, row, run, shown, TASK } from "./testdata";

// A loaded machine is slow; who passes never waits so long.
vi.setConfig({ testTimeout: 60_000 });
configure({ asyncUtilTimeout: 20_000 });

// There is no canvas here; what is drawn on it is tested by its numbers.
vi.mock("uplot", () => {
  const plot = vi.fn(function (this: Record<string, unknown>) {
    this.destroy = () => {};
    this.setSize = () => {};
  });
  return { default: Object.assign(plot, { paths: { bars: () => () => null } }) };
});

let answers: Record<string, unknown>;
let asked: string[];

beforeEach(() => {
  answers = {};
  asked = [];
  location.hash = "";
  vi.stubGlobal(
    "fetch",
    vi.fn(async (request: Request) => {
      const url = new URL(request.url);
      asked.push(`${request.method} ${url.pathname}${url.search}`);
      const answer = answers[url.pathname];
      const status = answer === undefined ? 404 : 200;
      const problem = { error: { code: "NOT_FOUND", message: "not there" }, message: "not there" };
      return new Response(JSON.stringify(answer ?? problem), { status });
    }),
  );
});

afterEach(() => {
  vi.unstubAllGlobals();
  act(() => live.setState(emptyWorld(), true));
});

function show(content: ReactNode) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } });
  return { client, ...render(<QueryClientProvider client={client}>{content}</QueryClientProvider>) };
}

function tell(...rows: Schemas["TaskRow"][]) {
  const tasks = Object.fromEntries(
    rows.map((task) => [taskKey(task.project_id, task.task_id), { task, run: undefined }]),
  );
  act(() => live.setState({ ...live.getState(), tasks: { ...live.getState().tasks, ...tasks } }, true));
}

const CORE = `/api/v1/core/projects/${PROJECT}/tasks/${TASK}`;
const EVIDENCE = `/api/projects/${PROJECT}/tasks/${TASK}/evidence`;

describe("the timeline", () => {
  const child = {
    project_id: PROJECT,
    task_id: "task-20260301-101000-part",
    parent_run_id: "r",
    active: false,
  };

  beforeEach(() => {
    const runs = [run(1, 0, 10, failed("limit_window")), run(2, 20, 30)];
    answers[CORE] = shown(runs, { status: "completed", active: false, children: [child] });
    answers[EVIDENCE] = {
      project_id: PROJECT,
      task_id: TASK,
      claim: null,
      evidence: [evidence(1, 31)],
      problems: [],
    };
    answers[`/api/v1/core/projects/${PROJECT}/tasks/${child.task_id}/runs`] = {
      problems: [],
      runs: [run(3, 5, 8)],
    };
  });

  it("has a bar for attempts, waits, gates and children, each named in words", async () => {
    show(<Timeline project={PROJECT} task={TASK} />);
    expect(
      await screen.findByRole("button", { name: /^Attempt 1 by claude, usage limit, 10m00s/ }),
    ).toBeVisible();
    expect(
      screen.getByRole("button", { name: "Waited for a usage limit, usage limit, 10m00s" }),
    ).toBeVisible();
    expect(await screen.findByRole("button", { name: "Gate tests, claim 1, passed, 30s" })).toBeVisible();
    expect(await screen.findByRole("button", { name: /^part: attempt 3/ })).toBeVisible();
    expect(screen.getByRole("link", { name: "part" })).toHaveAttribute(
      "href",
      `#/p/${PROJECT}/t/${child.task_id}`,
    );
  });

  it("is gone through with the keys, which zoom as well", async () => {
    const user = userEvent.setup();
    show(<Timeline project={PROJECT} task={TASK} />);
    const bar = await screen.findByRole("button", { name: /^Attempt 1/ });
    await screen.findByRole("button", { name: /^Gate/ });
    act(() => bar.focus());
    expect(await screen.findByTestId("timeline-card")).toHaveTextContent("usage limit");
    await user.keyboard("{ArrowRight}{ArrowRight}");
    await waitFor(() => expect(screen.getByRole("button", { name: /^Attempt 2/ })).toHaveFocus());
    await user.keyboard("{ArrowDown}");
    await waitFor(() => expect(screen.getByRole("button", { name: /^Gate/ })).toHaveFocus());
    expect(screen.getByRole("button", { name: /^Zoom out/ })).toBeDisabled();
    await user.keyboard("+");
    expect(screen.getByRole("button", { name: /^Zoom out/ })).toBeEnabled();
    await user.keyboard("0");
    expect(screen.getByRole("button", { name: /^Zoom out/ })).toBeDisabled();
  });

  it("opens the run of a bar", async () => {
    const user = userEvent.setup();
    show(<Timeline project={PROJECT} task={TASK} />);
    await user.click(await screen.findByRole("button", { name: /^Attempt 2/ }));
    expect(location.hash).toContain(`/r/${run(2, 0, 0).run_id}`);
  });

  it("says the same as a table", async () => {
    const user = userEvent.setup();
    show(<Timeline project={PROJECT} task={TASK} />);
    await screen.findByRole("button", { name: /^Gate/ });
    await user.click(screen.getByRole("button", { name: "Table" }));
    const table = screen.getByRole("table");
    expect(within(table).getByRole("link", { name: "Attempt 2 by claude" })).toBeVisible();
    expect(within(table).getByText("Waited for a usage limit")).toBeVisible();
  });

  it("says why it cannot be shown, and tries again", async () => {
    delete answers[CORE];
    const user = userEvent.setup();
    show(<Timeline project={PROJECT} task={TASK} />);
    expect(await screen.findByRole("alert")).toHaveTextContent("api 404: not there");
    answers[CORE] = shown([run(1, 0, 10)], { status: "completed", active: false });
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("button", { name: /^Attempt 1/ })).toBeVisible();
  });

  it("asks for nothing by itself", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      show(<Timeline project={PROJECT} task={TASK} />);
      await screen.findByRole("button", { name: /^part: attempt 3/ });
      const before = asked.length;
      await act(() => vi.advanceTimersByTimeAsync(5 * 60_000));
      expect(asked).toHaveLength(before);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the dependency graph", () => {
  const rows = [
    row({ task_id: "task-20260301-100000-base", status: "all_finished", active: false }),
    row({ task_id: "task-20260301-100001-work", depends_on: ["task-20260301-100000-base"] }),
    row({
      task_id: "task-20260301-100002-last",
      status: "blocked",
      active: false,
      depends_on: ["task-20260301-100001-work"],
      blocked_by: ["task-20260301-100001-work"],
    }),
    row({ task_id: "task-20260301-100003-old", status: "completed", active: false }),
  ];

  it("shows tasks with their status in words", async () => {
    tell(...rows, row({ project_id: "other", task_id: "task-20260301-100000-else" }));
    show(<DependencyGraph project={PROJECT} />);
    expect(await screen.findByRole("button", { name: /^work running.*, depends on 1$/ })).toBeInTheDocument();
    expect(screen.getByRole("button", { name: /^last blocked.*, depends on 1$/ })).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: /^else/ })).toBeNull();
    expect(screen.getByText("holds up")).toBeInTheDocument();
  });

  it("can be limited to what is unfinished and its neighbours", async () => {
    tell(...rows);
    const user = userEvent.setup();
    show(<DependencyGraph project={PROJECT} />);
    await screen.findByRole("button", { name: /^old/ });
    await user.click(screen.getByRole("button", { name: "Unfinished" }));
    await waitFor(() => expect(screen.queryByRole("button", { name: /^old/ })).toBeNull());
    expect(screen.getByRole("button", { name: /^base/ })).toBeInTheDocument();
    expect(screen.getByRole("status")).toHaveTextContent("3 tasks");
  });

  it("shows what a chosen task is connected with, and opens it", async () => {
    tell(...rows);
    const user = userEvent.setup();
    show(<DependencyGraph project={PROJECT} />);
    await user.click(await screen.findByRole("button", { name: /^work/ }));
    const details = screen.getByTestId("graph-details");
    expect(within(details).getByRole("button", { name: "base" })).toBeVisible();
    await user.click(within(details).getByRole("button", { name: "last" }));
    expect(within(screen.getByTestId("graph-details")).getByText("blocked")).toBeVisible();
    const link = within(screen.getByTestId("graph-details")).getByRole("link", { name: "Open the task" });
    expect(link).toHaveAttribute("href", `#/p/${PROJECT}/t/task-20260301-100002-last`);
  });

  it("is gone through with the arrow keys", async () => {
    tell(...rows);
    const user = userEvent.setup();
    show(<DependencyGraph project={PROJECT} />);
    const base = await screen.findByRole("button", { name: /^base/ });
    act(() => base.focus());
    await user.keyboard("{ArrowRight}");
    await waitFor(() => expect(screen.getByRole("button", { name: /^work/ })).toHaveFocus());
    await user.keyboard("{Enter}");
    expect(screen.getByTestId("graph-details")).toHaveTextContent("work");
  });

  it("follows changes of the tasks without moving them", async () => {
    tell(...rows);
    show(<DependencyGraph project={PROJECT} />);
    const before = await screen.findByRole("button", { name: /^work running/ });
    const { left, top } = before.style;
    tell(row({ ...(rows[1] as Schemas["TaskRow"]), status: "failed", active: false }));
    const after = await screen.findByRole("button", { name: /^work failed/ });
    expect([after.style.left, after.style.top]).toEqual([left, top]);
    expect(after).toBe(before);
  });

  it("begins with what is unfinished where there are many, and says the same as a table", async () => {
    const many = Array.from({ length: 1000 }, (_, number) =>
      row({ task_id: `task-20260301-100000-t${number}`, status: "completed", active: false }),
    );
    tell(...many, ...rows);
    const user = userEvent.setup();
    show(<DependencyGraph project={PROJECT} />);
    await screen.findByRole("button", { name: /^work/ });
    expect(screen.getByRole("status")).toHaveTextContent("3 tasks");
    await user.click(screen.getByRole("button", { name: "Table" }));
    const line = screen.getByRole("row", { name: /^last/ });
    expect(line).toHaveTextContent("blocked");
    expect(line).toHaveTextContent("work");
  });
});

const total = (of: object = {}) => ({
  runs: 2,
  runs_without_cost: 0,
  runs_without_usage: 0,
  cost_usd: 3.5,
  input_tokens: 12_000,
  output_tokens: 500,
  wasted: { runs: 1, runs_without_cost: 0, runs_without_usage: 0, cost_usd: 1.25 },
  ...of,
});
const trend = (of: object = {}) => ({
  by: "agent",
  bucket: "hour",
  time_zone: "UTC",
  buckets: [minute(0), minute(60)],
  until: minute(120),
  keys: 1,
  rows: [
    {
      key: "claude",
      total: total(),
      points: [
        { bucket: 1, runs: 2, runs_without_cost: 0, cost_usd: 3.5, input_tokens: 12_000, output_tokens: 500 },
      ],
    },
  ],
  total: total(),
  problems: [],
  ...of,
});

describe("spend along time", () => {
  it("shows sums, the chart, and the same as a table", async () => {
    answers["/api/v1/usage/trend"] = trend();
    const user = userEvent.setup();
    show(<SpendChart project={PROJECT} />);
    expect(await screen.findByRole("img", { name: /^Cost by hour, \$3\.50 in all/ })).toBeInTheDocument();
    expect(asked[0]).toContain(`project_id=${PROJECT}`);
    expect(screen.getByText("For nothing").parentElement).toHaveTextContent("$1.25");
    await user.click(screen.getByRole("button", { name: "Table" }));
    expect(screen.getByRole("row", { name: /^1 Mar, 11:00/ })).toHaveTextContent("$3.50");
    await user.click(screen.getByRole("button", { name: "Tokens" }));
    expect(screen.getByRole("row", { name: /^1 Mar, 11:00/ })).toHaveTextContent("12.5k");
  });

  it("asks for another stretch of time, and keeps what is shown meanwhile", async () => {
    answers["/api/v1/usage/trend"] = trend();
    const user = userEvent.setup();
    show(<SpendChart />);
    await screen.findByRole("img");
    expect(screen.getByRole("button", { name: "Project" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "30 days" }));
    expect(screen.getByRole("img")).toBeInTheDocument();
    await waitFor(() => expect(asked.at(-1)).toContain("bucket=day&days=30"));
  });

  it("shows tokens where no agent tells what it costs", async () => {
    answers["/api/v1/usage/trend"] = trend({ total: total({ cost_usd: null, runs_without_cost: 2 }) });
    show(<SpendChart />);
    expect(await screen.findByRole("img", { name: /^Tokens by hour/ })).toBeInTheDocument();
    expect(screen.getByText("2 runs told none")).toBeVisible();
  });

  it("says when there was nothing", async () => {
    answers["/api/v1/usage/trend"] = trend({ rows: [], total: total({ runs: 0 }) });
    show(<SpendChart />);
    expect(await screen.findByTestId("empty")).toHaveTextContent("No run began in this time");
  });
});

describe("the strip", () => {
  const status = (of: object = {}) => ({
    active_runs_count: 1,
    uptime_seconds: 1,
    configured_agents: [],
    version: "1",
    running_tasks: [{ project_id: PROJECT, task_id: TASK, run_id: "r", agent: "claude", started: minute(0) }],
    ...of,
  });
  const window = {
    agent: "claude",
    account: "claude",
    names: ["claude"],
    window: "five_hour",
    state: "rejected",
    used_percent: 100,
    // In the middle of a minute, so that the words for it hold for a while.
    closed_until: new Date(Date.now() + 3_570_000).toISOString(),
    source: "event",
    at: minute(0),
    age_seconds: 1,
  };

  beforeEach(() => {
    answers["/api/v1/status"] = status({ max_concurrent_runs: 3 });
    answers["/api/v1/limits"] = { windows: [window], agents: [], problems: [] };
    answers["/api/v1/usage/trend"] = trend();
  });

  it("tells slots, queue, limits and spend, and opens each", async () => {
    tell(
      row(),
      row({ task_id: "task-20260301-100009-next", status: "queued", queue_position: 1, agent: "codex" }),
      row({ task_id: "task-20260301-100008-wait", waiting_for: "limit", wake_at: window.closed_until }),
    );
    const user = userEvent.setup();
    show(<StripItems />);
    await user.click(await screen.findByRole("button", { name: "1 of 3 run slots are taken" }));
    expect(await screen.findByTestId("strip-slots-popover")).toHaveTextContent("build");
    await user.keyboard("{Escape}");
    await user.click(screen.getByRole("button", { name: "1 task is queued" }));
    expect(await screen.findByTestId("strip-queue-popover")).toHaveTextContent("next");
    await user.keyboard("{Escape}");
    await user.click(await screen.findByRole("button", { name: "Limits: 1 closed, 1 waiting" }));
    const limits = await screen.findByTestId("strip-limits-popover");
    expect(limits).toHaveTextContent("opens in 59m");
    answers[`/api/projects/${PROJECT}/tasks/task-20260301-100008-wait/wake`] = {};
    await user.click(within(limits).getByRole("button", { name: "Wake wait" }));
    await waitFor(() => expect(asked.at(-1)).toMatch(/^POST .*100008-wait\/wake$/));
    await user.keyboard("{Escape}");
    await user.click(await screen.findByRole("button", { name: "Today: $3.50, 12.5k tokens" }));
    const spend = await screen.findByTestId("strip-spend-popover");
    expect(spend).toHaveTextContent("$1.25 of it for nothing, in 1 run");
  });

  it("says where there is no limit and nothing to tell", async () => {
    answers["/api/v1/status"] = status({ running_tasks: [] });
    answers["/api/v1/limits"] = { windows: [], agents: [], problems: [] };
    show(<StripItems />);
    expect(await screen.findByRole("button", { name: "0 runs at work, no limit" })).toBeVisible();
    expect(screen.getByRole("button", { name: "0 tasks are queued" })).toHaveTextContent("0");
    expect(await screen.findByRole("button", { name: "Limits: ok, all open" })).toBeVisible();
  });
});

it("shows agents that are passed over and until when", async () => {
  const until = new Date(Date.now() + 600_000).toISOString();
  const agent = {
    agent: "codex",
    account: "codex",
    names: [],
    failures: 3,
    last_kind: "auth",
    last_at: minute(0),
  };
  answers["/api/v1/limits"] = {
    windows: [],
    agents: [{ ...agent, degraded: true, degraded_until: until }],
    problems: ["codex.yaml: damaged"],
  };
  show(<LimitsView />);
  expect(await screen.findByText("passed over")).toBeVisible();
  expect(screen.getByTestId("limits")).toHaveTextContent("3 failures in a row, login failed");
  expect(screen.getByTestId("limits")).toHaveTextContent(/tried again in (9|10)m/);
  expect(screen.getByText("codex.yaml: damaged")).toBeVisible();
});

it("shows the processes of each task, indented below their parents", async () => {
  const process = {
    adopted: false,
    age_seconds: 65,
    command: "claude --print",
    cpu_ms: 500,
    cpu_percent: 12.34,
    level: 1,
    name: "claude",
    note: null,
    owner: "alive",
    parent_pid: 1,
    pid: 4711,
    project: PROJECT,
    role: "agent",
    rss_bytes: 52_000_000,
    run: null,
    state: "sleeping",
    task: TASK,
  };
  answers["/api/v1/ps"] = {
    processes: [{ ...process, pid: 4710, role: "supervisor", level: 0, command: "run-agent" }, process],
    tasks: [
      {
        project: PROJECT,
        task: TASK,
        owner: "alive",
        run: null,
        status: "running",
        activity: {
          cpu: "busy",
          latest_output_at: null,
          silent_seconds: 4,
          state: "waiting",
          waiting_for: "limit",
        },
      },
    ],
    totals: { processes: 2, tasks: 1, rss_bytes: 104_000_000, cpu_ms: 1000 },
  };
  show(<ProcessesView project={PROJECT} />);
  const table = await screen.findByRole("table");
  expect(within(table).getByText("waiting for a usage limit")).toBeVisible();
  expect(within(table).getByRole("row", { name: /4711/ })).toHaveTextContent("12.3 %");
  expect(screen.getByTestId("processes")).toHaveTextContent("2 processes of 1 task");
});

it("shows what each run of a task used, and what was for nothing", async () => {
  const usage = {
    input_tokens: 1000,
    output_tokens: 20,
    cache_read_tokens: 3,
    cache_write_tokens: 4,
    cost_usd: 0.5,
    turns: 2,
  };
  answers[`${CORE}/runs`] = {
    problems: [],
    runs: [run(1, 0, 1, { usage, ...failed("stall") }), run(2, 2, 3)],
  };
  answers["/api/v1/usage"] = { by: "agent", problems: [], rows: [], total: total(), since: null };
  answers[EVIDENCE] = { project_id: PROJECT, task_id: TASK, claim: null, evidence: [], problems: [] };
  show(<TaskUsage project={PROJECT} task={TASK} />);
  const line = await screen.findByRole("row", { name: /Attempt 1/ });
  expect(line).toHaveTextContent("1.00k");
  expect(line).toHaveTextContent("$0.50");
  expect(line).toHaveTextContent("silent for too long");
  expect(await screen.findByText("1 of 2 runs")).toBeVisible();
});
