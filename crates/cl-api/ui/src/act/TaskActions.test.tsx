import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { Toaster } from "sonner";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { live } from "../live/store";
import { emptyWorld, type TaskRow, taskKey } from "../live/world";
import { type Answer, type Asked, standIn } from "../test/server";
import { TaskActions } from "./TaskActions";
import { useEndings } from "./underway";

const TASK = "task-20260223-204858-docs";
const KEY = taskKey("p", TASK);

const row = (change: Partial<TaskRow>): TaskRow => ({
  project_id: "p",
  task_id: TASK,
  status: "running",
  active: true,
  runs: 1,
  done: false,
  suspicious: false,
  owner: "alive",
  children: [],
  depends_on: [],
  blocked_by: [],
  deadlocked_by: [],
  legacy: false,
  problems: [],
  ...change,
});

let asked: Asked[];
let answer: (asked: Asked) => Answer;

function is(change: Partial<TaskRow>) {
  act(() => live.setState({ tasks: { [KEY]: { task: row(change), run: undefined } } }));
}

beforeEach(() => {
  live.setState(emptyWorld(), true);
  answer = () => ({
    status: 202,
    body: { project_id: "p", task_id: TASK, outcome: "stopping", runs: ["r"], unblocked: [] },
  });
  asked = standIn((it) => answer(it));
});
afterEach(() => vi.unstubAllGlobals());

function Page({ children }: { children: ReactNode }) {
  useEndings();
  return children;
}

function open() {
  render(
    <>
      <Page>
        <TaskActions project="p" task={TASK} />
      </Page>
      <Toaster />
    </>,
  );
}

describe("what can be done with a task", () => {
  it("is stopped after a question that names it, and shown as the server says", async () => {
    is({});
    open();
    fireEvent.click(screen.getByRole("button", { name: "Stop" }));
    expect(screen.getByRole("dialog")).toHaveTextContent(TASK);
    expect(asked).toHaveLength(0);
    fireEvent.click(screen.getByRole("button", { name: "Stop the task" }));
    // It was asked; that it has stopped, the server says.
    expect(await screen.findByText("stopping")).toBeInTheDocument();
    expect(asked.map((it) => `${it.method} ${it.path}`)).toEqual([`POST api/projects/p/tasks/${TASK}/stop`]);
    expect(screen.getByRole("button", { name: "Stop" })).toBeDisabled();
    is({ status: "stopped", active: false, exit_code: 143 });
    expect(await screen.findByText("docs is stopped")).toBeInTheDocument();
    await waitFor(() => expect(screen.queryByText("stopping")).toBeNull());
    expect(screen.getByRole("button", { name: "Resume" })).toBeEnabled();
  });

  it("is left alone when the question is not answered", () => {
    is({});
    open();
    fireEvent.click(screen.getByRole("button", { name: "Stop" }));
    fireEvent.click(screen.getByRole("button", { name: "Keep as it is" }));
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(asked).toHaveLength(0);
  });

  it("tells a refusal with the server's hint and the id of the request", async () => {
    answer = () => ({
      status: 409,
      body: { error: { code: "CONFLICT", message: "task is not running", hint: "resume takes it up again" } },
    });
    is({ status: "waiting", waiting_for: "limit" });
    open();
    fireEvent.click(screen.getByRole("button", { name: "Wake" }));
    expect(await screen.findByText("api 409: task is not running")).toBeInTheDocument();
    expect(screen.getByText("resume takes it up again")).toBeInTheDocument();
    expect(screen.getByText("req-7")).toBeInTheDocument();
  });

  it("is cancelled with a reason", async () => {
    answer = () => ({
      body: { project_id: "p", task_id: TASK, outcome: "cancelled", runs: [], unblocked: [] },
    });
    is({ status: "failed", active: false });
    open();
    fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
    fireEvent.change(screen.getByLabelText("Reason"), { target: { value: "not needed" } });
    fireEvent.click(screen.getByRole("button", { name: "Cancel the task" }));
    expect(await screen.findByText("docs is cancelled")).toBeInTheDocument();
    expect(asked[0]?.body).toMatchObject({ reason: "not needed" });
  });

  it("keeps the question and the reason when the server is not there", async () => {
    answer = () => "unreachable";
    is({});
    open();
    fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
    const reason = screen.getByLabelText("Reason");
    fireEvent.change(reason, { target: { value: "not needed" } });
    fireEvent.click(screen.getByRole("button", { name: "Cancel the task" }));
    expect(await screen.findByText("The server cannot be reached.")).toBeInTheDocument();
    expect(screen.getByText(/Whether it arrived is not known/)).toBeInTheDocument();
    expect(screen.getByLabelText("Reason")).toHaveValue("not needed");
    answer = () => ({
      body: { project_id: "p", task_id: TASK, outcome: "cancelled", runs: [], unblocked: [] },
    });
    fireEvent.click(screen.getByRole("button", { name: "Cancel the task" }));
    expect(await screen.findByText("docs is cancelled")).toBeInTheDocument();
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(asked.at(-1)?.body).toMatchObject({ reason: "not needed" });
  });

  it("never lifts all dependencies by naming none", async () => {
    answer = () => ({
      body: { project_id: "p", task_id: TASK, outcome: "unblocked", runs: [], unblocked: ["task-a"] },
    });
    is({ status: "blocked", active: true, blocked_by: ["task-a", "task-b"] });
    open();
    fireEvent.click(screen.getByRole("button", { name: "Unblock" }));
    const boxes = screen.getAllByRole("checkbox");
    for (const box of boxes) fireEvent.click(box);
    fireEvent.click(screen.getAllByRole("button", { name: "Unblock" }).at(-1) as HTMLElement);
    expect(asked).toHaveLength(0);
    fireEvent.click(boxes[0] as HTMLElement);
    fireEvent.click(screen.getAllByRole("button", { name: "Unblock" }).at(-1) as HTMLElement);
    await waitFor(() => expect(asked[0]?.body).toEqual({ dependencies: ["task-a"], reason: "" }));
  });

  it("offers nothing that deletes", () => {
    is({ status: "all_finished", active: false, done: true });
    open();
    expect(screen.queryByRole("button", { name: /delete|remove|collect/i })).toBeNull();
  });
});
