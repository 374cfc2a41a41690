import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, fireEvent, render, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { live } from "../live/store";
import { emptyWorld } from "../live/world";
import { type Answer, type Asked, standIn } from "../test/server";
import type { Evidence } from "./gates/claims";
import { chosenFile, TaskFiles } from "./TaskFiles";
import { TaskGates } from "./TaskGates";
import { TaskOutput } from "./TaskOutput";
import { TaskPrompt } from "./TaskPrompt";

vi.mock("../log/LogViewer", () => ({
  LogViewer: ({ run, file }: { run: string; file: string }) => <div>{`log of ${run} ${file}`}</div>,
}));

const FIRST = "20260223-2048580000-66788-1";
const SECOND = "20260223-2050000000-66788-2";
const at = "api/projects/p/tasks/t";

let answers: Record<string, Answer>;
let asked: Asked[];

beforeEach(() => {
  location.hash = "";
  live.setState(emptyWorld(), true);
  answers = {};
  asked = standIn((it) => {
    const found = Object.keys(answers).find((path) => it.path.startsWith(path));
    return (found && answers[found]) || { status: 404, body: { message: "not found" } };
  });
});
afterEach(() => vi.unstubAllGlobals());

function show(what: ReactNode) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(<QueryClientProvider client={queries}>{what}</QueryClientProvider>);
}

const file = (name: string, content: string, more = {}) => ({
  body: { name, content, modified: "2026-02-23T20:49:01Z", size_bytes: content.length, ...more },
});

const piece = (number: number, change: Partial<Evidence> = {}): Evidence => ({
  number,
  name: "tests",
  run: "cargo test",
  cwd: "/srv",
  launch_id: "L",
  claim: number,
  run_id: FIRST,
  verdict: "refused",
  reason: "it ended with 101",
  exit_code: 101,
  signal: null,
  started_at: "2026-02-23T20:49:01Z",
  duration_ms: 1500,
  timeout_ms: 60_000,
  tree: "git:0123456789abcdef",
  tree_after: "git:0123456789abcdef",
  output: `${number}.out`,
  output_bytes: 12,
  output_sha256: `${number}`,
  unquiet: false,
  ...change,
});

describe("the tab of gates", () => {
  it("shows each claim with what refused it, and what the gate printed", async () => {
    answers[`${at}/evidence/1/output`] = { body: "one test failed" };
    answers[`${at}/evidence/2/output`] = { body: "all tests pass" };
    answers[`${at}/evidence`] = {
      body: { evidence: [piece(1), piece(2, { verdict: "passed", exit_code: 0 })], problems: [] },
    };
    show(<TaskGates project="p" task="t" />);
    expect(await screen.findByText("DONE was believed")).toBeInTheDocument();
    expect(screen.getByText("DONE was refused")).toBeInTheDocument();
    expect(screen.getByText("refused DONE once, passed once")).toBeInTheDocument();
    expect(screen.getAllByText("tree git 0123456789")).toHaveLength(2);
    // What was printed is read when somebody wants to see it.
    expect(asked.some((it) => it.path.includes("/output"))).toBe(false);
    fireEvent.click(screen.getByRole("button", { name: /exit 101/ }));
    expect(await screen.findByText(/one test failed/)).toBeInTheDocument();
    expect(screen.getByText("it ended with 101")).toBeInTheDocument();
  });

  it("opens what the latest claim was refused for", async () => {
    answers[`${at}/evidence/1/output`] = { body: "one test failed" };
    answers[`${at}/evidence`] = { body: { evidence: [piece(1)], problems: [] } };
    show(<TaskGates project="p" task="t" />);
    expect(await screen.findByText(/one test failed/)).toBeInTheDocument();
  });

  it("tells a stalemate and what could not be read", async () => {
    const same = { output_sha256: "same", output_bytes: 0 };
    answers[`${at}/evidence`] = {
      body: {
        evidence: [piece(1, same), piece(2, same), piece(3, same)],
        problems: ["gates/4.yaml is damaged"],
      },
    };
    show(<TaskGates project="p" task="t" />);
    expect(await screen.findByText("Stalemate.")).toBeInTheDocument();
    expect(screen.getByText("gates/4.yaml is damaged")).toBeInTheDocument();
  });

  it("says what a gate is where there is none", async () => {
    answers[`${at}/evidence`] = { body: { evidence: [], problems: [] } };
    show(<TaskGates project="p" task="t" />);
    expect(await screen.findByText(/No claim to be done/)).toBeInTheDocument();
  });
});

describe("the tab of the output", () => {
  beforeEach(() => {
    answers["api/v1/core/projects/p/tasks/t/runs"] = { body: { runs: [], problems: [] } };
  });

  it("renders Markdown, and shows it raw when asked", async () => {
    answers[`${at}/runs/${FIRST}/file`] = file("output.md", "# Result\n\n<script>alert(1)</script>");
    show(<TaskOutput project="p" task="t" run={FIRST} />);
    expect(await screen.findByRole("heading", { name: "Result" })).toBeInTheDocument();
    expect(document.querySelector("script")).toBeNull();
    fireEvent.click(screen.getByLabelText("Raw"));
    expect(screen.getByText(/# Result/)).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Download" })).toHaveAttribute("download", `${FIRST}-output.md`);
  });

  it("reads what is too long for a page piece by piece", async () => {
    answers[`${at}/runs/${FIRST}/file`] = file("output.md", "beginning", {
      truncated: true,
      size_bytes: 9e9,
    });
    show(<TaskOutput project="p" task="t" run={FIRST} />);
    expect(await screen.findByText(`log of ${FIRST} output.md`)).toBeInTheDocument();
  });

  it("says that there is none, and names the run that has one", async () => {
    answers[`${at}?`] = { body: {} };
    answers[at] = {
      body: {
        runs: [
          { id: FIRST, files: [{ name: "output.md" }] },
          { id: SECOND, files: [] },
        ],
      },
    };
    answers = { [`${at}/runs/${SECOND}/file`]: { status: 404, body: {} }, ...answers };
    show(<TaskOutput project="p" task="t" run={SECOND} />);
    expect(await screen.findByText("This run has left no output")).toBeInTheDocument();
    expect(await screen.findByRole("link", { name: "An earlier run" })).toBeInTheDocument();
  });
});

describe("the tab of files", () => {
  const detail = {
    runs: [
      {
        id: FIRST,
        agent: "claude",
        status: "completed",
        exit_code: 0,
        files: [{ name: "stdout", label: "stdout", size: 5e9 }],
      },
      {
        id: SECOND,
        agent: "claude",
        status: "running",
        exit_code: -1,
        files: [
          { name: "output.md", label: "output", size: 2048 },
          { name: "stdout", label: "stdout", size: 10 },
        ],
      },
    ],
  };

  it("shows the chosen file: streams as logs, others as text", async () => {
    answers[`${at}/runs/${SECOND}/file`] = file("output.md", "# As it is");
    answers[at] = { body: detail };
    show(<TaskFiles project="p" task="t" run={SECOND} />);
    expect(await screen.findByText("# As it is")).toBeInTheDocument();
    expect(screen.getByText("5.0 GB")).toBeInTheDocument();
    act(() => {
      location.hash = `#/p/p/t/t/r/${SECOND}?tab=files&file=stdout`;
      dispatchEvent(new HashChangeEvent("hashchange"));
    });
    expect(await screen.findByText(`log of ${SECOND} stdout`)).toBeInTheDocument();
  });

  it("tolerates runs without files", async () => {
    answers[`${at}/file`] = file("TASK.md", "what is to be done");
    answers[at] = {
      body: { runs: [{ id: FIRST, agent: "claude", status: "queued", exit_code: -1, files: null }] },
    };
    show(<TaskFiles project="p" task="t" />);
    expect(await screen.findByText("what is to be done")).toBeInTheDocument();
    expect(screen.getByText("No files yet")).toBeInTheDocument();
  });

  it("chooses the answer of a run first, and what was asked for if it is there", () => {
    const of = detail as Parameters<typeof chosenFile>[0];
    expect(chosenFile(of, SECOND, undefined).name).toBe("output.md");
    expect(chosenFile(of, SECOND, "stdout").name).toBe("stdout");
    expect(chosenFile(of, FIRST, undefined).name).toBe("stdout");
    expect(chosenFile(of, undefined, undefined)).toMatchObject({ run: undefined, name: "TASK.md" });
    expect(chosenFile(of, SECOND, "TASK.md")).toMatchObject({ run: undefined, name: "TASK.md" });
  });
});

describe("the tab of the prompt", () => {
  it("shows what changed since the attempt before", async () => {
    answers["api/v1/core/projects/p/tasks/t/runs"] = {
      body: {
        runs: [
          { run_id: FIRST, attempt: 1 },
          { run_id: SECOND, attempt: 2 },
        ],
        problems: [],
      },
    };
    answers[`${at}/runs/${FIRST}/file`] = file("prompt", "Do it.\n");
    answers[`${at}/runs/${SECOND}/file`] = file("prompt", "Do it.\nThe gate said: no greeting\n");
    answers[`${at}/file`] = file("TASK.md", "of the task");
    show(<TaskPrompt project="p" task="t" run={SECOND} />);
    expect(await screen.findByText(/The gate said/)).toBeInTheDocument();
    fireEvent.change(screen.getByLabelText("Show as"), { target: { value: "changes" } });
    const changes = await screen.findByTestId("prompt-changes");
    expect(changes.querySelectorAll("[data-kind=added]")).toHaveLength(1);
    expect(changes).toHaveTextContent("The gate said: no greeting");
    fireEvent.click(screen.getByRole("button", { name: "Task" }));
    fireEvent.change(screen.getByLabelText("Show as"), { target: { value: "text" } });
    expect(await screen.findByText("of the task")).toBeInTheDocument();
  });
});
