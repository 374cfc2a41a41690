/** What the pictures ask the server. Keys say what an answer hangs on; see `api/queries.ts`. */

import { useQueries, useQuery } from "@tanstack/react-query";
import { api, got, type Schemas } from "../api/client";
import { conditional } from "../api/queries";

/** Everything about a task: its runs, and where it stands. */
export const useTaskShown = (project: string, task: string) =>
  useQuery({
    queryKey: ["task", project, task, "pictures", "shown"],
    queryFn: ({ signal }) => {
      const path = { project_id: project, task_id: task };
      return got(api.GET("/api/v1/core/projects/{project_id}/tasks/{task_id}", { params: { path }, signal }));
    },
  });

/** What the gates of a task found. */
export const useTaskEvidence = (project: string, task: string) =>
  useQuery({
    queryKey: ["task", project, task, "pictures", "evidence"],
    queryFn: ({ signal }) => {
      const path = { project_id: project, task_id: task };
      return got(
        api.GET("/api/projects/{project_id}/tasks/{task_id}/evidence", { params: { path }, signal }),
      );
    },
  });

/** The runs of several tasks, in their order; a task whose runs are not there yet has none. */
export const useRunsOf = (tasks: readonly { project: string; task: string }[]) =>
  useQueries({
    queries: tasks.map(({ project, task }) => ({
      queryKey: ["task", project, task, "runs"],
      queryFn: ({ signal }: { signal: AbortSignal }) => {
        const path = { project_id: project, task_id: task };
        return got(
          api.GET("/api/v1/core/projects/{project_id}/tasks/{task_id}/runs", { params: { path }, signal }),
        );
      },
    })),
    combine: (answers) => answers.map((answer) => answer.data?.runs ?? NONE),
  });

const NONE: Schemas["RunRow"][] = [];

/** What a task used in all, by agent. */
export const useTaskUsage = (project: string, task: string) =>
  useQuery({
    queryKey: ["task", project, task, "pictures", "usage"],
    queryFn: ({ signal }) =>
      got(
        api.GET("/api/v1/usage", {
          params: { query: { project_id: project, task_id: task, by: "agent" } },
          signal,
        }),
      ),
  });

export interface TrendWish {
  project?: string | undefined;
  by: string;
  bucket: string;
  days: number;
  timeZone: string;
}

/** What was used along time. */
export const useTrend = (wish: TrendWish) =>
  useQuery({
    queryKey: [
      ...(wish.project ? ["project", wish.project] : ["root"]),
      "usage",
      wish.by,
      wish.bucket,
      wish.days,
      wish.timeZone,
    ],
    queryFn: ({ signal }) => {
      const query = new URLSearchParams({
        by: wish.by,
        bucket: wish.bucket,
        days: String(wish.days),
        time_zone: wish.timeZone,
        ...(wish.project && { project_id: wish.project }),
      });
      return conditional<Schemas["UsageTrend"]>(`api/v1/usage/trend?${query}`, signal);
    },
    // What is shown stays until another stretch of time is there.
    placeholderData: (before) => before,
  });

/** What is known of the limits of agents. */
export const useLimits = () =>
  useQuery({
    queryKey: ["root", "limits"],
    queryFn: ({ signal }) => got(api.GET("/api/v1/limits", { signal })),
  });

/** The processes of tasks. */
export const useProcesses = (project: string | undefined) =>
  useQuery({
    queryKey: ["root", "ps", project],
    queryFn: ({ signal }) =>
      got(api.GET("/api/v1/ps", { params: { query: project ? { project_id: project } : {} }, signal })),
  });
