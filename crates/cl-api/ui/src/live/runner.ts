import { base } from "../api/client";
import { type Effect, type Input, type Machine, machine, step, type Told } from "./connection";
import { StreamReader } from "./sse";
import type { FileKey } from "./world";

/** The longest time without a word; the server says something every 30 s unless it is configured otherwise. */
const SILENCE = 75_000;
/** Followed files that change at the same moment make one new connection. */
const GATHER = 30;

export interface Around {
  fetch: typeof fetch;
  now: () => number;
  random: () => number;
}

/** Does what the machine says, with the network and the clock. */
export class Runner {
  #machine: Machine = machine;
  #request: AbortController | undefined;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  readonly #tell: (told: Told[]) => void;
  readonly #around: Around;

  constructor(
    tell: (told: Told[]) => void,
    around: Around = { fetch: (...of) => fetch(...of), now: Date.now, random: Math.random },
  ) {
    this.#tell = tell;
    this.#around = around;
  }

  start(): void {
    this.#take([{ type: "start" }]);
  }

  wake(): void {
    this.#take([{ type: "wake" }]);
  }

  follow(files: FileKey[]): void {
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => this.#take([{ type: "follow", files }]), GATHER);
  }

  /** Ends everything; nothing is told afterwards. */
  stop(): void {
    clearTimeout(this.#waiting);
    clearTimeout(this.#gathering);
    clearTimeout(this.#silence);
    this.#machine = { ...this.#machine, generation: this.#machine.generation + 1 };
    this.#request?.abort();
  }

  #take(inputs: Input[]): void {
    const told: Told[] = [];
    const effects: Exclude<Effect, { type: "told" }>[] = [];
    const moment = { now: this.#around.now(), random: this.#around.random() };
    for (const input of inputs) {
      const [next, wanted] = step(this.#machine, input, moment);
      this.#machine = next;
      for (const effect of wanted) {
        if (effect.type === "told") told.push(effect.told);
        else effects.push(effect);
      }
    }
    if (told.length > 0) this.#tell(told);
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: Exclude<Effect, { type: "told" }>): void {
    switch (effect.type) {
      case "abort":
        this.#request?.abort();
        break;
      case "wait": {
        const { generation } = effect;
        clearTimeout(this.#waiting);
        this.#waiting = setTimeout(() => this.#take([{ type: "waited", generation }]), effect.ms);
        break;
      }
      case "connect":
        clearTimeout(this.#waiting);
        void this.#connect(effect.generation, effect.lastId, effect.follow);
        break;
    }
  }

  #listen(generation: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#take([{ type: "silent", generation }]), SILENCE);
  }

  async #connect(generation: number, lastId: string | undefined, follow: readonly FileKey[]): Promise<void> {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    const url = new URL("api/stream", base);
    for (const file of follow) url.searchParams.append("follow", file);
    const headers: Record<string, string> = { Accept: "text/event-stream", "X-Conductor-Client": "web-ui" };
    if (lastId !== undefined) headers["Last-Event-ID"] = lastId;
    this.#listen(generation);
    try {
      const response = await this.#around.fetch(url, {
        headers,
        signal: request.signal,
        credentials: "same-origin",
        cache: "no-store",
      });
      if (!response.ok || !response.body) {
        const after = Number(response.headers.get("retry-after"));
        void response.body?.cancel().catch(() => {});
        const error = `the server answered ${response.status}`;
        const { status } = response;
        this.#take([{ type: "ended", generation, error, status, ...(after > 0 && { retryAfter: after }) }]);
        return;
      }
      this.#take([{ type: "opened", generation }]);
      await this.#read(generation, response.body.getReader());
      this.#take([{ type: "ended", generation, error: "the server ended the connection" }]);
    } catch {
      this.#take([{ type: "ended", generation, error: "the server cannot be reached" }]);
    }
  }

  async #read(generation: number, from: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const events = new StreamReader();
    const text = new TextDecoder();
    for (;;) {
      const { done, value } = await from.read();
      if (done || generation !== this.#machine.generation) {
        void from.cancel().catch(() => {});
        return;
      }
      this.#listen(generation);
      const heard = events.read(text.decode(value, { stream: true }));
      if (heard.length > 0) this.#take(heard.map((event) => ({ type: "event", generation, event })));
    }
  }
}
