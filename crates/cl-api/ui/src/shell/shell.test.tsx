import { fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { live } from "../live/store";
import { emptyWorld, type TaskState } from "../live/world";
import { aTask } from "../test/samples";
import { Banner } from "./Banner";
import { mixes, mixOf } from "./counts";
import { changeSettings, getSettings } from "./settings";
import { shortcutOf } from "./shortcuts";

const connection = (of: object) => live.setState({ connection: { ...emptyWorld().connection, ...of } });

beforeEach(() => live.setState(emptyWorld(), true));

describe("the offline banner", () => {
  it("says since when what is shown is old and when it is tried again", () => {
    const now = Date.now();
    connection({
      phase: "waiting",
      staleSince: now - 90_000,
      retryAt: now + 8_000,
      error: "the server cannot be reached",
    });
    render(<Banner />);
    expect(screen.getByTestId("offline")).toHaveTextContent(
      /cannot be reached\. What you see is of \d\d:\d\d:\d\d \(1m ago\)/,
    );
    expect(screen.getByTestId("offline")).toHaveTextContent(/Next try in \d+s/);
    expect(screen.getByRole("button", { name: "Try now" })).toBeEnabled();
  });

  it("is not there while all is well, nor for a blink", () => {
    connection({ phase: "live", complete: true });
    const { rerender } = render(<Banner />);
    expect(screen.queryByTestId("offline")).toBeNull();
    connection({ phase: "waiting", staleSince: Date.now() });
    rerender(<Banner />);
    expect(screen.queryByTestId("offline")).toBeNull();
  });
});

describe("shortcuts", () => {
  const press = (key: string, target: Element = document.body, ctrlKey = false) =>
    shortcutOf({ key, target, ctrlKey, metaKey: false, altKey: false })?.text;

  it("do what they say", () => {
    expect(press("k", document.body, true)).toMatch(/^Find/);
    expect(press("c")).toBe("New task");
    expect(press("2")).toBe("Tab “log”");
    expect(press("x")).toBeUndefined();
    expect(press("c", document.body, true)).toBeUndefined();
  });

  it("let people write, except for the one that finds", () => {
    render(<textarea aria-label="text" />);
    const area = screen.getByRole("textbox");
    expect(press("c", area)).toBeUndefined();
    expect(press("k", area, true)).toMatch(/^Find/);
    fireEvent.keyDown(area, { key: "c" });
  });
});

describe("counts", () => {
  const state = (of: object): TaskState => ({ task: aTask(of), run: undefined });
  const tasks = {
    "p/a": state({ status: "completed" }),
    "p/b": state({ status: "running" }),
    "p/c": state({ status: "running" }),
    "q/d": state({ project_id: "q", status: "failed" }),
  };

  it("are those of the project, what runs first", () => {
    expect(mixOf(tasks, "p")).toEqual({
      total: 3,
      parts: [
        { status: "running", count: 2 },
        { status: "completed", count: 1 },
      ],
    });
    expect(mixOf(tasks).total).toBe(4);
    expect(mixes(tasks).get("q")).toEqual({ total: 1, parts: [{ status: "failed", count: 1 }] });
  });
});

describe("settings", () => {
  it("are kept in this browser, and show at once", () => {
    vi.spyOn(Storage.prototype, "setItem");
    changeSettings({ theme: "dark" });
    expect(document.documentElement.dataset.theme).toBe("dark");
    expect(getSettings().theme).toBe("dark");
    expect(localStorage.getItem("conductor.settings")).toContain('"dark"');
    changeSettings({ theme: "light" });
    expect(document.documentElement.dataset.theme).toBe("light");
  });
});
