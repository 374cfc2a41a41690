import { useRef, useState } from "react";
import { randomText } from "../act/ids";
import { Problem, request, type Schemas } from "../api/client";

export interface Bus {
  project: string;
  /** Without it, the bus of the project. */
  task?: string | undefined;
}

export type PostBody = Partial<Schemas["Post"]> & { body: string };

/** Returns where the messages of a bus are read and posted. */
export function pathOf({ project, task }: Bus): string {
  const ofProject = `api/projects/${encodeURIComponent(project)}`;
  return `${ofProject}${task === undefined ? "" : `/tasks/${encodeURIComponent(task)}`}/messages`;
}

/** Posts messages. What failed and is sent again unchanged has the same key, so it is posted once. */
export function usePost(bus: Bus): {
  post: (body: PostBody) => Promise<string | undefined>;
  isPosting: boolean;
  error: Problem | undefined;
  forget: () => void;
} {
  const [isPosting, setPosting] = useState(false);
  const [error, setError] = useState<Problem>();
  const failed = useRef<{ text: string; key: string }>(undefined);
  const post = async (body: PostBody) => {
    const text = JSON.stringify(body);
    const key = failed.current?.text === text ? failed.current.key : `ui-${randomText(26)}`;
    failed.current = { text, key };
    setPosting(true);
    setError(undefined);
    try {
      const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
      const response = await request(pathOf(bus), { method: "POST", headers, body: text });
      failed.current = undefined;
      return ((await response.json()) as Schemas["Posted"]).msg_id;
    } catch (error) {
      setError(Problem.of(error));
      return undefined;
    } finally {
      setPosting(false);
    }
  };
  return { post, isPosting, error, forget: () => setError(undefined) };
}
