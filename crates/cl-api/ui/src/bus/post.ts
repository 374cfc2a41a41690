import { useState } from "react";
import { Problem, request, type Schemas } from "../api/client";
import { forgetKey, keyToSend } from "./written";

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
  const post = async (body: PostBody) => {
    const text = JSON.stringify(body);
    const path = pathOf(bus);
    const key = keyToSend(path, text);
    setPosting(true);
    setError(undefined);
    try {
      const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
      const response = await request(path, { method: "POST", headers, body: text });
      forgetKey(path, key);
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
