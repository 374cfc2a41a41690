import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAllOf, type Found, processesOf } from "./processes";

/** One step of a scripted agent; docs/user/scripted-agent.md has them all. */
export type Step = Record<string, unknown>;

/** What an agent does: the same in every attempt, or one list for each. */
export type Script =
  | { steps: Step[] }
  | { attempts: Step[][]; dialect?: string }
  | { steps: Step[]; dialect: string };

/** A temporary root, home, working folder and configuration, and all that runs there. */
export class Place {
  readonly folder = mkdtempSync(join(process.env.E2E_TMP ?? tmpdir(), "conductor-e2e-"));
  readonly root = join(this.folder, "root");
  readonly home = join(this.folder, "home");
  readonly work = join(this.folder, "work");
  readonly config = join(this.folder, "conductor.yaml");
  private readonly agents: Record<string, unknown> = {};
  private settings: Record<string, unknown> = {};

  constructor() {
    for (const folder of [this.root, this.home, this.work]) {
      mkdirSync(folder);
    }
    this.writeConfig();
  }

  /** Adds an agent that plays a script. Call it before the server starts. */
  scripted(name: string, script: Script): void {
    const path = join(this.folder, `${name}.yaml`);
    // JSON is YAML, too.
    writeFileSync(path, JSON.stringify({ version: 1, ...script }));
    this.agents[name] = { type: "scripted", script: path };
    this.writeConfig();
  }

  /** Adds an agent that is a program for Node. Call it before the server starts. */
  programmed(name: string, source: string): void {
    const path = join(this.folder, `${name}.mjs`);
    writeFileSync(path, source);
    this.agents[name] = { type: "command", command: [process.execPath, path], version_args: [] };
    this.writeConfig();
  }

  /** Adds top-level settings. Call it before the server starts. */
  configure(settings: Record<string, unknown>): void {
    this.settings = { ...this.settings, ...settings };
    this.writeConfig();
  }

  /** Lets agents go on that wait with `wait_for: {file: name}`. */
  release(name: string): void {
    writeFileSync(join(this.work, name), "");
  }

  /** The environment of all programs of this place, and nothing of the caller's. */
  environment(): Record<string, string> {
    return {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: this.home,
      CONDUCTOR_ROOT: this.root,
      CONDUCTOR_CONFIG: this.config,
    };
  }

  /** What runs here now. */
  processes(): Found[] {
    return processesOf(this.folder);
  }

  /** Ends whatever runs here, and removes the folder. */
  async close(): Promise<void> {
    await endAllOf(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private writeConfig(): void {
    writeFileSync(this.config, JSON.stringify({ agents: this.agents, ...this.settings }));
  }
}
