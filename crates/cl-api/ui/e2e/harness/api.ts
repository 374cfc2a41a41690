import { expect } from "@playwright/test";
import type { Server } from "./server";

/** The project of the tests. */
export const PROJECT = "garden";

// biome-ignore lint/suspicious/noExplicitAny: the tests look at what they need of an answer
type Answer = any;

/** Asks the server as a program does, with its token. */
export class Api {
  constructor(private readonly server: () => Server) {}

  /** What lets a program in. */
  token = (): string => this.server().token();

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const server = this.server();
    const answer = await fetch(server.origin + path, {
      method,
      headers: { authorization: `Bearer ${this.token()}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    }
    return text ? JSON.parse(text) : undefined;
  }

  get(path: string): Promise<Answer> {
    return this.ask("GET", path);
  }

  /** Launches a task, as the command line does; `policy` has gates and limits. */
  async launch(task: string, agent: string, more: Launch = {}): Promise<string> {
    const id = taskId(task);
    const { policy, project = PROJECT, ...rest } = more;
    await this.ask("POST", `/api/v1/core/projects/${project}/tasks/${id}/launch`, {
      kind: "task",
      agent,
      prompt: `Do what ${task} is about.`,
      env: {},
      force: false,
      policy: { restart_delay_ms: 50, gates: [], require_change: false, resume_session: false, ...policy },
      ...rest,
    });
    return id;
  }

  task(id: string, project = PROJECT): Promise<Answer> {
    return this.get(`/api/projects/${project}/tasks/${id}`);
  }

  /** Waits until a task has a status. */
  async reaches(id: string, status: string | RegExp, project = PROJECT): Promise<void> {
    const now = async () => (await this.task(id, project).catch(() => ({ status: "unknown" }))).status;
    await expect.poll(now, { message: `status of ${id}` }).toMatch(status);
  }

  async post(task: string | null, type: string, body: string, more: object = {}): Promise<string> {
    const scope = task ? `tasks/${task}/messages` : "messages";
    const posted = await this.ask("POST", `/api/projects/${PROJECT}/${scope}`, { type, body, ...more });
    return posted.msg_id;
  }

  async messages(task: string): Promise<Answer[]> {
    return (await this.get(`/api/projects/${PROJECT}/tasks/${task}/messages?limit=500`)).messages;
  }

  /** One number of the server's metrics; of series whose labels match, if that is asked for. */
  async metric(name: string, labels?: RegExp): Promise<number> {
    const answer = await fetch(`${this.server().origin}/metrics`);
    return metric(await answer.text(), name, labels);
  }

  /** A new link that logs a browser in, once. */
  async loginLink(): Promise<string> {
    return (await this.ask("POST", "/api/v1/admin/login-link")).login_url;
  }
}

/** What a launch may say besides. */
export interface Launch {
  policy?: Record<string, unknown>;
  project?: string;
  prompt?: string;
  cwd?: string;
  depends_on?: string[];
}

/** When these tests began, as ids of tasks have it. */
const STAMP = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");

/** The id of a task by its short name. */
export function taskId(name: string): string {
  return `task-${STAMP}-${name}`;
}

/** Reads one number of the server's metrics; series of one name are added up. */
export function metric(text: string, name: string, labels = /^/): number {
  const lines = text
    .split("\n")
    .filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)) && labels.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
