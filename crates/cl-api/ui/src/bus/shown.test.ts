import { describe, expect, it } from "vitest";
import type { Item } from "./messages";
import {
  answerTasks,
  beginningOf,
  canAnswerInTask,
  childTask,
  isRunEvent,
  looksLikeMarkdown,
  matching,
  openQuestions,
  readableJson,
  sourceMessage,
  sourceOf,
  threaded,
} from "./shown";

const item = (n: number, change: Partial<Item> = {}): Item => ({
  msg_id: `MSG-${n}`,
  timestamp: "2026-02-23T00:00:00Z",
  type: "FACT",
  body: `body ${n}`,
  project_id: "p",
  ...change,
});
const answering = (n: number, parent: number) =>
  item(n, { type: "ANSWER", parents: [{ msg_id: `MSG-${parent}` }] });
const outline = (items: Item[]) =>
  threaded(items).map((row) => `${"  ".repeat(row.depth)}${row.item.msg_id}`);

describe("threads", () => {
  it("nest answers below what they answer, oldest first, the latest thread first", () => {
    const items = [answering(6, 1), item(5), answering(4, 2), answering(3, 1), item(2), item(1)];
    expect(outline(items)).toEqual(["MSG-1", "  MSG-3", "  MSG-6", "MSG-5", "MSG-2", "  MSG-4"]);
  });

  it("show what answers a message that is not there by itself", () => {
    expect(outline([answering(9, 1), item(8)])).toEqual(["MSG-9", "MSG-8"]);
  });

  it("end where messages name each other", () => {
    const one = item(1, { parents: [{ msg_id: "MSG-2" }] });
    const two = item(2, { parents: [{ msg_id: "MSG-1" }, { msg_id: "MSG-2" }] });
    expect(outline([two, one])).toEqual(["MSG-1", "  MSG-2"]);
  });

  it("of any depth are shown in a few steps", () => {
    const items = Array.from({ length: 10 }, (_, at) => (at === 9 ? item(1) : answering(10 - at, 9 - at)));
    expect(Math.max(...threaded(items).map((row) => row.depth))).toBe(3);
    expect(threaded(items)).toHaveLength(10);
  });
});

describe("filters", () => {
  const items = [
    item(1, { type: "PROGRESS", body: "Building" }),
    item(2, { type: "FACT", run_id: "20260223-2048580000-1-1" }),
    item(3, { type: "FACTS", meta: { author: "Ada" } }),
  ];

  it("let all through as it is when nothing is asked for", () => {
    expect(matching(items, { text: " ", type: "" })).toBe(items);
  });

  it("find text in body, id, type, source, project, task and run", () => {
    const found = (text: string) => matching(items, { text, type: "" }).map((it) => it.msg_id);
    expect(found("BUILD")).toEqual(["MSG-1"]);
    expect(found("msg-2")).toEqual(["MSG-2"]);
    expect(found("ada")).toEqual(["MSG-3"]);
    expect(found("204858")).toEqual(["MSG-2"]);
    expect(found("nowhere")).toEqual([]);
  });

  it("take a type exactly, whatever its case", () => {
    expect(matching(items, { text: "", type: "fact" }).map((it) => it.msg_id)).toEqual(["MSG-2"]);
  });
});

describe("bodies", () => {
  it("are cut when they are long or have many lines", () => {
    expect(beginningOf("short")).toBeUndefined();
    expect(beginningOf("x".repeat(1800))).toBeUndefined();
    expect(beginningOf("x".repeat(1801))).toHaveLength(1800);
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`).join("\n");
    expect(beginningOf(lines)?.split("\n")).toHaveLength(18);
    expect(beginningOf(`${"line\n".repeat(18)}`)).toBeUndefined();
    expect(beginningOf("x".repeat(1_000_000))).toHaveLength(1800);
  });

  it("of events of runs are cut behind their first line", () => {
    expect(beginningOf("run started\nrun_dir: /a\nprompt: /b", 1)).toBe("run started");
    expect([isRunEvent("RUN_START"), isRunEvent("RUN_CRASH"), isRunEvent("FACT")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("are never cut within a character", () => {
    expect(beginningOf(`${"x".repeat(1799)}🙂 and more`)).toBe("x".repeat(1799));
  });

  it("are shown as JSON if they are, and are not too large", () => {
    expect(readableJson(' {"a":[1,2]}')).toBe('{\n  "a": [\n    1,\n    2\n  ]\n}');
    expect(readableJson("{not json")).toBeUndefined();
    expect(readableJson("plain")).toBeUndefined();
    expect(readableJson(`["${"x".repeat(10_001)}"]`)).toBeUndefined();
  });

  it("are Markdown where they have its marks", () => {
    for (const body of ["# Title", "- a\n- b", "see `code`", "**bold**", "[a](b)", "text\n```\nx\n```"]) {
      expect(looksLikeMarkdown(body), body).toBe(true);
    }
    for (const body of ["plain\nlines", "a * b", "1 < 2", "#tag"])
      expect(looksLikeMarkdown(body), body).toBe(false);
  });
});

describe("what a message tells", () => {
  const request = item(7, {
    type: "USER_REQUEST",
    task_id: "source",
    meta: {
      thread_parent_project_id: "p",
      thread_parent_task_id: "source",
      thread_parent_message_id: "MSG-1",
      thread_source_message_id: "MSG-1",
      thread_child_project_id: "p",
      thread_child_task_id: "child",
      thread_child_message_id: "MSG-8",
    },
  });

  it("says who it is from", () => {
    expect(sourceOf(item(1, { meta: { agent: "claude" }, run_id: "r" }))).toBe("claude");
    expect(sourceOf(item(1, { run_id: "r", task_id: "t" }))).toBe("r");
    expect(sourceOf(item(1, { task_id: "task-20260223-204858-docs" }))).toBe("docs");
    expect(sourceOf(item(1, { project_id: "" }))).toBe("unknown");
  });

  it("leads from the message to the task that answers it, and back", () => {
    expect(childTask(request)).toEqual({ project: "p", task: "child", msg: "MSG-8" });
    expect(sourceMessage(request)).toBeUndefined();
    expect(sourceMessage({ ...request, task_id: "child" })).toEqual({
      project: "p",
      task: "source",
      msg: "MSG-1",
    });
    expect(answerTasks([request, request]).get("MSG-1")).toEqual([
      { project: "p", task: "child", msg: "MSG-8" },
    ]);
  });

  it("is an open question until somebody answers", () => {
    const asked = item(1, { type: "QUESTION" });
    expect([...openQuestions([asked])]).toEqual(["MSG-1"]);
    expect([...openQuestions([answering(2, 1), asked])]).toEqual([]);
    expect([...openQuestions([request, asked])]).toEqual([]);
  });

  it("can be answered in a task if a run has posted it", () => {
    const asked = item(1, { type: "QUESTION", task_id: "t", run_id: "r" });
    expect(canAnswerInTask(asked)).toBe(true);
    expect(canAnswerInTask({ ...asked, run_id: "" })).toBe(false);
    expect(canAnswerInTask({ ...asked, type: "INFO" })).toBe(false);
  });
});
