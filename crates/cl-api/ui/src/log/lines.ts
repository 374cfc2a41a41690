/**
 * Whole lines out of bytes that come piece by piece, for whoever reads a file from a place on.
 */

import { decode, unfinished } from "./document";
import { joined } from "./source";

/** A line and where it begins. */
export interface Line {
  readonly at: number;
  readonly text: string;
  /** Bytes of it that are left out at its end. */
  readonly cut: number;
}

/** The longest line that is read whole. */
export const LONGEST = 2 * 1024 * 1024;

export class LineCutter {
  #parts: Uint8Array[] = [];
  #length = 0;
  #left = 0;
  #begin: number;
  #at: number;

  /** Begins at `at`, which is the beginning of a line. */
  constructor(
    at: number,
    readonly longest: number = LONGEST,
  ) {
    this.#begin = at;
    this.#at = at;
  }

  /** Where the next bytes belong. */
  get at(): number {
    return this.#at;
  }

  /** Takes the next bytes, and returns the lines that end in them. */
  push(bytes: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = 0;
    while (from < bytes.length) {
      const feed = bytes.indexOf(10, from);
      const end = feed < 0 ? bytes.length : feed;
      this.#keep(bytes.subarray(from, end));
      this.#at += end - from;
      from = end;
      if (feed >= 0) {
        this.#at += 1;
        from += 1;
        lines.push(this.#taken());
      }
    }
    return lines;
  }

  /** Returns the last line although it has no end, if there is any of it. */
  rest(): Line | null {
    return this.#length > 0 ? this.#shown() : null;
  }

  #keep(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, Math.max(0, this.longest - this.#length));
    this.#left += bytes.length - kept.length;
    if (kept.length > 0) {
      // What is pushed may be a view of something large.
      this.#parts.push(kept.slice());
      this.#length += kept.length;
    }
  }

  #shown(): Line {
    let bytes = joined(this.#parts);
    const cut = this.#left;
    if (cut > 0) {
      bytes = bytes.subarray(0, bytes.length - unfinished(bytes));
    }
    const text = decode(bytes).replace(/\r$/, "");
    return { at: this.#begin, text, cut };
  }

  #taken(): Line {
    const line = this.#shown();
    this.#parts = [];
    this.#length = 0;
    this.#left = 0;
    this.#begin = this.#at;
    return line;
  }
}
