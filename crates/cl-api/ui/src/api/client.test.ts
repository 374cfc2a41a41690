import { afterEach, describe, expect, it, vi } from "vitest";
import { api, got, Problem, request, whenUnauthorised } from "./client";
import { conditional } from "./queries";

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });

function served(...answers: (Response | Error)[]) {
  const asked: Request[] = [];
  vi.stubGlobal("fetch", async (of: Request) => {
    asked.push(of);
    const next = answers.shift();
    if (next instanceof Error || next === undefined) throw next ?? new Error("asked too often");
    return next;
  });
  return asked;
}

afterEach(() => {
  vi.unstubAllGlobals();
  whenUnauthorised(() => {});
});

describe("the client", () => {
  it("says that it is the web UI in every request, and fills in paths", async () => {
    const asked = served(answer(200, { project_id: "a b", total_tasks: 3 }));
    const path = { project_id: "a b" };
    const stats = await got(api.GET("/api/projects/{project_id}/stats", { params: { path } }));
    expect(stats.total_tasks).toBe(3);
    expect(asked[0]?.url).toMatch(/\/api\/projects\/a%20b\/stats$/);
    expect(asked[0]?.headers.get("x-conductor-client")).toBe("web-ui");
  });

  it("makes of a refusal what the server said, its hint, and the id of the request", async () => {
    const error = {
      code: "CONFLICT",
      message: "run is not running",
      hint: "look again",
      details: { status: "completed" },
    };
    served(answer(409, { error, message: error.message }, { "x-request-id": "req-7" }));
    const problem = await request("api/x").catch((thrown: unknown) => thrown);
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({
      message: "api 409: run is not running",
      code: "CONFLICT",
      hint: "look again",
      details: { status: "completed" },
      requestId: "req-7",
      isPassing: false,
    });
  });

  it("survives a refusal that is no JSON, and a server that is not there", async () => {
    served(
      new Response("<html>bad gateway", { status: 502, statusText: "Bad Gateway" }),
      new TypeError("failed"),
    );
    await expect(request("api/x")).rejects.toMatchObject({
      message: "api 502: Bad Gateway",
      isPassing: true,
    });
    await expect(request("api/x")).rejects.toMatchObject({
      status: 0,
      hint: "Start it with: conductor serve",
    });
  });

  it("tells when the server asks who we are", async () => {
    const heard = vi.fn();
    whenUnauthorised(heard);
    served(answer(401, { message: "who are you?" }));
    await expect(request("api/x")).rejects.toMatchObject({ status: 401 });
    expect(heard).toHaveBeenCalledOnce();
  });

  it("gets the very same object back where nothing has changed", async () => {
    const asked = served(
      answer(200, { rows: [1] }, { etag: '"1"' }),
      new Response(null, { status: 304 }),
      answer(200, { rows: [2] }, { etag: '"2"' }),
    );
    const first = await conditional("api/tree");
    expect(await conditional("api/tree")).toBe(first);
    expect(asked[1]?.headers.get("if-none-match")).toBe('"1"');
    expect(await conditional("api/tree")).toEqual({ rows: [2] });
  });
});
