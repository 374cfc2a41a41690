import { act, configure, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { live } from "../live/store";
import { emptyWorld, fileKey, taskKey } from "../live/world";
import { LogViewer } from "./LogViewer";

const OF = { project: "p", task: "task-20260101-000000-a", run: "20260101-0000000000-1-1" };
const VIEW = 400;

// Deadlines for what must happen at all, on machines that do much else.
configure({ asyncUtilTimeout: 20_000 });
vi.setConfig({ testTimeout: 60_000 });

/** Files of a run, served as the server does. */
class Files {
  readonly files = new Map<string, Uint8Array>();
  readonly asked: string[] = [];

  set(name: string, text: string): void {
    this.files.set(name, new TextEncoder().encode(text));
  }

  append(name: string, text: string): void {
    this.set(name, new TextDecoder().decode(this.files.get(name)) + text);
  }

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input));
    const name = url.searchParams.get("name") ?? "";
    const bytes = this.files.get(name);
    this.asked.push(`${name} ${new Headers(init?.headers).get("Range")}`);
    if (!bytes) {
      return new Response(`{"error":{"code":"NOT_FOUND","message":"file not found: ${name}"}}`, {
        status: 404,
      });
    }
    if (url.pathname.endsWith("/search")) {
      const text = new TextDecoder().decode(bytes).toLowerCase();
      const hits = [...text.matchAll(new RegExp(url.searchParams.get("q") ?? "", "g"))];
      const found = hits.map((hit) => ({ at: hit.index, excerpt: "around it" }));
      return Response.json({ name, hits: found, next: null, size_bytes: bytes.length });
    }
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get("Range") ?? "");
    const [from, to] = [Number(range?.[1]), Number(range?.[2])];
    if (from >= bytes.length) {
      return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${bytes.length}` } });
    }
    const part = bytes.slice(from, to + 1);
    const headers = { "Content-Range": `bytes ${from}-${from + part.length - 1}/${bytes.length}` };
    return new Response(part, { status: 206, headers });
  };
}

let files: Files;

beforeEach(() => {
  files = new Files();
  vi.stubGlobal("fetch", files.fetch);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(VIEW);
  // Nothing is laid out here: the area is as high as it says.
  vi.spyOn(HTMLElement.prototype, "scrollHeight", "get").mockImplementation(function (this: HTMLElement) {
    return Math.max(
      VIEW,
      Number.parseFloat((this.firstElementChild as HTMLElement | null)?.style.height ?? "") || 0,
    );
  });
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(VIEW);
  vi.spyOn(HTMLElement.prototype, "offsetWidth", "get").mockReturnValue(800);
  location.hash = "";
  live.setState(emptyWorld(), true);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function isRunning(): void {
  const task = { project_id: OF.project, task_id: OF.task, latest_run: OF.run, latest_status: "running" };
  live.setState({ tasks: { [taskKey(OF.project, OF.task)]: { task: task as never, run: undefined } } });
}

function grown(file: string, epoch = 0, modified?: string): void {
  const size = files.files.get(file)?.length ?? 0;
  const known = { size, epoch, ...(modified ? { modified } : {}) };
  act(() => live.setState({ grown: { ...live.getState().grown, [fileKey({ ...OF, file })]: known } }));
}

const textsOf = () => screen.queryAllByTestId("log-line").map((line) => line.textContent ?? "");
const said = (text: string) =>
  `{"type":"assistant","message":{"content":[{"type":"text","text":${JSON.stringify(text)}}]}}\n`;

describe("the log viewer", () => {
  it("shows the end of a file, and what is appended", async () => {
    files.set("stderr", Array.from({ length: 3000 }, (_, index) => `line ${index}\n`).join(""));
    render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("line 2999");
    expect(screen.queryByText("line 5")).toBeNull();
    expect(textsOf().length).toBeLessThan(100);
    expect(screen.getByTestId("log-follow")).toHaveTextContent("Following");
    files.append("stderr", "and one more\n");
    grown("stderr");
    await screen.findByText("and one more");
  });

  it("fetches nothing while nothing grows", async () => {
    files.set("stderr", "one\n");
    render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("one");
    grown("stderr");
    const count = files.asked.length;
    live.setState({ projects: { other: true } });
    await act(async () => {});
    expect(files.asked.length).toBe(count);
  });

  it("stays where it is when the reader scrolls up, and follows again on demand", async () => {
    files.set("stderr", Array.from({ length: 3000 }, (_, index) => `line ${index}\n`).join(""));
    render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("line 2999");
    const box = screen.getByTestId("log-lines");
    box.scrollTop -= 1000;
    fireEvent.scroll(box);
    await waitFor(() => expect(screen.getByTestId("log-follow")).toHaveTextContent(/^Follow$/));
    const shown = textsOf();
    files.append("stderr", "and one more\n".repeat(500));
    grown("stderr");
    await waitFor(() => expect(files.asked.at(-1)).toContain("stderr"));
    expect(textsOf()).toEqual(shown);
    fireEvent.click(screen.getByTestId("log-follow"));
    await waitFor(() => expect(textsOf().at(-1)).toBe("and one more"));
  });

  it("shows another file of the same name from its beginning", async () => {
    files.set("stderr", "old text\n".repeat(100));
    render(<LogViewer {...OF} file="stderr" />);
    await waitFor(() => expect(textsOf().length).toBeGreaterThan(5));
    grown("stderr");
    files.set("stderr", "new text\n");
    grown("stderr", 1);
    await waitFor(() => expect(textsOf()).toEqual(["new text"]));
  });

  it("renders a hostile line harmlessly", async () => {
    const hostile = `<img src=x onerror="alert(1)"><script>alert(2)</script> \u001b]0;t\u0007\u001b[2J\u202eabc ${"x".repeat(1_000_000)}`;
    files.set("stderr", `${hostile}\nafter\n`);
    const { container } = render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("after");
    expect(container.querySelector("img, script")).toBeNull();
    fireEvent.keyDown(screen.getByTestId("log-lines"), { key: "Home" });
    await screen.findByText(/<img src=x onerror="alert\(1\)">/);
    expect(screen.getByText("RLO")).toBeVisible();
    const first = screen.getAllByTestId("log-line")[0] as HTMLElement;
    expect(first.textContent?.length).toBeLessThan(3000);
    fireEvent.click(within(first).getByText(/show more/));
    await waitFor(() => expect(first.textContent?.length).toBeGreaterThan(10_000));
  });

  it("links to a place and shows the place of a link", async () => {
    files.set("stderr", Array.from({ length: 3000 }, (_, index) => `line ${index}\n`).join(""));
    const at = Array.from({ length: 700 }, (_, index) => `line ${index}\n`).join("").length;
    location.hash = `#/p/p/t/t/r/r?at=${at}`;
    render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("line 700");
    await waitFor(() => expect(screen.getByTestId("log-follow")).toHaveTextContent(/^Follow$/));
    const link = screen.getByRole("link", { name: /Link to (line 703|byte \d+)/, hidden: true });
    fireEvent.click(link);
    expect(location.hash).toMatch(/at=\d+/);
  });

  it("finds text in the whole file and goes to it", async () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`);
    lines[10] = "a needle here\n";
    files.set("stderr", lines.join(""));
    render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("line 2999");
    fireEvent.keyDown(document.body, { key: "f", ctrlKey: true });
    const field = screen.getByRole("searchbox");
    fireEvent.change(field, { target: { value: "needle" } });
    fireEvent.submit(field);
    await waitFor(() => expect(screen.getByTestId("log-hits")).toHaveTextContent("1"));
    fireEvent.submit(field);
    await screen.findByText("needle", { selector: "mark" });
    expect(screen.getByTestId("log-hits")).toHaveTextContent("1 of 1");
    fireEvent.keyDown(field, { key: "Escape" });
    expect(screen.queryByRole("searchbox")).toBeNull();
  });

  it("tells how long ago something came, and when it cannot know", async () => {
    isRunning();
    files.set("stderr", "one\n");
    render(<LogViewer {...OF} file="stderr" />);
    await screen.findByText("one");
    grown("stderr", 0, new Date(Date.now() - 45_000).toISOString());
    expect(screen.getByTestId("log-freshness")).toHaveTextContent(/Last output: 4\ds ago/);
    expect(screen.getByTestId("log-freshness")).toHaveAttribute("data-state", "stale");
    const { connection } = live.getState();
    act(() => live.setState({ connection: { ...connection, staleSince: Date.now() } }));
    expect(screen.getByTestId("log-freshness")).toHaveTextContent(/Not live since/);
  });

  it("says that there is nothing, and shows what comes", async () => {
    isRunning();
    render(<LogViewer {...OF} file="agent" />);
    await screen.findByText("No output yet");
    files.set("stdout", "plain text\n");
    grown("stdout");
    await screen.findByText("plain text");
    expect(screen.getByRole("button", { name: "stdout, raw" })).toHaveAttribute("aria-pressed", "true");
  });

  it("names the command that may say more where an ended run has nothing", async () => {
    render(<LogViewer {...OF} file="stdout" />);
    await screen.findByText(`run-agent logs ${OF.task}`);
  });

  it("says why a file cannot be read and tries again", async () => {
    let isBroken = true;
    const refused = () => new Response(`{"error":{"message":"no disk"}}`, { status: 500 });
    vi.stubGlobal("fetch", async (...asked: Parameters<typeof fetch>) =>
      isBroken ? refused() : files.fetch(...asked),
    );
    files.set("stdout", "here it is\n");
    render(<LogViewer {...OF} file="stdout" />);
    await screen.findByText("api 500: no disk");
    isBroken = false;
    fireEvent.click(screen.getByRole("button", { name: /again/i }));
    await screen.findByText("here it is");
  });

  it("knows no other files", () => {
    render(<LogViewer {...OF} file="../../secret" />);
    expect(screen.getByText("There is no such file")).toBeVisible();
    expect(files.asked).toEqual([]);
  });
});

describe("an agent's stream", () => {
  it("is shown as what was said and done, and grows", async () => {
    isRunning();
    const use = `{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls -l"}}]}}\n`;
    files.set("stdout", said("I look **around**.") + use);
    render(<LogViewer {...OF} file="agent" />);
    await screen.findByText("around", { selector: "strong" });
    const tool = screen.getByRole("button", { name: /Bash/ });
    expect(tool).toHaveAttribute("aria-expanded", "false");
    expect(within(tool).getByLabelText("running")).toBeVisible();
    files.append(
      "stdout",
      `{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"total 0"}]}}\n`,
    );
    grown("stdout");
    await waitFor(() => expect(within(tool).getByLabelText("succeeded")).toBeVisible());
    expect(screen.queryByText("total 0")).toBeNull();
    fireEvent.click(tool);
    expect(screen.getByText("total 0")).toBeVisible();
    files.append("stdout", said("Done."));
    grown("stdout");
    await screen.findByText("Done.");
  });

  it("is harmless whatever the agent writes", async () => {
    files.set(
      "stdout",
      said(`<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3))`),
    );
    const { container } = render(<LogViewer {...OF} file="agent" />);
    await screen.findByTestId("log-item-text");
    expect(container.querySelector("script, img, [href^='javascript']")).toBeNull();
  });

  it("can be looked at as it is", async () => {
    files.set("stdout", said("hello"));
    render(<LogViewer {...OF} file="agent" />);
    await screen.findByText("hello");
    fireEvent.click(screen.getByRole("button", { name: "stdout, raw" }));
    expect(location.hash).toContain("file=stdout");
  });

  it("tells how many things went wrong", async () => {
    files.set(
      "stdout",
      `{"type":"error","message":"lost"}\n{"type":"turn.failed","error":{"message":"no"}}\n`,
    );
    render(<LogViewer {...OF} file="agent" />);
    expect(await screen.findByRole("button", { name: "2 errors" })).toBeVisible();
  });
});
