import { useQuery } from "@tanstack/react-query";
import { api, base, got, Problem, request, type Schemas } from "../api/client";

/** A file of a run, or of the task where there is no run. */
export interface FileOf {
  project: string;
  task: string;
  run?: string | undefined;
  name: string;
}

/** More than this is shown by the viewer of logs, which reads what is seen. */
export const SMALL = 512 * 1024;

const part = encodeURIComponent;

/** Returns where the bytes of a file are. */
export function rawPath(file: FileOf): string {
  const task = `api/projects/${part(file.project)}/tasks/${part(file.task)}`;
  const run = file.run === undefined ? "" : `/runs/${part(file.run)}`;
  return `${task}${run}/file/raw?name=${part(file.name)}`;
}

/** The address of a file's bytes, to be downloaded. */
export function rawUrl(file: FileOf): string {
  return new URL(rawPath(file), base).href;
}

/** Returns the name under which a file is saved. */
export function downloadName(file: FileOf): string {
  const name = file.name.includes(".") ? file.name : `${file.name}.txt`;
  return `${file.run ?? file.task}-${name}`;
}

export type Content = Schemas["FileContent"];

/** The beginning of a file as text; `null` where there is none. `version` changes when the file may have. */
export const useContent = (file: FileOf | undefined, version: unknown) =>
  useQuery({
    queryKey: ["content", file?.project, file?.task, "file", file?.run, file?.name, version],
    enabled: file !== undefined,
    placeholderData: (previous: Content | null | undefined, query) =>
      query?.queryKey[4] === file?.run && query?.queryKey[5] === file?.name ? previous : undefined,
    queryFn: async ({ signal }): Promise<Content | null> => {
      if (!file) return null;
      const path = rawPath(file).replace("/file/raw?", "/file?");
      try {
        const response = await request(`${path}&offset=0&limit=${SMALL}`, { signal, cache: "no-store" });
        return (await response.json()) as Content;
      } catch (error) {
        if (Problem.of(error).status === 404) return null;
        throw error;
      }
    },
  });

/** What the gates found of a task's claims. */
export const useEvidence = (project: string, task: string) =>
  useQuery({
    queryKey: ["task", project, task, "evidence"],
    queryFn: ({ signal }) => {
      const path = { project_id: project, task_id: task };
      return got(
        api.GET("/api/projects/{project_id}/tasks/{task_id}/evidence", { params: { path }, signal }),
      );
    },
  });
