import type { Schemas } from "../api/client";

export type TaskRow = Schemas["TaskRow"];
export type RunRow = Schemas["RunRow"];

/** Something below the root is another than before; it says what it is now. */
export interface Change {
  what: "task" | "task_gone" | "project" | "project_gone" | "bus" | "reset";
  version: number;
  project_id: string | null;
  task_id: string | null;
  task: TaskRow | null;
  run: RunRow | null;
  msg_id: string | null;
}

/** A file that grows: `PROJECT/TASK/RUN/FILE`, as `?follow=` takes it. */
export type FileKey = string;

/** What is known of a followed file. */
export interface Grown {
  size: number;
  /** Grows when the file became another one: what was read of it no longer counts. */
  epoch: number;
  /** Which file it is, as the server says. */
  identity?: string;
  /** When it was written last, as the server says. */
  modified?: string;
}

export interface TaskState {
  task: TaskRow;
  /** The run that counts, once a change has told it. */
  run: RunRow | undefined;
}

/** How it stands with the connection. */
export interface Connection {
  phase: "connecting" | "live" | "waiting" | "refused" | "unauthorised";
  /** Everything was told at least once, so what is missing is not there. */
  complete: boolean;
  /** Since when it is not live, in milliseconds of the clock; what is shown is that old. */
  staleSince: number | undefined;
  /** When it is tried again. */
  retryAt: number | undefined;
  /** What went wrong last. */
  error: string | undefined;
  /** Grows whenever changes may have been missed: ask for everything again. */
  resets: number;
}

/** All that the stream has told. Tasks have the key `PROJECT/TASK`, buses `PROJECT` or `PROJECT/TASK`. */
export interface World {
  connection: Connection;
  projects: Record<string, true>;
  tasks: Record<string, TaskState>;
  /** The newest message of each bus, as far as one was told. */
  newest: Record<string, string>;
  grown: Record<FileKey, Grown>;
}

export const emptyWorld = (): World => ({
  connection: {
    phase: "connecting",
    complete: false,
    staleSince: undefined,
    retryAt: undefined,
    error: undefined,
    resets: 0,
  },
  projects: {},
  tasks: {},
  newest: {},
  grown: {},
});

export const taskKey = (project: string, task: string): string => `${project}/${task}`;
export const busKey = (project: string, task?: string): string => (task ? `${project}/${task}` : project);
export const fileKey = (of: { project: string; task: string; run: string; file: string }): FileKey =>
  [of.project, of.task, of.run, of.file].map(encodeURIComponent).join("/");
