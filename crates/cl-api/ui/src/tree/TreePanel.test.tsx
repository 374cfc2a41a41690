import { QueryClientProvider } from "@tanstack/react-query";
import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { Profiler } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Schemas } from "../api/client";
import { queries } from "../api/queries";
import { apply } from "../live/apply";
import { live } from "../live/store";
import { emptyWorld } from "../live/world";
import { aTask, taskChange } from "../test/samples";
import { TreePanel } from "./TreePanel";

type Tree = Schemas["Tree"];

/** A tree of tasks without anything below them; `run` marks one that has two runs below it. */
function treeOf(...tasks: string[]): Tree {
  const rows = tasks.flatMap((line) => {
    const [id = "", status = "running", more] = line.split(" ");
    const common = { level: 0, parent: null, below: 0, active_below: false, label: id, place: "root" };
    const task = {
      ...common,
      kind: "task",
      key: id,
      task_id: id,
      status,
      active: status === "running",
      agent: "claude",
      restarts: 0,
      runs: 1,
      blocked_by: [],
      problems: [],
      below: more === "run" ? 1 : 0,
    };
    const run = {
      ...common,
      kind: "run",
      key: `${id}-r`,
      run_id: `${id}-r`,
      task_id: id,
      level: 1,
      label: "r",
      status,
    };
    return more === "run" ? [task, run] : [task];
  });
  const counts = {
    tasks: tasks.length,
    root_tasks: 0,
    active: 0,
    queued: 0,
    blocked: 0,
    completed: 0,
    failed: 0,
    runs: 0,
  };
  return {
    project_id: "p",
    status: "running",
    counts,
    rows,
    truncated: false,
    problems: [],
  } as unknown as Tree;
}

const show = (tree: Tree) => act(() => void queries.setQueryData(["tree", "p"], tree));
const items = () => screen.queryAllByRole("treeitem").map((item) => item.dataset.key);

beforeEach(() => {
  // There is no layout here: the list has a height all the same.
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(600);
  vi.spyOn(HTMLElement.prototype, "offsetWidth", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(600);
  location.hash = "#/p/p";
  live.setState(emptyWorld(), true);
  queries.clear();
  queries.setQueryData(["root", "projects"], []);
});
afterEach(() => vi.useRealTimers());

function draw(tree: Tree, onRender = () => {}) {
  queries.setQueryData(["tree", "p"], tree);
  return render(
    <QueryClientProvider client={queries}>
      <Profiler id="tree" onRender={onRender}>
        <TreePanel project="p" />
      </Profiler>
    </QueryClientProvider>,
  );
}

describe("the tree panel", () => {
  it("is a tree that keys move in: down, up, open, close, select", () => {
    draw(treeOf("a", "b failed run", "c"));
    // The ended one stands below the others, in the section.
    const tree = screen.getByRole("tree");
    const active = () =>
      document.getElementById(tree.getAttribute("aria-activedescendant") ?? "")?.dataset.key;
    const press = (key: string) => fireEvent.keyDown(tree, { key });
    press("ArrowDown");
    expect(active()).toBe("a");
    press("ArrowDown");
    expect(active()).toBe("c");
    press("ArrowDown");
    expect(active()).toBe("…section");
    press("ArrowRight");
    expect(items()).toEqual(["a", "c", "…section", "b"]);
    press("End");
    press("ArrowRight");
    expect(items()).toEqual(["a", "c", "…section", "b", "b-r"]);
    press("ArrowDown");
    expect(active()).toBe("b-r");
    press("ArrowLeft");
    expect(active()).toBe("b");
    press("ArrowLeft");
    expect(items()).not.toContain("b-r");
    press("Enter");
    expect(location.hash).toBe("#/p/p/t/b");
    expect(screen.getByRole("treeitem", { selected: true }).dataset.key).toBe("b");
  });

  it("selects by a click on a row, and only opens by one on its toggle", () => {
    draw(treeOf("a running run"));
    const row = screen.getAllByRole("treeitem")[0] as HTMLElement;
    expect(row).toHaveAttribute("aria-expanded", "true");
    fireEvent.click(within(row).getByTestId("tree-toggle"));
    expect(row).toHaveAttribute("aria-expanded", "false");
    expect(location.hash).toBe("#/p/p");
    fireEvent.click(row);
    expect(location.hash).toBe("#/p/p/t/a");
  });

  it("keeps every row where it is while somebody points at one, and catches up when he leaves", () => {
    vi.useFakeTimers();
    draw(treeOf("a", "b", "c"));
    const row = screen.getAllByRole("treeitem")[1] as HTMLElement;
    fireEvent.pointerMove(row);
    show(treeOf("c", "x", "b", "a"));
    act(() => void vi.advanceTimersByTime(30_000));
    expect(items()).toEqual(["a", "b", "c"]);
    fireEvent.pointerLeave(screen.getByRole("tree"));
    expect(items()).toEqual(["c", "x", "b", "a"]);
  });

  it("shows what comes below while somebody rests, because nothing moves below the pointer", () => {
    vi.useFakeTimers();
    draw(treeOf("a", "b"));
    fireEvent.pointerMove(screen.getAllByRole("treeitem")[1] as HTMLElement);
    show(treeOf("a", "b", "c"));
    act(() => void vi.advanceTimersByTime(500));
    expect(items()).toEqual(["a", "b"]);
    act(() => void vi.advanceTimersByTime(2000));
    expect(items()).toEqual(["a", "b", "c"]);
  });

  it("shows at once what somebody has chosen, whatever is held", () => {
    vi.useFakeTimers();
    draw(treeOf("a", "b"));
    fireEvent.pointerMove(screen.getAllByRole("treeitem")[1] as HTMLElement);
    show(treeOf("new", "a", "b"));
    act(() => {
      history.replaceState(null, "", "#/p/p/t/new");
      dispatchEvent(new PopStateEvent("popstate"));
    });
    expect(items()).toEqual(["new", "a", "b"]);
  });

  it("shows what a task is now in its place, and draws nothing for what is no news", async () => {
    const drawn = vi.fn();
    draw(treeOf("a", "b"), drawn);
    const tell = (task: ReturnType<typeof aTask>) =>
      act(() => live.setState((world) => apply(world, [taskChange(task)], { current: undefined }), true));
    tell(aTask({ task_id: "a" }));
    const before = drawn.mock.calls.length;
    for (let at = 0; at < 50; at++) tell(aTask({ task_id: "a" }));
    expect(drawn.mock.calls.length).toBe(before);
    tell(aTask({ task_id: "a", status: "failed" }));
    await waitFor(() =>
      expect(within(screen.getAllByRole("treeitem")[0] as HTMLElement).getByRole("img")).toHaveAccessibleName(
        "failed",
      ),
    );
    expect(items()).toEqual(["a", "b"]);
  });

  it("filters by text and says so when nothing matches", () => {
    draw(treeOf("docs", "upload"));
    fireEvent.change(screen.getByRole("searchbox", { name: "Filter tasks" }), { target: { value: "load" } });
    expect(items()).toEqual(["upload"]);
    fireEvent.change(screen.getByRole("searchbox", { name: "Filter tasks" }), { target: { value: "zzz" } });
    expect(screen.getByText("No task matches")).toBeVisible();
    fireEvent.click(screen.getByRole("button", { name: "Clear the filter" }));
    expect(items()).toEqual(["docs", "upload"]);
  });

  it("says which command makes a first task, and how many files could not be read", () => {
    const { unmount } = draw(treeOf());
    expect(screen.getByText(/run-agent task --project p/)).toBeVisible();
    unmount();
    draw({ ...treeOf("a"), problems: ["p/x/TASK.md: not UTF-8"] });
    expect(screen.getByText("1 file could not be read")).toHaveAttribute("href", "#/p/p?tab=problems");
  });
});
