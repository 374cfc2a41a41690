import { QueryClient, useQuery } from "@tanstack/react-query";
import { api, got, Problem, request, type Schemas } from "./client";

/**
 * All answers that are shown. They are never asked for again by time: the one connection says
 * when something has changed, and `live/refresh.ts` has what hangs on it fetched again.
 *
 * Keys begin with what they hang on: `["task", project, task, …]`, `["project", project, …]`,
 * `["root", …]`; `["fixed", …]` never changes.
 */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (count, error) => count < 1 && Problem.of(error).isPassing,
      // What is shown stays while its successor is fetched; offline it fails at once and says so.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

const etags = new Map<string, { etag: string; data: unknown }>();
const MOST_ETAGS = 64;

/** Fetches JSON, and asks with the `ETag` of what is known; the same object comes back if it is the same. */
export async function conditional<T>(path: string, signal?: AbortSignal): Promise<T> {
  const known = etags.get(path);
  const response = await request(path, {
    ...(signal && { signal }),
    cache: "no-store",
    headers: known ? { "If-None-Match": known.etag } : {},
  });
  if (response.status === 304 && known) return known.data as T;
  const data = (await response.json()) as T;
  const etag = response.headers.get("etag");
  etags.delete(path);
  if (etag) {
    etags.set(path, { etag, data });
    if (etags.size > MOST_ETAGS) etags.delete(etags.keys().next().value ?? "");
  }
  return data;
}

const part = encodeURIComponent;

export const useProjects = () =>
  useQuery({
    queryKey: ["root", "projects"],
    queryFn: async ({ signal }) => (await conditional<Schemas["Projects"]>("api/projects", signal)).projects,
  });

export const useStatus = () =>
  useQuery({
    queryKey: ["root", "status"],
    queryFn: ({ signal }) => got(api.GET("/api/v1/status", { signal })),
  });

export const useTree = (project: string | undefined, task?: string) =>
  useQuery({
    queryKey: ["tree", project],
    enabled: project !== undefined,
    queryFn: ({ signal }) => {
      const asked = task ? `?task_id=${part(task)}` : "";
      return conditional<Schemas["Tree"]>(`api/projects/${part(project ?? "")}/tree${asked}`, signal);
    },
  });

/** The runs of a task, the oldest first. */
export const useRuns = (project: string | undefined, task: string | undefined) =>
  useQuery({
    queryKey: ["task", project, task, "runs"],
    enabled: project !== undefined && task !== undefined,
    queryFn: async ({ signal }) => {
      const path = { project_id: project ?? "", task_id: task ?? "" };
      return got(
        api.GET("/api/v1/core/projects/{project_id}/tasks/{task_id}/runs", { params: { path }, signal }),
      );
    },
  });

/** A task with its runs and their files. */
export const useTaskDetail = (project: string | undefined, task: string | undefined) =>
  useQuery({
    queryKey: ["task", project, task, "detail"],
    enabled: project !== undefined && task !== undefined,
    queryFn: async ({ signal }) => {
      const path = { project_id: project ?? "", task_id: task ?? "" };
      return got(api.GET("/api/projects/{project_id}/tasks/{task_id}", { params: { path }, signal }));
    },
  });

export const useProjectStats = (project: string) =>
  useQuery({
    queryKey: ["project", project, "stats"],
    queryFn: ({ signal }) => {
      const path = { project_id: project };
      return got(api.GET("/api/projects/{project_id}/stats", { params: { path }, signal }));
    },
  });
