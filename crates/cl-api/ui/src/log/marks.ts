/** Marking what was searched for in spans of a line. */

import type { Span } from "./ansi";
import { placesOf } from "./search";

/** A span, or a part of one that is to be marked. */
export interface Marked extends Span {
  readonly isMarked?: true;
}

/** Cuts spans where `needle` begins and ends, also when it lies across several. */
export function marked(spans: readonly Span[], needle: string): readonly Marked[] {
  const text = spans.map((span) => span.text).join("");
  const places = placesOf(text, needle);
  if (places.length === 0) {
    return spans;
  }
  const cut: Marked[] = [];
  let at = 0;
  let next = 0;
  for (const span of spans) {
    const end = at + span.text.length;
    let from = at;
    while (from < end) {
      const place = places[next];
      if (!place || place.from >= end) {
        cut.push({ ...span, text: span.text.slice(from - at) });
        break;
      }
      if (place.from > from) {
        cut.push({ ...span, text: span.text.slice(from - at, place.from - at) });
        from = place.from;
      }
      const to = Math.min(place.to, end);
      cut.push({ ...span, text: span.text.slice(from - at, to - at), isMarked: true });
      from = to;
      if (place.to <= end) {
        next += 1;
      }
    }
    at = end;
  }
  return cut;
}
