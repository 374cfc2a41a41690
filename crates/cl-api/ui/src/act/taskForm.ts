/** What a new task is made of: the form, its checks, the request, and what the server says of it. */

import type { components } from "../api/schema";
import { parseCount, parseDollars, parseDuration } from "./amounts";
import { slugProblem, taskId, wholeSlug } from "./ids";

type LaunchPolicy = Partial<components["schemas"]["LaunchPolicy"]>;
export type TaskRequest = Omit<components["schemas"]["TaskCreate"], "policy"> & { policy?: LaunchPolicy };

/** The message that a new task answers. */
export interface Answering {
  project_id: string;
  task_id: string;
  run_id: string;
  message_id: string;
  type: string;
}

export interface TaskForm {
  /** The time in the id; stays while the form does, so that the id does. */
  stamp: string;
  slug: string;
  agent: string;
  prompt: string;
  cwd: string;
  dependsOn: string[];
  gates: string[];
  maxCost: string;
  maxTokens: string;
  maxDuration: string;
  maxAttempts: string;
}

export type Field = keyof TaskForm;
export type FieldProblems = Partial<Record<Field, string>>;

/** Returns an empty form. */
export function emptyForm(about: { stamp: string; slug: string; agent: string; cwd: string }): TaskForm {
  return {
    ...about,
    prompt: "",
    dependsOn: [],
    gates: [],
    maxCost: "",
    maxTokens: "",
    maxDuration: "",
    maxAttempts: "",
  };
}

/** Tells whether somebody has put work into a form that would be missed. */
export function isWorthKeeping(form: TaskForm, pristine: TaskForm): boolean {
  const plain = ({ stamp: _, slug: __, ...rest }: TaskForm) => JSON.stringify(rest);
  return plain(form) !== plain(pristine) || form.slug !== pristine.slug;
}

/** Returns the id that the task will have. */
export function idOf(form: TaskForm): string {
  return taskId(form.stamp, form.slug);
}

/** Says what is wrong with a form, by field; the server checks again. */
export function problemsOf(form: TaskForm, known: { tasks: ReadonlySet<string> }): FieldProblems {
  const problems: FieldProblems = {};
  const slug = slugProblem(form.slug);
  if (slug) problems.slug = slug;
  else if (known.tasks.has(idOf(form))) problems.slug = "A task of this id exists already";
  if (form.agent.trim() === "") problems.agent = "Choose an agent";
  if (form.prompt.trim() === "") problems.prompt = "Say what is to be done";
  const cwd = folderProblem(form.cwd);
  if (cwd) problems.cwd = cwd;
  if (form.dependsOn.includes(idOf(form))) problems.dependsOn = "A task cannot depend on itself";
  if (form.maxCost.trim() !== "" && parseDollars(form.maxCost) === undefined) {
    problems.maxCost = "An amount such as 2.50 or 1000";
  }
  if (form.maxTokens.trim() !== "" && parseCount(form.maxTokens) === undefined) {
    problems.maxTokens = "A number such as 500k";
  }
  if (form.maxDuration.trim() !== "" && parseDuration(form.maxDuration) === undefined) {
    problems.maxDuration = "A length of time such as 45m or 2h";
  }
  const attempts = form.maxAttempts.trim();
  if (attempts !== "" && (!/^\d{1,6}$/.test(attempts) || Number(attempts) === 0)) {
    problems.maxAttempts = "A number such as 10";
  }
  return problems;
}

/** Says what is wrong with a working folder, as far as that can be seen from here. */
export function folderProblem(path: string): string | undefined {
  const text = path.trim();
  if (text === "") return undefined;
  if (text.includes("\0")) return "Folder path contains invalid characters";
  if (!/^(?:~\/|~$|\/|[A-Za-z]:[\\/]|\\\\)/.test(text)) return "Folder path must be absolute (or use ~/...)";
  return undefined;
}

/** Makes the request of a form without problems. */
export function requestOf(project: string, form: TaskForm, answering?: Answering): TaskRequest {
  const policy: LaunchPolicy = {};
  const gates = form.gates.map((gate) => gate.trim()).filter((gate) => gate !== "");
  const cost = parseDollars(form.maxCost);
  const tokens = parseCount(form.maxTokens);
  const duration = parseDuration(form.maxDuration);
  const attempts = form.maxAttempts.trim();
  if (gates.length > 0) policy.gates = gates;
  if (cost !== undefined) policy.max_cost_usd = cost;
  if (tokens !== undefined) policy.max_tokens = tokens;
  if (duration !== undefined) policy.max_task_duration_ms = duration;
  if (attempts !== "") policy.max_attempts = Number(attempts);
  const request: TaskRequest = {
    project_id: project,
    task_id: idOf({ ...form, slug: wholeSlug(form.slug) }),
    agent_type: form.agent,
    prompt: form.prompt,
    attach_mode: "create",
  };
  if (form.cwd.trim() !== "") request.project_root = form.cwd.trim();
  if (form.dependsOn.length > 0) request.depends_on = form.dependsOn;
  if (Object.keys(policy).length > 0) request.policy = policy;
  if (answering) {
    const { type: _, ...parent } = answering;
    request.thread_parent = parent;
    request.thread_message_type = "USER_REQUEST";
  }
  return request;
}

const FIELDS: Record<string, Field> = {
  task_id: "slug",
  agent_type: "agent",
  prompt: "prompt",
  project_root: "cwd",
  depends_on: "dependsOn",
  "policy.gates": "gates",
  "policy.max_cost_usd": "maxCost",
  "policy.max_tokens": "maxTokens",
  "policy.max_task_duration_ms": "maxDuration",
  "policy.max_attempts": "maxAttempts",
};

/** Returns the field that a refusal is about: the one it names, else the one its text begins with. */
export function fieldOf(refusal: { message: string; field?: string | undefined }): Field | undefined {
  if (refusal.field !== undefined) return FIELDS[refusal.field];
  const names = Object.keys(FIELDS).sort((a, b) => b.length - a.length);
  const name = names.find((name) => refusal.message.startsWith(name.replace(/^policy\./, "")));
  return name === undefined ? undefined : FIELDS[name];
}
