import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { live } from "../live/store";
import { busKey, emptyWorld } from "../live/world";
import { type Answer, type Asked, giveSizes, standIn } from "../test/server";
import { BusPanel } from "./BusPanel";
import type { Item } from "./messages";

const TASK = "task-20260223-204858-docs";

/** A bus of the stand-in server. */
class Bus {
  items: Item[] = [];
  answer: Answer | undefined;

  put(type: string, body: string, more: Partial<Item> = {}): Item {
    const n = this.items.length + 1;
    const item: Item = {
      msg_id: `MSG-${n}`,
      timestamp: new Date(Date.UTC(2026, 1, 23, 20, 0, n)).toISOString(),
      type,
      body,
      project_id: "p",
      task_id: TASK,
      ...more,
    };
    this.items.push(item);
    return item;
  }

  read(query: URLSearchParams): Answer {
    if (this.answer) return this.answer;
    const place = (id: string | null) => this.items.findIndex((it) => it.msg_id === id);
    const after = query.get("after");
    if (after !== null) {
      if (place(after) < 0) return { status: 404, body: { message: "message id not found" } };
      return { body: { messages: this.items.slice(place(after) + 1) } };
    }
    const until = query.has("before") ? place(query.get("before")) : this.items.length;
    const from = Math.max(0, until - Number(query.get("limit")));
    return { body: { messages: this.items.slice(from, until), has_more: from > 0 } };
  }
}

let ofTask: Bus;
let ofProject: Bus;
let asked: Asked[];

beforeEach(() => {
  giveSizes();
  location.hash = "";
  live.setState(emptyWorld(), true);
  ofTask = new Bus();
  ofProject = new Bus();
  asked = standIn((it) => {
    const [path = "", query] = it.path.split("?");
    const bus = path === `api/projects/p/tasks/${TASK}/messages` ? ofTask : ofProject;
    if (it.method === "GET") return bus.read(new URLSearchParams(query));
    if (bus.answer) return bus.answer;
    const { type = "USER", ...said } = it.body as Item;
    const item = bus.put(type, said.body, said);
    return { status: 201, body: { msg_id: item.msg_id, timestamp: item.timestamp } };
  });
});

afterEach(() => vi.unstubAllGlobals());

function open(task: string | undefined = TASK) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={queries}>
      <BusPanel project="p" task={task} />
    </QueryClientProvider>,
  );
}

const hear = (id: string) =>
  act(() => live.setState((world) => ({ newest: { ...world.newest, [busKey("p", TASK)]: id } })));
const bodies = () => screen.getAllByTestId("message").map((it) => it.dataset.id);
const posts = () => asked.filter((it) => it.method === "POST");

describe("the message panel", () => {
  it("shows messages whole without a click, the newest first", async () => {
    ofTask.put("PROGRESS", "first");
    ofTask.put("FACT", "second");
    open();
    expect(await screen.findByText("second")).toBeVisible();
    expect(bodies()).toEqual(["MSG-2", "MSG-1"]);
  });

  it("says that there are none only where there are none, with what to type", async () => {
    open();
    expect(await screen.findByText("No messages yet")).toBeInTheDocument();
    expect(screen.getByText(new RegExp(`run-agent bus post --project p --task ${TASK}`))).toBeInTheDocument();
  });

  it("shows each new message once, and asks nothing while nothing is told", async () => {
    ofTask.put("PROGRESS", "first");
    open();
    await screen.findByText("first");
    const before = asked.length;
    ofTask.put("FACT", "second");
    hear("MSG-2");
    await screen.findByText("second");
    hear("MSG-2");
    expect(bodies()).toEqual(["MSG-2", "MSG-1"]);
    expect(asked.length).toBe(before + 1);
    expect(asked.at(-1)?.path).toContain("after=MSG-1");
  });

  it("is hydrated with the last messages when its place is unknown", async () => {
    ofTask.put("PROGRESS", "old");
    open();
    await screen.findByText("old");
    ofTask.items = [];
    for (let n = 0; n < 25; n += 1) ofTask.put("FACT", `again ${n}`, { msg_id: `NEW-${n}` });
    hear("NEW-24");
    await screen.findByText("again 24");
    expect(screen.getByText("25 messages")).toBeInTheDocument();
  });

  it("shows a failure with a way to try again", async () => {
    ofTask.answer = { status: 500, body: { message: "the disk is gone" } };
    open();
    expect(await screen.findByText("api 500: the disk is gone")).toBeInTheDocument();
    ofTask.answer = undefined;
    ofTask.put("FACT", "back");
    fireEvent.click(screen.getByRole("button", { name: /try again/i }));
    expect(await screen.findByText("back")).toBeInTheDocument();
  });

  it("cuts long bodies and shows the rest when asked", async () => {
    ofTask.put("FACT", `${"x".repeat(1790)} the-cut ${"y".repeat(400)}the-end`);
    open();
    const more = await screen.findByRole("button", { name: /Show more/ });
    expect(more).toHaveAttribute("aria-expanded", "false");
    expect(screen.queryByText(/the-end/)).toBeNull();
    fireEvent.click(more);
    expect(screen.getByText(/the-end/)).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Show less" })).toHaveAttribute("aria-expanded", "true");
  });

  it("renders hostile bodies as text", async () => {
    ofTask.put(
      "FACT",
      "<img src=x onerror=alert(1)> **bold** <script>alert(2)</script> [x](javascript:alert(3))",
    );
    open();
    await screen.findByText("bold");
    const message = screen.getByTestId("message");
    expect(message.querySelector("img, script, a[href^=javascript]")).toBeNull();
    fireEvent.click(screen.getByRole("button", { name: "Show it raw" }));
    expect(message).toHaveTextContent("<img src=x onerror=alert(1)> **bold**");
  });

  it("reaches every loaded message by filter", async () => {
    for (let n = 1; n <= 300; n += 1) ofTask.put(n === 3 ? "DECISION" : "FACT", `entry number ${n}.`);
    open();
    await screen.findByText("entry number 300.");
    fireEvent.change(screen.getByLabelText("Filter by text"), { target: { value: "number 7." } });
    await screen.findByText("entry number 7.");
    expect(screen.getByText("1 of 300")).toBeInTheDocument();
    fireEvent.change(screen.getByLabelText("Filter by text"), { target: { value: "" } });
    fireEvent.change(screen.getByLabelText("Only of type"), { target: { value: "DECISION" } });
    await screen.findByText("entry number 3.");
    expect(screen.getAllByTestId("message")).toHaveLength(1);
  });

  it("changes to the bus of the project and back", async () => {
    ofTask.put("FACT", "of the task");
    ofProject.put("FACT", "of the project", { task_id: "" });
    open();
    await screen.findByText("of the task");
    fireEvent.click(screen.getByRole("button", { name: "Project" }));
    await screen.findByText("of the project");
    expect(screen.queryByText("of the task")).toBeNull();
  });
});

describe("writing messages", () => {
  it("posts what a person says as USER, once", async () => {
    open();
    await screen.findByText("No messages yet");
    const box = screen.getByRole("textbox", { name: /message/i });
    expect(screen.getByRole("button", { name: "Post" })).toBeDisabled();
    fireEvent.change(box, { target: { value: "  Mind the schema.  " } });
    fireEvent.keyDown(box, { key: "Enter", ctrlKey: true });
    await screen.findByText("Mind the schema.");
    await waitFor(() => expect(box).toHaveValue(""));
    expect(posts()).toHaveLength(1);
    expect(posts()[0]?.body).toEqual({ type: "USER", body: "Mind the schema." });
    expect(posts()[0]?.headers.get("x-conductor-client")).toBe("web-ui");
  });

  it("keeps the text that could not be posted, and sends it again with the same key", async () => {
    open();
    await screen.findByText("No messages yet");
    const box = screen.getByRole("textbox", { name: /message/i });
    ofTask.answer = "unreachable";
    fireEvent.change(box, { target: { value: "Mind it." } });
    fireEvent.click(screen.getByRole("button", { name: "Post" }));
    expect(await screen.findByText("The server cannot be reached.")).toBeInTheDocument();
    expect(box).toHaveValue("Mind it.");
    ofTask.answer = undefined;
    fireEvent.click(screen.getByRole("button", { name: "Post" }));
    await screen.findByText("Posted successfully");
    const keys = posts().map((it) => it.headers.get("idempotency-key"));
    expect(keys[0]).toBe(keys[1]);
  });

  it("answers a question where it stands, with the question as parent", async () => {
    ofTask.put("QUESTION", "Which colour?", { run_id: "20260223-2048580000-1-1" });
    ofTask.put("PROGRESS", "meanwhile");
    open();
    const question = (await screen.findByText("Which colour?")).closest("article") as HTMLElement;
    expect(within(question).getByText("not answered")).toBeInTheDocument();
    fireEvent.click(within(question).getByRole("button", { name: "Answer" }));
    const box = screen.getByRole("textbox", { name: "Answer" });
    fireEvent.change(box, { target: { value: "Green." } });
    fireEvent.keyDown(box, { key: "Enter", ctrlKey: true });
    // Below what it answers.
    await waitFor(() => expect(bodies()).toEqual(["MSG-1", "MSG-3", "MSG-2"]));
    expect(posts()[0]?.body).toEqual({
      type: "ANSWER",
      body: "Green.",
      parents: [{ msg_id: "MSG-1", kind: "answers", meta: {} }],
    });
    await waitFor(() => expect(screen.queryByText("not answered")).toBeNull());
  });

  it("keeps what is being written when one looks at something else, and its key", async () => {
    ofTask.put("QUESTION", "Which colour?", { run_id: "20260223-2048580000-1-1" });
    const { unmount } = open();
    await screen.findByText("Which colour?");
    fireEvent.change(screen.getByRole("textbox", { name: /message/i }), { target: { value: "Mind it." } });
    fireEvent.click(screen.getByRole("button", { name: "Answer" }));
    fireEvent.change(screen.getByRole("textbox", { name: "Answer" }), { target: { value: "Gre" } });
    ofTask.answer = "unreachable";
    fireEvent.click(screen.getByRole("button", { name: "Post" }));
    await screen.findByText("The server cannot be reached.");
    ofTask.answer = undefined;
    unmount();
    open();
    await screen.findByText("Which colour?");
    const box = screen.getByRole("textbox", { name: /message/i });
    expect(box).toHaveValue("Mind it.");
    fireEvent.click(screen.getByRole("button", { name: "Answer" }));
    expect(screen.getByRole("textbox", { name: "Answer" })).toHaveValue("Gre");
    fireEvent.click(screen.getByRole("button", { name: "Post" }));
    await waitFor(() => expect(box).toHaveValue(""));
    const keys = posts().map((it) => it.headers.get("idempotency-key"));
    expect(keys[0]).toBe(keys[1]);
  });

  it("does not wipe out what is written while the message before is posted", async () => {
    open();
    await screen.findByText("No messages yet");
    const box = screen.getByRole("textbox", { name: /message/i });
    fireEvent.change(box, { target: { value: "One." } });
    fireEvent.keyDown(box, { key: "Enter", ctrlKey: true });
    fireEvent.change(box, { target: { value: "One. Two." } });
    await screen.findByText("Posted successfully");
    expect(posts()[0]?.body).toMatchObject({ body: "One." });
    expect(box).toHaveValue("Two.");
  });

  it("says that a question has an answer already", async () => {
    const question = ofTask.put("QUESTION", "Which colour?", { run_id: "20260223-2048580000-1-1" });
    ofTask.put("ANSWER", "Red.", { parents: [{ msg_id: question.msg_id, kind: "answers", meta: {} }] });
    open();
    await screen.findByText("Which colour?");
    fireEvent.click(screen.getByRole("button", { name: "Answer" }));
    expect(screen.getByText(/has an answer already/)).toBeInTheDocument();
  });

  it("leads to the source message, to the child task and to the answer", async () => {
    const meta = {
      thread_parent_project_id: "p",
      thread_parent_task_id: "task-20260220-100000-source",
      thread_parent_message_id: "MSG-9",
    };
    ofTask.put("USER_REQUEST", "asked elsewhere", { meta });
    const child = {
      thread_child_project_id: "p",
      thread_child_task_id: "task-20260224-100000-child",
      thread_source_message_id: "MSG-2",
    };
    ofTask.put("QUESTION", "here", { run_id: "r" });
    ofTask.put("USER_REQUEST", "opened", { meta: child });
    open();
    const source = await screen.findByRole("link", { name: "Open source message" });
    expect(source).toHaveAttribute("href", "#/p/p/t/task-20260220-100000-source?tab=messages&msg=MSG-9");
    expect(screen.getByRole("link", { name: "Open child task child" })).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Open answer task: child" })).toBeInTheDocument();
    expect(screen.getAllByRole("button", { name: "Answer in new task" })).toHaveLength(1);
  });
});
