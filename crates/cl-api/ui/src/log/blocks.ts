/**
 * The blocks of a file that are kept in memory: the ones used last, up to a bound.
 */

/** How many bytes a block has. */
export const BLOCK = 64 * 1024;
/** How many bytes of a file are kept, whatever its size. */
export const MOST_KEPT = 16 * 1024 * 1024;

/** Blocks by number, the one used last at the end. */
export class Blocks {
  #kept = new Map<number, Uint8Array>();
  #bytes = 0;

  constructor(readonly most: number = MOST_KEPT) {}

  /** How many bytes are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns what is there of a block, and remembers that it was used. */
  get(index: number): Uint8Array | undefined {
    const block = this.#kept.get(index);
    if (block) {
      this.#kept.delete(index);
      this.#kept.set(index, block);
    }
    return block;
  }

  /** Returns how many bytes of a block are there. */
  have(index: number): number {
    return this.#kept.get(index)?.length ?? 0;
  }

  /** Adds bytes behind those of a block that are there; others are left out. */
  add(index: number, offset: number, bytes: Uint8Array): void {
    const before = this.#kept.get(index);
    const have = before?.length ?? 0;
    if (offset > have || offset + bytes.length <= have) {
      return;
    }
    const whole = new Uint8Array(Math.min(BLOCK, offset + bytes.length));
    if (before) {
      whole.set(before);
    }
    whole.set(bytes.subarray(have - offset, whole.length - offset), have);
    this.#kept.delete(index);
    this.#kept.set(index, whole);
    this.#bytes += whole.length - have;
    for (const [oldest, block] of this.#kept) {
      if (this.#bytes <= this.most || oldest === index) {
        break;
      }
      this.#kept.delete(oldest);
      this.#bytes -= block.length;
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }
}
