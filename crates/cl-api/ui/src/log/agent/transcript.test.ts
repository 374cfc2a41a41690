import { describe, expect, it } from "vitest";
import { LineCutter } from "../lines";
import type { Item } from "./items";
import { Transcript } from "./transcript";

const FIXTURES = import.meta.glob<string>("../fixtures/*.jsonl", {
  query: "?raw",
  import: "default",
  eager: true,
});

function recorded(name: string): string {
  const text = FIXTURES[`../fixtures/${name}.jsonl`];
  if (text === undefined) {
    throw new Error(`no fixture ${name}`);
  }
  return text;
}

function transcript(text: string, step = Number.POSITIVE_INFINITY): Transcript {
  const all = new TextEncoder().encode(text);
  const cutter = new LineCutter(0);
  const made = new Transcript();
  for (let at = 0; at < all.length; at += Math.min(step, all.length)) {
    for (const line of cutter.push(all.subarray(at, at + step))) {
      made.push(line);
    }
  }
  const rest = cutter.rest();
  if (rest) {
    made.push(rest);
  }
  return made;
}

const itemsOf = (name: string) => transcript(recorded(name)).items;
const kinds = (items: readonly Item[]) => items.map((item) => item.kind);
const one = <K extends Item["kind"]>(items: readonly Item[], kind: K) =>
  items.find((item): item is Extract<Item, { kind: K }> => item.kind === kind);

describe("a stream of Claude Code", () => {
  it("is told as text, tools with their results, and a result", () => {
    const items = itemsOf("claude-ok");
    expect(kinds(items)).toEqual(["start", "text", "tool", "text", "result"]);
    expect(one(items, "start")?.facts).toContainEqual(["model", "claude-sonnet-4-5"]);
    expect(one(items, "text")).toMatchObject({ role: "assistant", text: "I will run a command." });
    expect(one(items, "tool")).toMatchObject({
      name: "Bash",
      summary: "echo hello > hello.txt && echo done",
      state: "ok",
      output: "done",
    });
    expect(one(items, "result")).toMatchObject({
      isOk: true,
      text: "All done: hello.txt was created.",
      spent: { input: 240, cached: 60, output: 50, costUsd: 0.001488, turns: 2 },
    });
    expect(new Date(one(items, "text")?.time ?? 0).toISOString()).toBe("2026-11-21T01:46:37.444Z");
  });

  it("tells tools that failed", () => {
    expect(one(itemsOf("claude-tool_fails"), "tool")).toMatchObject({
      state: "failed",
      output: "Exit code 3\noops",
    });
  });

  it("tells retries as errors that are not the end, and the end as failed", () => {
    const items = itemsOf("claude-api_401");
    const errors = items.filter((item) => item.kind === "error");
    expect(errors[0]).toMatchObject({
      isFinal: false,
      text: expect.stringContaining("authentication_failed (401), try 1 of 10"),
    });
    expect(items.at(-1)).toMatchObject({ kind: "result", isOk: false });
  });

  it("with pieces of messages tells each message once", () => {
    expect(kinds(itemsOf("claude-partial_messages"))).toEqual(["start", "text", "tool", "text", "result"]);
  });

  it("that was broken off tells it", () => {
    const items = itemsOf("claude-tool_sigint");
    expect(one(items, "tool")?.state).toBe("failed");
    expect(items.at(-1)).toMatchObject({ kind: "result", isOk: false, label: "error_during_execution" });
  });

  it("of an agent that speaks alike is understood", () => {
    const items = itemsOf("qwen-ok");
    expect(kinds(items)).toEqual(["start", "tool", "text", "result"]);
    expect(one(items, "tool")).toMatchObject({ name: "run_shell_command", state: "ok", output: "done" });
  });

  it("has thinking, pictures and agents within agents", () => {
    const items = transcript(
      [
        `{"type":"assistant","parent_tool_use_id":"t0","message":{"content":[{"type":"thinking","thinking":"hm"},{"type":"tool_use","id":"t1","name":"Read","input":{"file_path":"/a"}}]}}`,
        `{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"one"},{"type":"image","source":{}}]}]}}`,
        `{"type":"assistant","message":{"content":[{"type":"new_kind","x":1}]}}`,
      ].join("\n"),
    ).items;
    expect(items[0]).toMatchObject({ kind: "thinking", text: "hm", isNested: true, part: 0 });
    expect(items[1]).toMatchObject({ kind: "tool", summary: "/a", output: "one\n(an image)", part: 1 });
    expect(items[2]).toMatchObject({ kind: "json", label: "assistant new_kind" });
  });
});

describe("a stream of Codex", () => {
  it("is told as text, tools with their results, and a result", () => {
    const items = itemsOf("codex-ok");
    expect(kinds(items)).toEqual(["start", "error", "tool", "text", "result"]);
    expect(one(items, "error")).toMatchObject({ isFinal: false });
    expect(one(items, "tool")).toMatchObject({ name: "shell", state: "ok", output: "done\n" });
    expect(one(items, "result")?.spent).toEqual({ input: 300, cached: 60, output: 50, reasoning: 10 });
  });

  it("tells tools that failed, and with which code", () => {
    const tool = one(
      transcript(
        `{"type":"item.completed","item":{"id":"i","type":"command_execution","command":"false","aggregated_output":"oops","exit_code":3,"status":"failed"}}`,
      ).items,
      "tool",
    );
    expect(tool).toMatchObject({
      name: "shell",
      summary: "false",
      state: "failed",
      output: "oops\nexit code 3",
    });
  });

  it("that failed says why in plain words", () => {
    expect(itemsOf("codex-api_400").at(-1)).toMatchObject({
      kind: "result",
      isOk: false,
      text: "prompt is too long",
    });
    expect(itemsOf("codex-api_401").at(-1)).toMatchObject({
      kind: "result",
      isOk: false,
      text: expect.stringContaining("401 Unauthorized"),
    });
  });

  it("has thinking, plans, changed files and unknown items", () => {
    const item = (json: string) => `{"type":"item.completed","item":${json}}`;
    const items = transcript(
      [
        item(`{"id":"1","type":"reasoning","text":"hm"}`),
        item(
          `{"id":"2","type":"todo_list","items":[{"text":"a","completed":true},{"text":"b","completed":false}]}`,
        ),
        item(
          `{"id":"3","type":"file_change","changes":[{"path":"x.rs","kind":"update"}],"status":"completed"}`,
        ),
        item(
          `{"id":"4","type":"mcp_tool_call","server":"s","tool":"t","arguments":{"query":"q"},"status":"failed","error":{"message":"no"}}`,
        ),
        item(`{"id":"5","type":"brand_new","a":1}`),
      ].join("\n"),
    ).items;
    expect(kinds(items)).toEqual(["thinking", "note", "tool", "tool", "json"]);
    expect(items[1]).toMatchObject({ text: "☑ a\n☐ b" });
    expect(items[2]).toMatchObject({ name: "file change", input: "update x.rs", state: "ok" });
    expect(items[3]).toMatchObject({ name: "s · t", state: "failed" });
  });
});

describe("a stream of Gemini CLI", () => {
  it("is told as text, tools with their results, and a result", () => {
    const items = itemsOf("gemini-ok");
    expect(kinds(items)).toEqual(["start", "text", "text", "tool", "text", "result"]);
    expect(items[1]).toMatchObject({ role: "user" });
    expect(items.at(-2)).toMatchObject({ text: "All done: hello.txt was created." });
    expect(one(items, "tool")).toMatchObject({ name: "run_shell_command", state: "ok", output: "done" });
    expect(one(items, "result")).toMatchObject({
      isOk: true,
      spent: { input: 300, output: 40, durationMs: 323 },
    });
  });

  it("that failed says why", () => {
    expect(itemsOf("gemini-api_401").at(-1)).toMatchObject({
      kind: "result",
      isOk: false,
      text: expect.stringContaining("API Error"),
    });
  });
});

describe("a stream of anything", () => {
  it("that is JSON nobody knows is kept as JSON", () => {
    const items = itemsOf("pi-ok");
    expect(items.length).toBeGreaterThan(5);
    expect(items.every((item) => item.kind === "json")).toBe(true);
    expect(items[0]).toMatchObject({ label: "session", at: 0 });
  });

  it("that is no JSON is text, lines together", () => {
    const made = transcript(`Building…\n{ not json\n[1,2]\n\n"x"\n`);
    expect(made.items).toMatchObject([{ kind: "plain", text: `Building…\n{ not json\n[1,2]\n"x"` }]);
    expect(made.isAgent).toBe(false);
  });

  it("is the same however the bytes come", () => {
    for (const name of ["claude-ok", "codex-ok", "gemini-ok", "pi-ok"]) {
      const whole = transcript(recorded(name)).items;
      for (const step of [1, 7, 64, 1000]) {
        expect(transcript(recorded(name), step).items).toEqual(whole);
      }
    }
  });

  it("never fails, whatever stands in it", () => {
    const lines = [
      `{"type":"assistant"}`,
      `{"type":"user","message":{}}`,
      `{"type":"result"}`,
      `{"type":"item.completed"}`,
    ];
    lines.push(
      `{"type":"tool_use"}`,
      `{"type":"system"}`,
      `{"type":null}`,
      `{}`,
      `{"type":"assistant","message":{"content":[null,1,"x"]}}`,
    );
    lines.push(
      `{"type":"message","role":1,"content":2}`,
      `{"type":"system","subtype":7}`,
      `{"type":"turn.failed"}`,
      `{"type":"error"}`,
    );
    lines.push(
      `{"__proto__":{"polluted":true}}`,
      `{"type":"thread.started"}`,
      "\u0000",
      `{"type":"user","message":{"content":[{"type":"tool_result"}]}}`,
    );
    const { items } = transcript(lines.join("\n"));
    expect(items.length).toBeGreaterThan(10);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("pairs results with calls that came much earlier, and keeps results whose call is not there", () => {
    const call = (id: string) => `{"type":"tool_use","tool_id":"${id}","tool_name":"n","parameters":{}}`;
    const answer = (id: string) =>
      `{"type":"tool_result","tool_id":"${id}","status":"success","output":"${id}!"}`;
    const { items } = transcript([call("a"), call("b"), answer("b"), answer("a"), answer("c")].join("\n"));
    expect(items).toMatchObject([
      { kind: "tool", id: "a", output: "a!" },
      { kind: "tool", id: "b", output: "b!" },
      { kind: "tool", id: "c", name: "tool", output: "c!" },
    ]);
  });

  it("keeps a bounded number of items, the newest, and pairs on", () => {
    const made = new Transcript(100);
    for (let index = 0; index < 1000; index += 1) {
      const use = `{"type":"tool_use","tool_id":"t${index}","tool_name":"n","parameters":{}}`;
      made.push({ at: index * 10, text: use, cut: 0 });
    }
    made.push({
      at: 10_000,
      text: `{"type":"tool_result","tool_id":"t999","status":"success","output":"x"}`,
      cut: 0,
    });
    expect(made.items.length).toBeLessThanOrEqual(125);
    expect(made.gone + made.items.length).toBe(1000);
    expect(made.items.at(-1)).toMatchObject({ id: "t999", state: "ok" });
  });

  it("keeps a bounded amount of text", () => {
    const made = new Transcript(5000, 100_000);
    for (let index = 0; index < 100; index += 1) {
      made.push({ at: index, text: `{"type":"x${index}","text":"${"y".repeat(5000)}"}`, cut: 0 });
    }
    expect(made.items.length).toBeLessThan(25);
    expect(made.items.at(-1)).toMatchObject({ label: "x99" });
  });
});
