import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { aRun, aTask, taskChange } from "../test/samples";
import { Client, type Opener } from "./client";
import { Coalescer } from "./coalesce";
import type { Told } from "./connection";
import { type FromTab, Hub, type Port, type ToTab } from "./hub";
import { refresher, Watcher } from "./refresh";
import { Runner } from "./runner";
import { StreamReader } from "./sse";
import { emptyWorld, type World } from "./world";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const begin: Told = { type: "begin" };
const ready: Told = { type: "ready" };

class Tab implements Port {
  heard: ToTab[] = [];
  post(message: ToTab): void {
    this.heard.push(structuredClone(message));
  }
}

describe("event streams", () => {
  const TEXT =
    ': ok\n\nevent: snapshot\ndata: {"a":1}\n\nid: x-1\r\nevent: change\r\ndata: 1\r\ndata: 2\r\n\r\nretry: 5\n\ndata: é\n\n';

  it("are understood whatever the pieces are that they come in", () => {
    const whole = new StreamReader().read(TEXT);
    expect(whole).toEqual([
      { name: "snapshot", id: undefined, data: '{"a":1}' },
      { name: "change", id: "x-1", data: "1\n2" },
      { name: "message", id: undefined, data: "é" },
    ]);
    for (const size of [1, 2, 3, 7]) {
      const reader = new StreamReader();
      const parts = Array.from({ length: Math.ceil(TEXT.length / size) }, (_, at) =>
        reader.read(TEXT.slice(at * size, (at + 1) * size)),
      );
      expect(parts.flat()).toEqual(whole);
    }
  });
});

describe("the hub", () => {
  it("tells every tab the same, in batches, and a newcomer all that is known", () => {
    const hub = new Hub();
    const [a, b] = [new Tab(), new Tab()];
    hub.hear(a, { type: "hello", tab: "a" });
    hub.take([begin, taskChange(aTask({ task_id: "a" })), ready]);
    hub.take([taskChange(aTask({ task_id: "b" }))]);
    vi.advanceTimersByTime(50);
    expect(a.heard.map((message) => message.type)).toEqual(["world", "told"]);
    hub.hear(b, { type: "hello", tab: "b" });
    const [first] = b.heard;
    expect(first?.type === "world" && Object.keys(first.world.tasks)).toEqual(["p/a", "p/b"]);
  });

  it("lets a tab that comes in the middle of a snapshot keep what was told before", () => {
    const hub = new Hub();
    const worlds: World[] = [];
    hub.take([begin, taskChange(aTask({ task_id: "a" }))]);
    const tab = new Client([joined(hub)], (world) => worlds.push(world));
    tab.start();
    hub.take([taskChange(aTask({ task_id: "b" })), ready]);
    vi.advanceTimersByTime(50);
    expect(Object.keys(worlds.at(-1)?.tasks ?? {})).toEqual(["p/a", "p/b"]);
    tab.leave();
  });

  it("follows what any tab follows, until no tab does", () => {
    const hub = new Hub();
    const line = { follow: vi.fn(), wake: vi.fn() };
    hub.connect(line);
    const [a, b] = [new Tab(), new Tab()];
    for (const tab of [a, b]) hub.hear(tab, { type: "hello", tab: "x" });
    hub.hear(a, { type: "follow", files: ["f", "g"] });
    hub.hear(b, { type: "follow", files: ["g"] });
    expect(line.follow).toHaveBeenLastCalledWith(["f", "g"]);
    hub.leave(a);
    expect(line.follow).toHaveBeenLastCalledWith(["g"]);
    hub.hear(b, { type: "bye" });
    expect(line.follow).toHaveBeenLastCalledWith([]);
    expect(hub.tabs).toBe(0);
  });
});

/** A way to a hub in the same page. */
function joined(hub: Hub, said: FromTab[] = []): Opener {
  return (hear) => {
    const port: Port = { post: (message) => hear(structuredClone(message)) };
    return {
      say: (message) => {
        said.push(message);
        hub.hear(port, message);
      },
      close: () => hub.leave(port),
    };
  };
}

describe("a tab", () => {
  it("takes another way when the worker has died, keeps what it follows, and has all fetched again", () => {
    const worlds: World[] = [];
    const said: FromTab[] = [];
    const dying = new Hub();
    let isDead = false;
    const mortal: Opener = (hear, broken) => {
      const way = joined(dying)((message) => isDead || hear(message), broken);
      return { ...way, say: (message) => isDead || way.say(message) };
    };
    const second = new Hub();
    const client = new Client([mortal, joined(second, said)], (world) => worlds.push(world));
    client.start();
    client.follow(["f"]);
    const connection = { ...emptyWorld().connection, phase: "live" as const, complete: true, resets: 1 };
    const told: Told[] = [
      begin,
      taskChange(aTask({ task_id: "a" })),
      ready,
      { type: "connection", connection },
    ];
    dying.take(told);
    second.take(told);
    vi.advanceTimersByTime(60_000);
    expect(said).toEqual([]);
    isDead = true;
    vi.advanceTimersByTime(60_000);
    expect(said.slice(0, 2)).toEqual([
      { type: "hello", tab: "tab" },
      { type: "follow", files: ["f"] },
    ]);
    expect(Object.keys(worlds.at(-1)?.tasks ?? {})).toEqual(["p/a"]);
    client.leave();
  });

  it("does the work itself where there is no shared worker", () => {
    const hub = new Hub();
    const broken: Opener = (_, broken) => {
      queueMicrotask(broken);
      return { say: () => {}, close: () => {} };
    };
    const shown = vi.fn();
    const client = new Client([broken, joined(hub)], shown);
    client.start();
    return Promise.resolve().then(() => {
      expect(hub.tabs).toBe(1);
      expect(shown).toHaveBeenCalled();
      client.leave();
    });
  });
});

describe("the runner", () => {
  it("resumes behind the last change after the stream broke, and doubles nothing", async () => {
    const requests: { id: string | null; follow: string[] }[] = [];
    const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
    const fetched = (url: URL | RequestInfo, init?: RequestInit) => {
      const headers = new Headers(init?.headers);
      requests.push({
        id: headers.get("last-event-id"),
        follow: new URL(String(url)).searchParams.getAll("follow"),
      });
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void streams.push(controller) });
      return Promise.resolve(new Response(body));
    };
    const told: Told[] = [];
    const around = { fetch: fetched as typeof fetch, now: () => 0, random: () => 0 };
    const runner = new Runner((news) => told.push(...news), around);
    const say = (at: number, text: string) => streams[at]?.enqueue(new TextEncoder().encode(text));
    const settle = () => vi.advanceTimersByTimeAsync(1);
    runner.start();
    await settle();
    say(0, "event: snapshot\ndata: {}\n\nevent: ready\nid: n-5\ndata: {}\n\n");
    await settle();
    streams[0]?.close();
    await vi.advanceTimersByTimeAsync(1000);
    expect(requests.map((request) => request.id)).toEqual([null, "n-5"]);
    say(
      1,
      `id: n-6\nevent: change\ndata: ${JSON.stringify({ what: "bus", project_id: "p", msg_id: "m" })}\n\n`,
    );
    await settle();
    runner.follow(["p/t/r/stdout"]);
    await vi.advanceTimersByTimeAsync(100);
    expect(requests[2]).toEqual({ id: "n-6", follow: ["p/t/r/stdout"] });
    expect(told.filter((each) => each.type === "change")).toHaveLength(1);
    const phases = told.flatMap((each) => (each.type === "connection" ? [each.connection.phase] : []));
    expect(phases).toEqual(["connecting", "live", "waiting", "connecting", "live", "live"]);
    runner.stop();
  });
});

describe("what is fetched again", () => {
  it("is a tree only where its shape has changed", () => {
    const watcher = new Watcher();
    const look = (...told: Told[]) => watcher.look(told);
    const first = look(begin, taskChange(aTask()), ready);
    expect([first.trees.size, first.tasks.size, first.projects.size, first.list]).toEqual([0, 0, 0, false]);
    const quiet = look(taskChange(aTask({ last_activity: "2026-02-24T00:00:00Z" })));
    expect([quiet.trees.size, quiet.tasks.size, quiet.written.size]).toEqual([0, 0, 1]);
    const closed = look(taskChange(aTask({ done: true })));
    expect([closed.trees.size, closed.tasks.size, closed.written.size]).toEqual([0, 1, 0]);
    expect(look(taskChange(aTask({ runs: 2, latest_run: "run-2" }))).trees).toEqual(new Set(["p"]));
    expect(look(taskChange(aTask({ task_id: "new" }))).trees).toEqual(new Set(["p"]));
  });

  it("is nothing but files, processes and limits while a run only prints", async () => {
    const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
    const keys = [
      ["root", "projects"],
      ["root", "status"],
      ["root", "limits"],
      ["root", "ps", undefined],
      ["root", "usage", "agent"],
      ["project", "p", "stats"],
      ["project", "p", "usage", "agent"],
      ["tree", "p"],
      ["task", "p", "task-1", "runs"],
      ["task", "p", "task-1", "detail"],
      ["task", "p", "task-1", "pictures", "evidence"],
      ["task", "p", "task-1", "pictures", "usage"],
    ];
    let fetched: string[] = [];
    const projects = () =>
      queries.getQueryData<{ id: string; last_activity: string }[]>(["root", "projects"]);
    for (const queryKey of keys) {
      const queryFn = () => {
        fetched.push(queryKey.join(" "));
        return queryKey[1] === "projects" ? [{ id: "p", last_activity: at(0) }] : fetched.length;
      };
      new QueryObserver(queries, { queryKey, queryFn }).subscribe(() => {});
    }
    const take = refresher(queries);
    const world = emptyWorld();
    const at = (second: number) => new Date(Date.UTC(2026, 1, 24, 0, 0, second)).toISOString();
    const print = (second: number) =>
      taskChange(aTask({ task_id: "task-1", last_activity: at(second) }), aRun({ duration: second }));
    take([begin, print(0), ready], world);
    take([print(1)], world);
    await vi.advanceTimersByTimeAsync(60_000);

    fetched = [];
    for (let second = 2; second < 22; second++) {
      take([print(second)], world);
      await vi.advanceTimersByTimeAsync(1000);
    }
    const times = (key: string) => fetched.filter((each) => each === key).length;
    expect(new Set(fetched)).toEqual(
      new Set(["root ps ", "task p task-1 detail", "task p task-1 pictures evidence"]),
    );
    expect(times("task p task-1 detail")).toBeLessThanOrEqual(10);
    expect(projects()?.[0]?.last_activity.localeCompare(at(19))).toBeGreaterThanOrEqual(0);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(times("root limits")).toBe(1);

    fetched = [];
    take([taskChange(aTask({ task_id: "task-1", status: "failed" }), aRun({ status: "failed" }))], world);
    await vi.advanceTimersByTimeAsync(2000);
    expect(new Set(fetched)).toEqual(new Set(keys.map((key) => key.join(" "))));
  });

  it("is the size of the buses of a project where something was posted", () => {
    const watcher = new Watcher();
    watcher.look([begin, taskChange(aTask()), ready]);
    const told = taskChange(aTask());
    if (told.type !== "change") throw new Error("no change");
    const change = { ...told.change, what: "bus" as const, task: null, msg_id: "MSG-1" };
    const posted = watcher.look([{ type: "change", change }]);
    expect([posted.buses, posted.tasks.size]).toEqual([new Set(["p"]), 0]);
  });

  it("is asked for once for a burst, and once more for what comes while it is fetched", async () => {
    let finish = () => {};
    const run = vi.fn(() => new Promise<void>((done) => (finish = done)));
    const coalescer = new Coalescer(250, run);
    for (let at = 0; at < 50; at++) coalescer.ask("p");
    await vi.advanceTimersByTimeAsync(249);
    expect(run).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(run).toHaveBeenCalledTimes(1);
    for (let at = 0; at < 50; at++) coalescer.ask("p");
    await vi.advanceTimersByTimeAsync(5000);
    expect(run).toHaveBeenCalledTimes(1);
    finish();
    await vi.advanceTimersByTimeAsync(250);
    expect(run).toHaveBeenCalledTimes(2);
    finish();
    await vi.advanceTimersByTimeAsync(5000);
    expect(run).toHaveBeenCalledTimes(2);
  });
});
