import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { Problem, request } from "../api/client";
import { type Draft, draftKey, loadDraft, removeDraft, type Sent, saveDraft } from "./draft";
import { randomText, stamp } from "./ids";
import { IDLE, next, type Submission, type Trouble } from "./submission";
import {
  type Answering,
  emptyForm,
  isWorthKeeping,
  requestOf,
  type TaskForm,
  type TaskRequest,
} from "./taskForm";

export interface TaskDraft {
  /** A draft was found: it is restored or thrown away before anything else. */
  found: Draft | undefined;
  restore: () => void;
  discard: () => void;
  form: TaskForm;
  change: (change: Partial<TaskForm>) => void;
  submission: Submission;
  submit: () => void;
  retry: () => void;
  /** Somebody has put work into the form. */
  isWorthKeeping: boolean;
  /** False where the browser does not keep it. */
  isSaved: boolean;
}

export interface Beginning {
  agent: string;
  cwd: string;
  prompt?: string;
}

/** The form of a new task with its draft and its submission; lives as long as its dialog is open. */
export function useTaskDraft(
  project: string,
  answering: Answering | undefined,
  beginning: Beginning,
): TaskDraft {
  const key = draftKey(project, answering);
  const [fresh] = useState(() => begun(beginning));
  const pristine = useRef(fresh);
  const id = useRef(randomText(12));
  const [form, setForm] = useState(fresh);
  const [found, setFound] = useState<Draft | undefined>(() => loadDraft(localStorage, key));
  const [isSaved, setSaved] = useState(true);
  const [submission, happen] = useReducer(next, IDLE);
  const flying = useRef<AbortController>(undefined);
  useEffect(() => () => flying.current?.abort(), []);

  const keep = useCallback(
    (form: TaskForm, sent: Sent | undefined) => {
      const draft: Draft = { version: 1, id: id.current, saved_at: Date.now(), form };
      if (answering) draft.answering = answering;
      if (sent) draft.sent = sent;
      setSaved(saveDraft(localStorage, key, draft));
    },
    [answering, key],
  );

  const change = (change: Partial<TaskForm>) => {
    const changed = { ...form, ...change };
    setForm(changed);
    happen({ type: "edited" });
    const open = submission.state === "error" ? submission.sent : undefined;
    if (open || isWorthKeeping(changed, pristine.current)) keep(changed, open);
    else removeDraft(localStorage, key, id.current);
  };

  const send = async (sent: Sent) => {
    // Written down before it is sent: whoever comes back after a crash sends the same again.
    keep(form, sent);
    flying.current?.abort();
    const flight = new AbortController();
    flying.current = flight;
    try {
      const answer = await created(sent, flight.signal);
      removeDraft(localStorage, key, id.current);
      happen({
        type: "accepted",
        task_id: answer.task_id,
        queue_position: answer.queue_position ?? undefined,
      });
    } catch (error) {
      if (flight.signal.aborted) return;
      const failed = { type: "failed", trouble: troubleOf(error) } as const;
      const then = next({ state: "submitting", sent }, failed);
      keep(form, then.state === "error" ? then.sent : undefined);
      happen(failed);
    }
  };

  return {
    found,
    form,
    change,
    submission,
    isSaved,
    isWorthKeeping: isWorthKeeping(form, pristine.current),
    restore: () => {
      if (!found) return;
      id.current = found.id;
      setForm(found.form);
      if (found.sent) happen({ type: "found", sent: found.sent });
      setFound(undefined);
    },
    discard: () => {
      removeDraft(localStorage, key, found?.id ?? id.current);
      id.current = randomText(12);
      pristine.current = begun(beginning);
      setForm(pristine.current);
      happen({ type: "discarded" });
      setFound(undefined);
    },
    submit: () => {
      const sent = { key: newKey(), body: JSON.stringify(requestOf(project, form, answering)) };
      const then = next(submission, { type: "submit", sent });
      if (then === submission || then.state !== "submitting") return;
      happen({ type: "submit", sent });
      void send(sent);
    },
    retry: () => {
      const then = next(submission, { type: "retry" });
      if (then === submission || then.state !== "submitting") return;
      happen({ type: "retry" });
      void send(then.sent);
    },
  };
}

function begun({ agent, cwd, prompt }: Beginning): TaskForm {
  const form = emptyForm({ stamp: stamp(new Date()), slug: randomText(5), agent, cwd });
  return { ...form, prompt: prompt ?? "" };
}

async function created(
  sent: Sent,
  signal: AbortSignal,
): Promise<{ task_id: string; queue_position?: number | null }> {
  const response = await request("api/v1/tasks", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": sent.key },
    body: sent.body,
    signal,
  });
  const answer = (await response.json()) as { task_id: string; queue_position?: number | null };
  const asked = JSON.parse(sent.body) as TaskRequest;
  return { ...answer, task_id: answer.task_id ?? asked.task_id };
}

/** Says what went wrong as the form shows it. */
export function troubleOf(error: unknown): Trouble {
  const problem = Problem.of(error);
  return {
    message: problem.message,
    hint: problem.hint,
    request_id: problem.requestId,
    field: problem.details.field,
    status: problem.status,
  };
}

function newKey(): string {
  return `ui-${randomText(26)}`;
}
