import { useEffect } from "react";
import { create } from "zustand";
import { live, useLive } from "../live/store";
import { type TaskState, taskKey } from "../live/world";
import { endingOf } from "./perform";
import { tell, tellNeutral } from "./tell";

/** What somebody here has asked to be ended, and has not ended yet as far as the server says. */
interface Underway {
  /** By the key of the task: since when. */
  ending: Record<string, number>;
  begin: (key: string) => void;
  end: (key: string) => void;
}

const useUnderway = create<Underway>()((set) => ({
  ending: {},
  begin: (key) => set(({ ending }) => ({ ending: { ...ending, [key]: Date.now() } })),
  end: (key) =>
    set(({ ending }) => {
      const { [key]: _, ...rest } = ending;
      return { ending: rest };
    }),
}));

/** Remembers that a task is being ended, until the live connection says that it has. */
export function beginEnding(project: string, task: string): void {
  useUnderway.getState().begin(taskKey(project, task));
}

/** Tells whether a task is being ended on the wish of somebody here. */
export function useIsEnding(project: string, task: string): boolean {
  return useUnderway(({ ending }) => taskKey(project, task) in ending);
}

/** How long a stop may take before it is said that it still goes on. */
const PATIENCE = 45_000;

/** Tells how what was stopped has ended; the shell does, whatever is shown in it. */
export function useEndings(): void {
  const ending = useUnderway((state) => state.ending);
  const keys = Object.keys(ending).sort().join("\n");
  // Only tasks that are being ended are looked at, so other changes draw nothing.
  const ended = useLive((world) =>
    keys === ""
      ? ""
      : keys
          .split("\n")
          .filter((key) => hasEnded(world.tasks[key]))
          .join("\n"),
  );
  useEffect(() => {
    for (const key of ended.split("\n").filter(Boolean)) settle(key);
  }, [ended]);
  useEffect(() => {
    if (keys === "") return;
    const timer = setTimeout(() => {
      for (const key of keys.split("\n")) {
        useUnderway.getState().end(key);
        tellNeutral(
          `${key.split("/")[1] ?? key} has not ended yet`,
          "Its processes are shown under Processes.",
        );
      }
    }, PATIENCE);
    return () => clearTimeout(timer);
  }, [keys]);
}

function hasEnded(state: TaskState | undefined): boolean {
  return state === undefined || !(state.task.active || state.task.status === "running");
}

function settle(key: string): void {
  if (!(key in useUnderway.getState().ending)) return;
  useUnderway.getState().end(key);
  const state = live.getState().tasks[key];
  if (!state) return;
  const outcome = endingOf(
    state.task.task_id,
    state.task.status,
    state.run?.exit_code ?? state.task.exit_code,
  );
  tell(outcome.text, outcome.more);
}
