/**
 * What of a file is shown where, however large it is.
 *
 * The scrolled area has a height that stands for the whole file, by an estimate. Only pieces
 * around the view are laid out, one below the other from one whose place is fixed, the anchor:
 * so nothing moves by itself, and small steps are exact. A step that leaves what is laid out
 * goes to the byte in proportion. What differs between estimate and truth is put right where
 * nobody sees it: everything, and the scroll position with it, is shifted by the same amount.
 */

import type { Piece, Pieces, Range } from "./document";

/** How near to the end the view follows it, in px. */
export const NEAR = 48;
/** The highest area; browsers give up above some 16 million. */
const HIGHEST = 8_000_000;
/** How many bytes a line is taken to have. */
const USUAL_LINE = 80;
/** How much is laid out above and below the view, in px. */
const BEYOND = 600;
/** How many views one may be ahead of what is laid out before it is left. */
const WAITS = 8;
/** So many bytes behind the end, what comes between is left out. */
const FAR_BEHIND = 512 * 1024;
/** How much is fetched at once around what is missing. */
const AROUND = 64 * 1024;

/** A piece and its place in the area, in px. */
export interface Row {
  readonly piece: Piece;
  readonly top: number;
  readonly height: number;
}

/** What is shown. */
export interface Frame {
  readonly rows: readonly Row[];
  /** How high the area is. */
  readonly height: number;
  readonly scrollTop: number;
  /** What must be fetched before all of it can be shown. */
  readonly missing: Range | null;
  readonly isFollowing: boolean;
  /** The end of the file is laid out. */
  readonly hasEnd: boolean;
}

type Hold =
  | { kind: "end" }
  | { kind: "place"; at: number; y: number }
  /** To be laid out at `share` of the view, or at `y`, as soon as it is in memory. */
  | { kind: "sought"; at: number; y: number | null; share: number };

const NOTHING: Frame = {
  rows: [],
  height: 0,
  scrollTop: 0,
  missing: null,
  isFollowing: true,
  hasEnd: true,
};

export class ScrollWindow {
  #hold: Hold = { kind: "end" };
  #scrollTop = 0;
  /** Where the area really stands, which is behind what was laid out until that is drawn. */
  #drawn: number | null = null;
  #view = 0;
  #frame: Frame = NOTHING;
  #heights = new Map<number, number>();

  constructor(
    private readonly pieces: Pieces,
    private rowHeight: number,
  ) {}

  get frame(): Frame {
    return this.#frame;
  }
  get isFollowing(): boolean {
    return this.#hold.kind === "end";
  }

  /** Begins again: the file is another one. */
  reset(): void {
    this.#hold = { kind: "end" };
    this.#frame = NOTHING;
    this.#heights.clear();
  }

  /** Takes note of how high the view is. */
  resized(view: number): void {
    this.#view = view;
  }

  /** Takes note of how high rows are unless they are measured; measured ones are forgotten. */
  restyled(rowHeight: number): void {
    this.rowHeight = rowHeight;
    this.#heights.clear();
  }

  /** Takes note of heights of rows by their first byte; returns whether any is another one. */
  measured(heights: Iterable<readonly [number, number]>): boolean {
    let isOther = false;
    for (const [start, height] of heights) {
      if (height > 0 && Math.abs((this.#heights.get(start) ?? this.rowHeight) - height) > 0.5) {
        this.#heights.set(start, height);
        isOther = true;
      }
    }
    // They are needed near the view only.
    if (this.#heights.size > 20_000) {
      const kept = new Set(this.#frame.rows.map((row) => row.piece.start));
      for (const start of this.#heights.keys()) {
        if (!kept.has(start)) {
          this.#heights.delete(start);
        }
      }
    }
    return isOther;
  }

  /** Goes to the end and stays there. */
  follow(): void {
    this.#hold = { kind: "end" };
  }

  /** Stays where it is, whatever comes. */
  stay(): void {
    if (this.#hold.kind === "end") {
      this.#hold = this.#anchored(this.#frame);
    }
  }

  /** Goes to the piece in which `at` is, and shows it at `share` of the view. */
  goTo(at: number, share = 0.3): void {
    this.#hold = { kind: "sought", at, y: null, share };
  }

  /** Takes note of where the area stands now that a frame was drawn. */
  drawn(scrollTop: number): void {
    this.#drawn = scrollTop;
  }

  /**
   * Takes note of where the reader has scrolled to, in an area of so many px as it is drawn:
   * where the view or the area changes its height, the browser scrolls by itself.
   */
  scrolled(scrollTop: number, area = this.#frame.height): void {
    // Told late of what was drawn: nobody has moved, however much was laid out since.
    if (this.#drawn !== null && Math.abs(scrollTop - this.#drawn) <= 1) {
      return;
    }
    this.#drawn = this.#drawn === null ? null : scrollTop;
    const frame = this.#frame;
    const isUp = scrollTop < this.#scrollTop - 1;
    // Browsers round to the pixels that they have.
    const isMoved = Math.abs(scrollTop - this.#scrollTop) > 1;
    const from = this.#scrollTop;
    this.#scrollTop = scrollTop;
    if (!isMoved) {
      return;
    }
    const isNearEnd = area - (scrollTop + this.#view) <= NEAR;
    // Who goes step by step waits for what is on its way; who drags the bar is elsewhere.
    const isStep = Math.abs(scrollTop - from) <= 2 * this.#view;
    if (isNearEnd && !isUp && (frame.hasEnd || !isStep)) {
      this.#hold = { kind: "end" };
      return;
    }
    if (isNearEnd && this.#hold.kind === "end") {
      return;
    }
    const first = frame.rows[0];
    const last = frame.rows.at(-1);
    const isNear =
      first !== undefined &&
      last !== undefined &&
      scrollTop + this.#view > first.top - WAITS * this.#view &&
      scrollTop < last.top + last.height + WAITS * this.#view;
    if (isNear) {
      this.#hold = this.#anchored({ ...frame, scrollTop });
    } else {
      const share = frame.height > 0 ? scrollTop / frame.height : 0;
      this.#hold = { kind: "sought", at: Math.floor(share * this.pieces.size), y: scrollTop, share: 0 };
    }
  }

  /** Lays out what is in memory; what is shown already stays while what is sought is missing. */
  layOut(): Frame {
    this.#frame = this.#laidOut();
    this.#scrollTop = this.#frame.scrollTop;
    return this.#frame;
  }

  #laidOut(): Frame {
    if (this.pieces.size === 0) {
      return { ...NOTHING, isFollowing: this.isFollowing };
    }
    if (this.#hold.kind === "sought") {
      const { at, y, share } = this.#hold;
      const begin = this.pieces.beginning(Math.min(at, this.pieces.size - 1));
      if (begin === null || this.pieces.piece(begin) === null) {
        return this.#waiting(at);
      }
      const top = y ?? Math.round(Math.max(begin * this.#scale(), this.#view * share));
      if (y === null) {
        this.#scrollTop = top - Math.round(this.#view * share);
      }
      this.#hold = { kind: "place", at: begin, y: top };
    }
    return this.#hold.kind === "end" ? this.#fromEnd() : this.#fromPlace(this.#hold);
  }

  /** Shows what was shown, and says that `at` is needed. */
  #waiting(at: number): Frame {
    const missing = this.#around(at);
    const last = this.#frame;
    const height = Math.max(last.height, this.#view);
    return { ...last, height, scrollTop: this.#scrollTop, missing, isFollowing: this.isFollowing };
  }

  /** Where a line begins may stand in the block before that of `at`. */
  #around(at: number): Range {
    return { from: Math.max(0, at - AROUND), to: Math.min(this.pieces.size, at + AROUND) };
  }

  #fromEnd(): Frame {
    const { size } = this.pieces;
    // A file that grows all the time is never there up to its end; what is there is shown.
    const isNear = size - this.pieces.reach < FAR_BEHIND;
    const end = isNear ? this.pieces.reach : size;
    const rows: Piece[] = [];
    let sum = 0;
    let behind = end;
    let missing: Range | null = end < size ? { from: Math.max(0, end - 1), to: size } : null;
    while (behind > 0 && sum < this.#view + BEYOND) {
      const piece = this.#before(behind);
      if (piece === null) {
        missing = this.#around(behind - 1);
        break;
      }
      rows.push(piece);
      sum += this.#heightOf(piece);
      behind = piece.start;
    }
    if (behind > 0 && sum < this.#view && this.#frame.rows.length > 0) {
      // Better what was shown until now than half of what is new.
      return { ...this.#frame, missing, isFollowing: true, scrollTop: this.#scrollTop };
    }
    rows.reverse();
    const top = behind === 0 ? 0 : this.#topFrom(rows, behind, sum);
    const laid = this.#stacked(rows, top);
    const height = top + sum;
    const scrollTop = Math.max(0, height - this.#view);
    return { rows: laid, height, scrollTop, missing, isFollowing: true, hasEnd: true };
  }

  /**
   * Returns where the first of `pieces` is laid out: so that what was laid out already stays
   * where it is, and the reader sees nothing but scrolling.
   */
  #topFrom(pieces: readonly Piece[], behind: number, sum: number): number {
    const usual = Math.max(BEYOND, Math.round(behind * this.#scale()));
    const known = new Map(this.#frame.rows.map((row) => [row.piece.start, row.top]));
    let above = 0;
    for (const piece of pieces) {
      const at = known.get(piece.start);
      if (at !== undefined) {
        const top = at - above;
        return top >= BEYOND && top + sum < 1.5 * HIGHEST ? top : usual;
      }
      above += this.#heightOf(piece);
    }
    return usual;
  }

  #fromPlace(hold: { at: number; y: number }): Frame {
    const { size } = this.pieces;
    const above: Piece[] = [];
    let missing: Range | null = null;
    let top = hold.y;
    let behind = hold.at;
    while (behind > 0 && top > this.#scrollTop - BEYOND) {
      const piece = this.#before(behind);
      if (piece === null) {
        missing = this.#around(behind - 1);
        break;
      }
      above.push(piece);
      top -= this.#heightOf(piece);
      behind = piece.start;
    }
    const below: Piece[] = [];
    let bottom = hold.y;
    let next = hold.at;
    while (next < size && bottom < this.#scrollTop + this.#view + BEYOND) {
      const piece = this.pieces.piece(next);
      if (piece === null) {
        missing = {
          from: missing?.from ?? Math.max(0, next - AROUND),
          to: Math.min(size, next + 2 * AROUND),
        };
        break;
      }
      below.push(piece);
      bottom += this.#heightOf(piece);
      next = piece.next;
    }
    const scale = this.#scale();
    let shift = 0;
    if (behind === 0) {
      shift = -top;
    } else if (top < BEYOND) {
      shift = Math.max(Math.round(behind * scale), 2 * BEYOND) - top;
    }
    above.reverse();
    const rows = this.#stacked([...above, ...below], top + shift);
    const hasEnd = next >= size;
    const height = bottom + shift + Math.round((size - next) * scale);
    // A file shorter than the view begins at its top.
    const most = hasEnd ? Math.max(0, height - this.#view) : Number.POSITIVE_INFINITY;
    const scrollTop = Math.min(Math.max(0, this.#scrollTop + shift), most);
    const frame = { rows, height, scrollTop, missing, isFollowing: false, hasEnd };
    this.#hold = this.#anchored(frame);
    return frame;
  }

  /** Returns the piece that ends at `behind`. */
  #before(behind: number): Piece | null {
    const begin = this.pieces.beginning(behind - 1);
    return begin === null ? null : this.pieces.piece(begin);
  }

  /** Holds the first row that can be seen. */
  #anchored(frame: Frame): Hold {
    const row =
      frame.rows.find((each) => each.top + each.height > frame.scrollTop) ?? frame.rows.at(-1) ?? null;
    return row === null ? this.#hold : { kind: "place", at: row.piece.start, y: row.top };
  }

  #stacked(pieces: readonly Piece[], top: number): Row[] {
    let y = top;
    return pieces.map((piece) => {
      const row = { piece, top: y, height: this.#heightOf(piece) };
      y += row.height;
      return row;
    });
  }

  #heightOf(piece: Piece): number {
    return this.#heights.get(piece.start) ?? this.rowHeight;
  }

  /** Px for a byte. */
  #scale(): number {
    return Math.min(this.rowHeight / USUAL_LINE, HIGHEST / Math.max(1, this.pieces.size));
  }
}
