import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Answer, type Asked, standIn } from "../test/server";
import { NewTaskDialog } from "./NewTaskDialog";

let submit: (asked: Asked) => Answer | Promise<Answer>;
let asked: Asked[];
const closed = vi.fn();

beforeEach(() => {
  location.hash = "";
  closed.mockClear();
  submit = ({ body }) => ({ status: 201, body: { ...(body as object), status: "started" } });
  asked = standIn((it) => {
    if (it.path === "api/v1/status") return { body: { configured_agents: ["claude", "codex"] } };
    if (it.path === "api/projects") return { body: { projects: [{ id: "p", project_root: "/srv/p" }] } };
    if (it.path === "api/projects/home-dirs") return { body: { dirs: ["/srv/p", "/srv/q"] } };
    if (it.method === "POST" && it.path === "api/v1/tasks") return submit(it);
    return { status: 404, body: {} };
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function open() {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={queries}>
      <NewTaskDialog open onOpenChange={closed} project="p" />
    </QueryClientProvider>,
  );
}

const posts = () => asked.filter((it) => it.method === "POST");
const type = (label: string | RegExp, value: string) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));
const prompt = () => screen.findByLabelText<HTMLTextAreaElement>("Prompt");

describe("the dialog of a new task", () => {
  it("creates a task with what was asked for, and selects it", async () => {
    open();
    await prompt();
    type("Prompt", "Do it.");
    type("Name", "Docs Pass");
    type("Gate 1", "cargo test");
    const id = screen.getByTestId("new-task-id").textContent;
    expect(id).toMatch(/^task-\d{8}-\d{6}-docs-pass$/);
    press("Create task");
    await screen.findByText(/is created and selected/);
    expect(posts()).toHaveLength(1);
    expect(posts()[0]?.headers.get("x-conductor-client")).toBe("web-ui");
    expect(posts()[0]?.headers.get("idempotency-key")).toBeTruthy();
    expect(posts()[0]?.body).toEqual({
      project_id: "p",
      task_id: id,
      agent_type: "claude",
      prompt: "Do it.",
      attach_mode: "create",
      project_root: "/srv/p",
      policy: { gates: ["cargo test"] },
    });
    expect(location.hash).toContain(`/t/${id}`);
    expect(localStorage.getItem("conductor.draft.task.p")).toBeNull();
    await waitFor(() => expect(closed).toHaveBeenCalledWith(false), { timeout: 3000 });
  });

  it("sends nothing that is not complete, and says what is missing", async () => {
    open();
    await prompt();
    type("Working folder", "relative");
    press("Create task");
    expect(await screen.findByText("Say what is to be done")).toBeInTheDocument();
    expect(screen.getByText("Folder path must be absolute (or use ~/...)")).toBeInTheDocument();
    expect(screen.getByLabelText("Prompt")).toHaveAttribute("aria-invalid", "true");
    expect(posts()).toHaveLength(0);
  });

  it("offers the agents of the server, and greys out what is not there yet", async () => {
    open();
    await prompt();
    const agents = within(screen.getByLabelText("Agent")).getAllByRole("option");
    expect(agents.map((it) => it.textContent)).toEqual(["claude", "codex"]);
    expect(screen.getByLabelText(/worktree/)).toBeDisabled();
  });

  it("keeps everything when the server refuses, and shows why at the field", async () => {
    submit = () => ({
      status: 400,
      body: {
        error: {
          code: "BAD_REQUEST",
          message: "project_root does not exist: /srv/p",
          details: { field: "project_root" },
        },
        message: "project_root does not exist: /srv/p",
      },
    });
    open();
    await prompt();
    type("Prompt", "Do it.");
    press("Create task");
    await screen.findByText("api 400: project_root does not exist: /srv/p");
    expect(screen.getByText("req-7")).toBeInTheDocument();
    expect(screen.getByLabelText("Working folder")).toHaveAttribute("aria-invalid", "true");
    expect(screen.getByLabelText("Prompt")).toHaveValue("Do it.");
    // Refused for good: the next one is another request.
    submit = ({ body }) => ({ status: 201, body: { ...(body as object) } });
    type("Working folder", "/srv/q");
    press("Create task");
    await screen.findByText(/is created/);
    const keys = posts().map((it) => it.headers.get("idempotency-key"));
    expect(new Set(keys).size).toBe(2);
  });
});

describe("drafts", () => {
  it("are saved on every change and restored when the dialog is opened again", async () => {
    open();
    await prompt();
    type("Prompt", "Half a thou");
    type("Name", "thought");
    expect(screen.getByTestId("draft-state")).toHaveTextContent("Draft saved");
    // Killed: nothing of the page is left but what the browser keeps.
    cleanup();
    open();
    expect(await screen.findByText("Restore unsaved task draft?")).toBeInTheDocument();
    expect(screen.getByText("Half a thou")).toBeInTheDocument();
    press("Restore");
    expect(await prompt()).toHaveValue("Half a thou");
    expect(screen.getByLabelText("Name")).toHaveValue("thought");
  });

  it("are thrown away only on purpose", async () => {
    open();
    await prompt();
    type("Prompt", "Nothing worth");
    press("Not now");
    expect(localStorage.getItem("conductor.draft.task.p")).not.toBeNull();
    cleanup();
    open();
    await screen.findByText("Restore unsaved task draft?");
    press("Discard");
    expect(await prompt()).toHaveValue("");
    expect(localStorage.getItem("conductor.draft.task.p")).toBeNull();
  });

  it("are not made of an untouched form", async () => {
    open();
    await prompt();
    expect(localStorage.getItem("conductor.draft.task.p")).toBeNull();
  });
});

describe("a submission that is not answered", () => {
  it("is retried with the same payload and the same key", async () => {
    submit = () => "unreachable";
    open();
    await prompt();
    type("Prompt", "Do it.");
    press("Create task");
    const retry = await screen.findByRole("button", { name: "Retry" });
    // What may have arrived does not change any more.
    expect(screen.getByLabelText("Prompt")).toBeDisabled();
    submit = ({ body }) => ({ status: 201, body: { ...(body as object) } });
    fireEvent.click(retry);
    await screen.findByText(/is created/);
    expect(posts()).toHaveLength(2);
    expect(posts()[1]?.body).toEqual(posts()[0]?.body);
    expect(posts()[1]?.headers.get("idempotency-key")).toBe(posts()[0]?.headers.get("idempotency-key"));
  });

  it("survives a reload in the middle: the same request can be sent again", async () => {
    submit = () => new Promise<Answer>(() => {});
    open();
    await prompt();
    type("Prompt", "Do it.");
    press("Create task");
    await waitFor(() => expect(posts()).toHaveLength(1));
    cleanup();
    submit = ({ body }) => ({ status: 201, body: { ...(body as object) } });
    open();
    expect(await screen.findByText(/answer was not heard/)).toBeInTheDocument();
    press("Restore");
    fireEvent.click(await screen.findByRole("button", { name: "Retry" }));
    await screen.findByText(/is created/);
    expect(posts()[1]?.body).toEqual(posts()[0]?.body);
    expect(posts()[1]?.headers.get("idempotency-key")).toBe(posts()[0]?.headers.get("idempotency-key"));
    expect(localStorage.getItem("conductor.draft.task.p")).toBeNull();
  });

  it("is sent once, however often one clicks", async () => {
    let answer: (it: Answer) => void = () => {};
    submit = () => new Promise<Answer>((resolve) => (answer = resolve));
    open();
    await prompt();
    type("Prompt", "Do it.");
    press("Create task");
    const button = screen.getByTestId("new-task-submit");
    expect(button).toBeDisabled();
    fireEvent.click(button);
    fireEvent.keyDown(screen.getByLabelText("Prompt"), { key: "Enter", ctrlKey: true });
    await waitFor(() => expect(posts()).toHaveLength(1));
    answer({ status: 201, body: { task_id: "task-1" } });
    await screen.findByText(/is created/);
    expect(posts()).toHaveLength(1);
  });
});
