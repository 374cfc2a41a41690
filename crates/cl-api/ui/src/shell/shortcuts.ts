import { useEffect } from "react";
import { go, parse } from "../route/route";
import { openDialog } from "./dialogs";

/** A key and what it does. */
export interface Shortcut {
  /** As shown. */
  keys: string[];
  text: string;
  /** What it does; shortcuts of a single view do it themselves. */
  run?: () => void;
}

export const TABS = ["overview", "log", "output", "prompt", "messages", "gates", "files", "usage"] as const;
export type Tab = (typeof TABS)[number];

const focus = (what: string) => document.querySelector<HTMLElement>(`[data-shortcut="${what}"]`)?.focus();

/** All shortcuts, by where they work. */
export const SHORTCUTS: { title: string; shortcuts: Shortcut[] }[] = [
  {
    title: "Everywhere",
    shortcuts: [
      { keys: ["Ctrl K"], text: "Find a task, a project or a command", run: () => openDialog("palette") },
      { keys: ["c"], text: "New task", run: () => openDialog("new-task") },
      { keys: ["/"], text: "Filter the tasks", run: () => focus("filter") },
      { keys: ["t"], text: "Go to the tree", run: () => focus("tree") },
      { keys: ["g"], text: "All projects", run: () => go({ project: undefined }) },
      { keys: ["u"], text: "Up: from the run to its task, to its project", run: up },
      { keys: ["?"], text: "Show these shortcuts", run: () => openDialog("shortcuts") },
      { keys: [","], text: "Settings", run: () => openDialog("settings") },
      { keys: ["Esc"], text: "Close what is open, clear the filter" },
    ],
  },
  {
    title: "In a task",
    shortcuts: TABS.map((tab, at) => ({
      keys: [String(at + 1)],
      text: `Tab “${tab}”`,
      run: () => {
        if (parse(location.hash).task !== undefined) go({ tab: tab === "overview" ? undefined : tab });
      },
    })),
  },
  {
    title: "In the tree",
    shortcuts: [
      { keys: ["↑", "↓"], text: "Previous or next row" },
      { keys: ["→"], text: "Open, or go to the first row below" },
      { keys: ["←"], text: "Close, or go to the row above" },
      { keys: ["Enter"], text: "Select" },
      { keys: ["Home", "End"], text: "First or last row" },
    ],
  },
];

function up(): void {
  const { run, task, project } = parse(location.hash);
  if (run !== undefined) go({ run: undefined });
  else if (task !== undefined) go({ task: undefined });
  else if (project !== undefined) go({ project: undefined });
}

/** The shortcut that an event asks for; none where somebody writes. */
export function shortcutOf(event: {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  target: EventTarget | null;
}): Shortcut | undefined {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return SHORTCUTS[0]?.shortcuts[0];
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const target = event.target instanceof Element ? event.target : undefined;
  if (target?.closest("input, textarea, select, [contenteditable='true'], [role='dialog'], [role='menu']"))
    return undefined;
  return SHORTCUTS.flatMap((group) => group.shortcuts).find(
    (shortcut) => shortcut.run && shortcut.keys.includes(event.key),
  );
}

/** Listens to the shortcuts of the page. */
export function useShortcuts(): void {
  useEffect(() => {
    const heard = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      const shortcut = shortcutOf(event);
      if (!shortcut?.run) return;
      event.preventDefault();
      shortcut.run();
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  }, []);
}
