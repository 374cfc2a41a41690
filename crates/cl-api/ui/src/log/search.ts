/**
 * Searching a file of any size: the server reads it piece by piece, and says how far it came.
 */

/** A place where the text was found. */
export interface Hit {
  readonly at: number;
  /** What stands around it in its line. */
  readonly excerpt: string;
}

/** What one request found. */
export interface Found {
  readonly hits: readonly Hit[];
  /** Where to go on; nothing at the end. */
  readonly next: number | null;
  readonly size_bytes: number;
}

/** Asks for what is found from `from` on. */
export type AskForHits = (text: string, from: number, limit: number, signal: AbortSignal) => Promise<Found>;

/** How a search stands. */
export interface Search {
  readonly text: string;
  readonly hits: readonly Hit[];
  /** Up to where it has been searched, of how many bytes. */
  readonly scanned: number;
  readonly size: number;
  /** `full`: there are more hits than are kept. */
  readonly state: "running" | "done" | "full" | "cancelled" | "failed";
  readonly failure: unknown;
}

/** How many hits are kept. */
export const MOST_HITS = 1000;
/** How many hits one request may answer. */
const AT_ONCE = 200;

export function begun(text: string): Search {
  return { text, hits: [], scanned: 0, size: 0, state: "running", failure: null };
}

/** Searches from `from` to the end; yields after each request, and ends with the signal. */
export async function* searching(
  ask: AskForHits,
  text: string,
  from: number,
  signal: AbortSignal,
  most = MOST_HITS,
): AsyncGenerator<Search, void, void> {
  let search = { ...begun(text), scanned: from };
  let next: number | null = from;
  while (next !== null) {
    let found: Found;
    try {
      found = await ask(text, next, Math.min(AT_ONCE, most - search.hits.length), signal);
    } catch (failure) {
      yield signal.aborted ? { ...search, state: "cancelled" } : { ...search, state: "failed", failure };
      return;
    }
    if (signal.aborted) {
      yield { ...search, state: "cancelled" };
      return;
    }
    const hits = [...search.hits, ...found.hits];
    // An answer that does not get on would be asked for again without end.
    const isOn: boolean = found.next !== null && found.next > next;
    next = isOn ? found.next : null;
    const isFull = isOn && hits.length >= most;
    search = {
      ...search,
      hits,
      size: found.size_bytes,
      scanned: next ?? found.size_bytes,
      state: isFull ? "full" : isOn ? "running" : "done",
    };
    yield search;
    if (isFull) {
      return;
    }
  }
}

/** Returns the hit behind `at`, or before it; around the ends. */
export function hitFrom(hits: readonly Hit[], at: number, direction: "next" | "previous"): number | null {
  if (hits.length === 0) {
    return null;
  }
  if (direction === "next") {
    const index = hits.findIndex((hit) => hit.at > at);
    return Math.max(index, 0);
  }
  const index = hits.findLastIndex((hit) => hit.at < at);
  return index < 0 ? hits.length - 1 : index;
}

/** Returns where `needle` stands in what is shown of a line, without regard to case. */
export function placesOf(text: string, needle: string): { from: number; to: number }[] {
  const places: { from: number; to: number }[] = [];
  if (needle === "") {
    return places;
  }
  // Small letters may be longer than large ones; then places would not fit.
  const lower = text.toLowerCase();
  const [where, what] = lower.length === text.length ? [lower, needle.toLowerCase()] : [text, needle];
  for (
    let at = where.indexOf(what);
    at >= 0 && places.length < 200;
    at = where.indexOf(what, at + what.length)
  ) {
    places.push({ from: at, to: at + what.length });
  }
  return places;
}
