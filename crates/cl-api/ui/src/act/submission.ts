/**
 * What becomes of a submission: idle → submitting → success or error, and again.
 *
 * An error is *open* if the server may have accepted what was sent: it was never heard, or failed
 * half-way. Then the same request is sent again with the same key, and the task's id stays, so that
 * there is one task however it ends. A refusal is final: nothing was accepted.
 */

import type { Sent } from "./draft";

/** What went wrong, as it is shown. */
export interface Trouble {
  message: string;
  hint?: string | undefined;
  request_id?: string | undefined;
  field?: string | undefined;
  /** The HTTP status; none, or 0, if there was no answer. */
  status?: number | undefined;
}

export type Submission =
  | { state: "idle" }
  | { state: "submitting"; sent: Sent }
  | { state: "success"; task_id: string; queue_position?: number | undefined }
  | { state: "error"; trouble: Trouble; sent?: Sent | undefined };

export type Happening =
  | { type: "submit"; sent: Sent }
  | { type: "retry" }
  | { type: "accepted"; task_id: string; queue_position?: number | undefined }
  | { type: "failed"; trouble: Trouble }
  | { type: "edited" }
  | { type: "found"; sent: Sent }
  | { type: "discarded" };

export const IDLE: Submission = { state: "idle" };

const INTERRUPTED: Trouble = {
  message: "It was sent, and the page was closed before the server answered",
  hint: "Retry sends the same request again; there will be one task, whether or not it arrived",
};

/** Returns the state that follows. What does not fit the present state changes nothing. */
export function next(now: Submission, happened: Happening): Submission {
  switch (happened.type) {
    case "submit":
      return now.state === "idle" || now.state === "error"
        ? { state: "submitting", sent: happened.sent }
        : now;
    case "retry":
      return now.state === "error" && now.sent ? { state: "submitting", sent: now.sent } : now;
    case "accepted":
      if (now.state !== "submitting") return now;
      return { state: "success", task_id: happened.task_id, queue_position: happened.queue_position };
    case "failed":
      if (now.state !== "submitting") return now;
      return {
        state: "error",
        trouble: happened.trouble,
        sent: isOpen(happened.trouble) ? now.sent : undefined,
      };
    case "edited":
      // What may have arrived is not forgotten because a field was touched.
      return now.state === "error" && !now.sent ? IDLE : now;
    case "discarded":
      return now.state === "submitting" ? now : IDLE;
    case "found":
      return now.state === "idle" ? { state: "error", trouble: INTERRUPTED, sent: happened.sent } : now;
  }
}

/** Tells whether the server may have accepted what was sent. */
export function isOpen(trouble: Trouble): boolean {
  const status = trouble.status;
  if (status === undefined || status === 0) return true;
  // 401 and 403 come before anything is done; 429 and 503 may come from anything in between.
  return status >= 500 || status === 408 || status === 429;
}

/** Returns the id of the task that was asked for, so that it stays while that is open. */
export function idSent(sent: Sent | undefined): string | undefined {
  if (!sent) return undefined;
  try {
    const body: unknown = JSON.parse(sent.body);
    const id = (body as { task_id?: unknown }).task_id;
    return typeof id === "string" ? id : undefined;
  } catch {
    return undefined;
  }
}
