import { afterEach, describe, expect, it, vi } from "vitest";
import { Problem } from "../api/client";
import { endingOf, outcomeOf, perform } from "./perform";

const TASK = "task-20260223-204858-docs";
const acted = (outcome: string, more = {}) =>
  ({ project_id: "p", task_id: TASK, outcome, runs: [], unblocked: [], ...more }) as Parameters<
    typeof outcomeOf
  >[0];

function answering(status: number, body: unknown): { asked: Request[] } {
  const asked: Request[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    asked.push(request.clone());
    return new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/json", "x-request-id": "req-1" },
    });
  });
  return { asked };
}

afterEach(() => vi.unstubAllGlobals());

describe("actions", () => {
  it("ask what they should, and say that a page asks", async () => {
    const { asked } = answering(200, acted("cancelled"));
    await perform("cancel", "p", TASK, { reason: "the schema was dropped" });
    await perform("unblock", "p", TASK, { dependencies: ["task-a"] });
    await perform("stop", "p", TASK);
    expect(asked.map((request) => new URL(request.url).pathname.replace(/.*\/tasks/, ""))).toEqual([
      `/${TASK}/cancel`,
      `/${TASK}/unblock`,
      `/${TASK}/stop`,
    ]);
    expect(asked.every((request) => request.method === "POST")).toBe(true);
    expect(asked.every((request) => request.headers.get("x-conductor-client") === "web-ui")).toBe(true);
    expect(await asked[0]?.json()).toEqual({ reason: "the schema was dropped", superseded_by: null });
    expect(await asked[1]?.json()).toEqual({ dependencies: ["task-a"], reason: "" });
  });

  it("start the task when they resume it", async () => {
    const { asked } = answering(200, { project_id: "p", task_id: TASK, resumed: true, started: true });
    await perform("resume", "p", TASK);
    expect(await asked[0]?.json()).toEqual({ start: true });
  });

  it("fail with what the server says, its hint and the request", async () => {
    answering(409, {
      error: { code: "CONFLICT", message: "task is not running", hint: "resume it" },
      message: "x",
    });
    const problem = await perform("wake", "p", TASK).catch(Problem.of);
    expect(problem).toMatchObject({
      message: "api 409: task is not running",
      hint: "resume it",
      requestId: "req-1",
    });
  });

  it("say no more than the server did", () => {
    expect(outcomeOf(acted("stopping", { runs: ["r"] }))).toMatchObject({
      text: "Stopping docs",
      isUnderway: true,
    });
    expect(outcomeOf(acted("nothing_running")).isUnderway).toBeUndefined();
    expect(outcomeOf(acted("unblocked", { unblocked: ["task-20260220-100000-schema"] })).more).toBe(
      "Lifted: schema",
    );
    expect(outcomeOf(acted("of_the_future")).text).toBe("docs: of the future");
  });

  it("tell killed from stopped", () => {
    expect(endingOf(TASK, "stopped", 143).text).toBe("docs is stopped");
    expect(endingOf(TASK, "stopped", 137).text).toBe("docs was killed");
    expect(endingOf(TASK, "all_finished", 0).text).toBe("docs has ended: all finished");
  });
});
