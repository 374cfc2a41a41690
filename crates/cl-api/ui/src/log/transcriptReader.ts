/**
 * Reads what an agent's stream says from near its end on, and goes on as the file grows.
 *
 * Of a large file only the last part is read; who wants what was before looks at the file as it
 * is. Whoever was away for long begins near the end again.
 */

import type { Item } from "./agent/items";
import { Transcript } from "./agent/transcript";
import { LineCutter } from "./lines";
import { type ByteSource, Missing } from "./source";

/** How far before the end it begins. */
export const BACK = 4 * 1024 * 1024;
/** So much behind it begins again near the end. */
const TOO_FAR = 2 * BACK;
/** How much is read at once. */
const STEP = 512 * 1024;

export class TranscriptReader {
  #transcript = new Transcript();
  #items: readonly Item[] = [];
  #cutter = new LineCutter(0);
  /** The first line that is read is whole only where the file begins. */
  #isSkipping = false;
  #from = 0;
  #size = 0;
  #identity: string | null = null;
  #isMissing = false;
  #isReady = false;
  #failure: unknown = null;
  #running: Promise<void> | null = null;
  #ending = new AbortController();
  #generation = 0;
  #version = 0;
  #heard = new Set<() => void>();

  constructor(private readonly source: ByteSource) {}

  /** What was read; another list whenever anything of it is another. */
  get items(): readonly Item[] {
    return this.#items;
  }
  /** Where the first of them begins, in bytes; what is before was not read or given up. */
  get begin(): number {
    return this.#transcript.gone > 0 ? (this.#items[0]?.at ?? 0) : this.#from;
  }
  get size(): number {
    return this.#size;
  }
  /** What was there at first was read. */
  get isReady(): boolean {
    return this.#isReady;
  }
  get isMissing(): boolean {
    return this.#isMissing;
  }
  get failure(): unknown {
    return this.#failure;
  }
  get version(): number {
    return this.#version;
  }
  /** Grows when everything was begun anew. */
  get generation(): number {
    return this.#generation;
  }

  subscribe(listener: () => void): () => void {
    this.#heard.add(listener);
    return () => this.#heard.delete(listener);
  }

  /** Takes note of how large the file is now, and which one it is; reads on. */
  grown(size: number, identity: string | null): void {
    const isOther = this.#identity !== null && identity !== null && identity !== this.#identity;
    // A smaller size of the same file is an older one, told after an answer that was newer.
    if (isOther || (identity === null && size < this.#size)) {
      this.#begin();
    }
    const isUnsure = size < this.#size && this.#identity === null;
    this.#identity = identity ?? this.#identity;
    this.#size = Math.max(size, this.#size);
    void (isUnsure ? this.look() : this.read());
  }

  /** Asks how large the file is, and reads on. */
  async look(): Promise<void> {
    try {
      const { size } = await this.source.read(this.#size, this.#size + 1, this.#ending.signal);
      this.#isMissing = false;
      this.grown(size, null);
      await this.read();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Reads up to the end that is known; once at a time. */
  read(): Promise<void> {
    this.#running ??= this.#readOn().finally(() => {
      this.#running = null;
      if (!this.#ending.signal.aborted && this.#failure === null && this.#cutter.at < this.#size) {
        void this.read();
      }
    });
    return this.#running;
  }

  close(): void {
    this.#heard.clear();
    this.#ending.abort();
  }

  async #readOn(): Promise<void> {
    try {
      while (this.#cutter.at < this.#size) {
        if (this.#size - this.#cutter.at > TOO_FAR) {
          this.#begin(Math.max(0, this.#size - BACK));
        }
        const generation = this.#generation;
        const at = this.#cutter.at;
        const known = this.#size;
        const to = Math.min(known, at + STEP);
        const chunk = await this.source.read(at, to, this.#ending.signal);
        if (generation !== this.#generation) {
          continue;
        }
        if (chunk.size < known || chunk.bytes.length === 0) {
          this.#begin();
          this.#size = chunk.size;
          continue;
        }
        this.#size = Math.max(this.#size, chunk.size);
        this.#take(chunk.bytes);
        this.#failure = null;
        this.#isMissing = false;
        this.#tell();
      }
      this.#isReady = true;
      this.#tell();
    } catch (error) {
      this.#failed(error);
    }
  }

  #take(bytes: Uint8Array): void {
    for (const line of this.#cutter.push(bytes)) {
      if (this.#isSkipping) {
        this.#isSkipping = false;
        continue;
      }
      this.#transcript.push(line);
    }
  }

  #begin(from = 0): void {
    this.#generation += 1;
    this.#transcript = new Transcript();
    // One byte earlier: a line that begins just there is whole.
    const at = Math.max(0, from - 1);
    this.#cutter = new LineCutter(at);
    this.#isSkipping = from > 0;
    this.#from = from;
    this.#failure = null;
    if (from === 0) {
      this.#size = 0;
    }
  }

  #failed(error: unknown): void {
    if (this.#ending.signal.aborted) {
      return;
    }
    if (error instanceof Missing) {
      this.#begin();
      this.#isMissing = true;
      this.#isReady = true;
    } else {
      this.#failure = error;
    }
    this.#tell();
  }

  #tell(): void {
    this.#version += 1;
    this.#items = [...this.#transcript.items];
    for (const listener of this.#heard) {
      listener();
    }
  }
}

/** Tells by the beginning of a file whether it is a stream of JSON lines. */
export function isStream(beginning: string): boolean {
  const first = beginning.trimStart();
  if (!first.startsWith("{")) {
    return false;
  }
  const line = first.split("\n", 1)[0] ?? "";
  try {
    return typeof JSON.parse(line) === "object";
  } catch {
    // The first line may be longer than what is known of it.
    return line === first && /^\{\s*"[^"\n]{1,80}"\s*:/.test(line);
  }
}
