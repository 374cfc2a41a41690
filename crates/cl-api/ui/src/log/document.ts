/**
 * A file of any size, of which only a few blocks are in memory.
 *
 * Places are bytes from the beginning of the file. What is shown are pieces: a piece is a line,
 * or a part of one that is very long. A piece begins behind a line feed, and at the beginning of
 * a block when the block before has no line feed at all. So two blocks are enough to tell where
 * a piece begins, from whichever side one comes, and no piece has more than two blocks.
 */

import { BLOCK, Blocks, MOST_KEPT } from "./blocks";
import { type ByteSource, joined, Missing } from "./source";

/** How many bytes are asked for at once. */
const MOST_ASKED = 16 * BLOCK;
/** By how much it is told what kind of file it is. */
export const BEGINNING = 4096;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Bytes from `from` to behind `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A line, or a part of a very long one. */
export interface Piece {
  readonly start: number;
  /** Behind its last byte that is shown; the end of the line is not. */
  readonly end: number;
  /** Where the next piece begins. */
  readonly next: number;
  /** It begins inside of a line. */
  readonly isContinued: boolean;
  /** Its line goes on in the next piece. */
  readonly isCut: boolean;
}

/** What is known of the file. */
export type Presence = "unknown" | "there" | "missing" | "failed";

/** Whether places can be told from what is in memory. */
export interface Pieces {
  readonly size: number;
  /** Up to where it was fetched: the end of the file, or not much before it while it grows. */
  readonly reach: number;
  /** Returns where the piece begins in which `at` is; nothing when that is not in memory. */
  beginning(at: number): number | null;
  /** Returns the piece that begins at `start`; nothing when it is not in memory. */
  piece(start: number): Piece | null;
}

export class LogDocument implements Pieces {
  #blocks: Blocks;
  #size = 0;
  #reach = 0;
  #identity: string | null = null;
  #generation = 0;
  #presence: Presence = "unknown";
  #failure: unknown = null;
  #asked = new Map<number, Promise<void>>();
  #ending = new AbortController();
  #heard = new Set<() => void>();
  #version = 0;
  /** How many line feeds stand before each block, as far as that is known from the beginning. */
  #before: number[] = [0];
  #counts = new Map<number, number>();

  constructor(
    private readonly source: ByteSource,
    most: number = MOST_KEPT,
  ) {
    this.#blocks = new Blocks(most);
  }

  get size(): number {
    return this.#size;
  }
  /** Grows whenever the file is another one than before; places of earlier ones are void. */
  get generation(): number {
    return this.#generation;
  }
  get presence(): Presence {
    return this.#presence;
  }
  get failure(): unknown {
    return this.#failure;
  }
  get reach(): number {
    return this.#reach;
  }
  /** How many bytes are in memory. */
  get bytes(): number {
    return this.#blocks.bytes;
  }
  /** Grows with every change; for whoever compares. */
  get version(): number {
    return this.#version;
  }

  /** Calls `listener` after each change, until the function that is returned is called. */
  subscribe(listener: () => void): () => void {
    this.#heard.add(listener);
    return () => this.#heard.delete(listener);
  }

  /**
   * Takes note of how large the file is now, and which one it is.
   *
   * Whoever names the file names another one when it became shorter: a size that is smaller is an
   * older one then, told after an answer that was newer.
   */
  grown(told: number, identity: string | null = null): void {
    const isOther = identity !== null && this.#identity !== null && identity !== this.#identity;
    if (isOther || (identity === null && told < this.#size)) {
      this.#reset();
    }
    const size = Math.max(told, this.#size);
    const isUnsure = told < size && this.#identity === null;
    const isNew = size !== this.#size || this.#presence !== "there" || isOther;
    this.#identity = identity ?? this.#identity;
    this.#size = size;
    this.#presence = "there";
    this.#failure = null;
    if (isNew) {
      this.#tell();
    }
    if (isUnsure) {
      // Nobody named it before: it was replaced, or the size is an old one. The file knows.
      void this.look();
    }
  }

  /** Takes note that there is no file. */
  vanished(): void {
    this.#reset();
    this.#presence = "missing";
    this.#tell();
  }

  /** Asks how large the file is. */
  async look(): Promise<void> {
    const known = this.#size;
    const generation = this.#generation;
    await this.#guard(async () => {
      // The beginning tells what kind of file it is, so it comes along.
      const to = known === 0 ? BEGINNING : known + 1;
      const chunk = await this.source.read(known, to, this.#ending.signal);
      if (generation === this.#generation && this.#took(chunk.size, known) && known === 0) {
        this.#blocks.add(0, 0, chunk.bytes);
        this.#reach = Math.max(this.#reach, this.#blocks.have(0));
        // What is shown first is nearly always the end.
        if (this.#size > 2 * BLOCK) {
          void this.load(this.#size - BLOCK, this.#size);
        }
      }
    });
  }

  /** Returns the first part of a range that is not in memory. */
  missing(from: number, to: number): Range | null {
    const last = Math.min(to, this.#size);
    for (let index = Math.floor(Math.max(0, from) / BLOCK); index * BLOCK < last; index += 1) {
      const needed = Math.min(last, (index + 1) * BLOCK) - index * BLOCK;
      if (this.#blocks.have(index) < needed) {
        return { from: index * BLOCK, to: last };
      }
    }
    return null;
  }

  /** Fetches what is not in memory of a range; what is on its way already is waited for. */
  async load(from: number, to: number): Promise<void> {
    const waits: Promise<void>[] = [];
    const last = Math.min(to, this.#size);
    let index = Math.floor(Math.max(0, from) / BLOCK);
    while (index * BLOCK < last) {
      const known = this.#asked.get(index);
      const end = Math.min((index + 1) * BLOCK, this.#size);
      if (known) {
        waits.push(known);
      } else if (index * BLOCK + this.#blocks.have(index) < end) {
        const first = index;
        while (
          (index + 1) * BLOCK < last &&
          (index + 2 - first) * BLOCK <= MOST_ASKED &&
          !this.#asked.has(index + 1) &&
          this.#blocks.have(index + 1) === 0
        ) {
          index += 1;
        }
        waits.push(this.#ask(first, index));
      }
      index += 1;
    }
    await Promise.all(waits);
  }

  beginning(at: number): number | null {
    const place = Math.min(Math.max(0, at), this.#size);
    const index = Math.floor(place / BLOCK);
    const inside = place - index * BLOCK;
    if (inside > 0) {
      const block = this.#blocks.get(index);
      if (!block || block.length < inside) {
        return null;
      }
      const feed = block.lastIndexOf(LINE_FEED, inside - 1);
      if (feed >= 0) {
        return index * BLOCK + feed + 1;
      }
    }
    if (index === 0) {
      return 0;
    }
    const before = this.#blocks.get(index - 1);
    if (!before || before.length < BLOCK) {
      return null;
    }
    const feed = before.lastIndexOf(LINE_FEED);
    return feed < 0 ? index * BLOCK : (index - 1) * BLOCK + feed + 1;
  }

  piece(start: number): Piece | null {
    if (start >= this.#size) {
      return null;
    }
    const first = Math.floor(start / BLOCK);
    for (let index = first; index <= first + 1; index += 1) {
      const block = this.#blocks.get(index);
      const base = index * BLOCK;
      const length = Math.min(BLOCK, this.#size - base);
      if (!block) {
        return null;
      }
      const feed = block.indexOf(LINE_FEED, Math.max(0, start - base));
      if (feed >= 0) {
        return this.#made(start, base + feed, base + feed + 1, false);
      }
      const end = base + block.length;
      if (block.length < length) {
        // The line goes on in what is not in memory yet; until it is, what was shown stays.
        return end > start ? this.#made(start, end, end, false) : null;
      }
      if (end >= this.#size) {
        return this.#made(start, end, end, false);
      }
      if (index > first || block.indexOf(LINE_FEED) < 0) {
        return this.#made(start, end, end, true);
      }
    }
    return null;
  }

  /** Returns the text of a piece, at most `most` bytes of it, and whether there is more. */
  text(piece: Piece, most: number): { text: string; isShort: boolean } {
    const from = piece.start;
    const to = Math.min(piece.end, from + most);
    let bytes = this.#bytes(from, to);
    if (piece.isContinued) {
      // The first bytes may belong to a character that the piece before has begun.
      bytes = bytes.subarray(innerAtStart(bytes));
    }
    if (to < piece.end) {
      bytes = bytes.subarray(0, bytes.length - unfinished(bytes));
    } else if (piece.isCut && unfinished(bytes) > 0) {
      const rest = this.#bytes(to, Math.min(to + 3, this.#size));
      bytes = joined([bytes, rest.subarray(0, innerAtStart(rest))]);
    }
    return { text: decode(bytes), isShort: to < piece.end };
  }

  /** Returns the number of the line in which `at` is, from 1; nothing while it is not known. */
  lineNumber(at: number): number | null {
    const index = Math.floor(at / BLOCK);
    const before = this.#before[index];
    if (before === undefined) {
      return null;
    }
    const inside = at - index * BLOCK;
    const block = inside === 0 ? new Uint8Array(0) : this.#blocks.get(index);
    if (!block || block.length < inside) {
      return null;
    }
    return before + countFeeds(block, inside) + 1;
  }

  /** Ends what is on its way; nothing is told any more. */
  close(): void {
    this.#heard.clear();
    this.#ending.abort();
    this.#blocks.clear();
  }

  #bytes(from: number, to: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let index = Math.floor(from / BLOCK); index * BLOCK < to; index += 1) {
      const block = this.#blocks.get(index);
      if (!block) {
        break;
      }
      const base = index * BLOCK;
      parts.push(block.subarray(Math.max(0, from - base), Math.min(block.length, to - base)));
    }
    return joined(parts);
  }

  #made(start: number, feed: number, next: number, isCut: boolean): Piece {
    const isContinued = start > 0 && start % BLOCK === 0 && this.#byte(start - 1) !== LINE_FEED;
    const hasReturn = next > feed && feed > start && this.#byte(feed - 1) === CARRIAGE_RETURN;
    return { start, end: hasReturn ? feed - 1 : feed, next, isContinued, isCut };
  }

  #byte(at: number): number | undefined {
    return this.#blocks.get(Math.floor(at / BLOCK))?.[at % BLOCK];
  }

  #ask(first: number, last: number): Promise<void> {
    const generation = this.#generation;
    const known = this.#size;
    const from = first * BLOCK + this.#blocks.have(first);
    const to = Math.min((last + 1) * BLOCK, known);
    const asking = this.#guard(async () => {
      const chunk = await this.source.read(from, to, this.#ending.signal);
      if (generation !== this.#generation || !this.#took(chunk.size, known)) {
        return;
      }
      for (let index = first; index <= last; index += 1) {
        const begin = Math.max(from, index * BLOCK);
        const bytes = chunk.bytes.subarray(begin - from, (index + 1) * BLOCK - from);
        this.#blocks.add(index, begin - index * BLOCK, bytes);
        this.#reach = Math.max(this.#reach, index * BLOCK + this.#blocks.have(index));
        this.#count(index);
      }
      this.#tell();
    });
    const done = asking.finally(() => {
      for (let index = first; index <= last; index += 1) {
        if (this.#asked.get(index) === done) {
          this.#asked.delete(index);
        }
      }
    });
    for (let index = first; index <= last; index += 1) {
      this.#asked.set(index, done);
    }
    return done;
  }

  /** Returns whether an answer belongs to the file that is shown. */
  #took(size: number, known: number): boolean {
    // The file had `known` bytes before it was asked for.
    if (size < known) {
      this.grown(size);
      return false;
    }
    this.grown(Math.max(size, this.#size));
    return true;
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    const generation = this.#generation;
    try {
      await work();
    } catch (error) {
      if (this.#ending.signal.aborted || generation !== this.#generation) {
        return;
      }
      if (error instanceof Missing) {
        this.vanished();
      } else {
        this.#presence = "failed";
        this.#failure = error;
        this.#tell();
      }
    }
  }

  #count(index: number): void {
    const block = this.#blocks.get(index);
    if (block?.length !== BLOCK || index < this.#before.length - 1) {
      return;
    }
    this.#counts.set(index, countFeeds(block, BLOCK));
    let next = this.#before.length - 1;
    for (let count = this.#counts.get(next); count !== undefined; count = this.#counts.get(next)) {
      this.#before.push((this.#before[next] ?? 0) + count);
      this.#counts.delete(next);
      next += 1;
    }
  }

  #reset(): void {
    this.#ending.abort();
    this.#ending = new AbortController();
    this.#generation += 1;
    this.#blocks.clear();
    this.#asked.clear();
    this.#before = [0];
    this.#counts.clear();
    this.#identity = null;
    this.#size = 0;
    this.#reach = 0;
  }

  #tell(): void {
    this.#version += 1;
    for (const listener of this.#heard) {
      listener();
    }
  }
}

function countFeeds(block: Uint8Array, to: number): number {
  let count = 0;
  for (let at = block.indexOf(LINE_FEED); at >= 0 && at < to; at = block.indexOf(LINE_FEED, at + 1)) {
    count += 1;
  }
  return count;
}

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Makes text of bytes; what is no UTF-8 becomes a replacement character. */
export function decode(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/** Counts bytes at the beginning that continue a character. */
function innerAtStart(bytes: Uint8Array): number {
  let count = 0;
  while (count < 3 && count < bytes.length && ((bytes[count] ?? 0) & 0xc0) === 0x80) {
    count += 1;
  }
  return count;
}

/** Counts the bytes at the end that begin a character and do not end it. */
export function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) {
      continue;
    }
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? back : 0;
  }
  return 0;
}
