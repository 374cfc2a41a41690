/** For tests: files that grow, are cut and are replaced, without a server. */

import { type ByteSource, type Chunk, Missing } from "./source";

const ENCODER = new TextEncoder();

export class FakeFile implements ByteSource {
  bytes: Uint8Array | null;
  /** Every range that was asked for. */
  readonly asked: [number, number][] = [];
  #gate: Promise<void> | null = null;

  constructor(content: string | Uint8Array = "") {
    this.bytes = typeof content === "string" ? ENCODER.encode(content) : content;
  }

  get size(): number {
    return this.bytes?.length ?? 0;
  }

  append(text: string): void {
    const more = ENCODER.encode(text);
    const all = new Uint8Array(this.size + more.length);
    all.set(this.bytes ?? new Uint8Array(0));
    all.set(more, this.size);
    this.bytes = all;
  }

  /** Holds answers back until the function that is returned is called. */
  hold(): () => void {
    let release = () => {};
    this.#gate = new Promise((resolve) => {
      release = () => {
        this.#gate = null;
        resolve();
      };
    });
    return () => release();
  }

  async read(from: number, to: number, signal?: AbortSignal): Promise<Chunk> {
    this.asked.push([from, to]);
    const bytes = this.bytes;
    if (this.#gate) {
      await this.#gate;
    }
    signal?.throwIfAborted();
    if (bytes === null) {
      throw new Missing("no such file");
    }
    return { bytes: bytes.slice(from, Math.min(to, bytes.length)), size: bytes.length };
  }
}

/** A file that is as large as it says, and is made where it is read. */
export class Endless implements ByteSource {
  asked = 0;
  constructor(
    readonly size: number,
    readonly lineLength = 100,
  ) {}

  async read(from: number, to: number): Promise<Chunk> {
    const end = Math.min(to, this.size);
    this.asked += end - from;
    const bytes = new Uint8Array(Math.max(0, end - from));
    for (let index = 0; index < bytes.length; index += 1) {
      const inLine = (from + index) % this.lineLength;
      bytes[index] = inLine === this.lineLength - 1 ? 10 : 97 + (inLine % 26);
    }
    return { bytes, size: this.size };
  }
}
