import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place";
import { program } from "./program";

/** How long a server may take until it listens. */
const PATIENCE = 30_000 * Number(process.env.E2E_PATIENCE ?? 1);

/** A real server of a place. */
export class Server {
  private said = "";

  private constructor(
    private readonly place: Place,
    private readonly child: ChildProcess,
    readonly origin: string,
    /** The link that the server printed; it logs a browser in, once. */
    readonly loginLink: string,
  ) {}

  /** Starts a server on a free port, or on that of one that was killed, and waits until it listens. */
  static async start(place: Place, port = "0", more: Record<string, string> = {}): Promise<Server> {
    const child = spawn(program("conductor"), ["serve", "--port", port], {
      cwd: place.work,
      env: { ...place.environment(), ...more },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    const announced = new Promise<Server>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the server does not listen: ${text}`)), PATIENCE);
      const done = (act: () => void) => {
        clearTimeout(late);
        act();
      };
      child.on("error", (error) => done(() => reject(error)));
      child.on("exit", (code) => done(() => reject(new Error(`the server ended with ${code}: ${text}`))));
      const look = (chunk: Buffer) => {
        text += chunk.toString();
        const origin = /API listening on (http:\/\/\S+?)\/?\s/.exec(text)?.[1];
        const link = /Web UI available at (\S+)\s/.exec(text)?.[1];
        if (origin && link) {
          done(() => resolve(new Server(place, child, origin, link)));
        }
      };
      child.stdout?.on("data", look);
      child.stderr?.on("data", look);
    });
    const server = await announced;
    server.said = text;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        server.said += chunk.toString();
      });
    }
    return server;
  }

  get port(): string {
    return new URL(this.origin).port;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** What it printed and logged so far. */
  log(): string {
    return this.said;
  }

  /** The token of this place. */
  token(): string {
    return readFileSync(join(this.place.home, ".run-agent/token"), "utf8").trim();
  }

  /** Kills it as a loss of power does, and waits for its end. */
  kill(): Promise<void> {
    return this.end("SIGKILL");
  }

  /** Asks it to end, and waits until it has. */
  stop(): Promise<void> {
    return this.end("SIGTERM");
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      return;
    }
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    await ended;
  }
}
