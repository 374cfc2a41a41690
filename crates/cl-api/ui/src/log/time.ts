/** When lines were written, where they say so. */

import type { LogDocument, Piece } from "./document";

const STAMP = /\b(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?/;
/* Epoch milliseconds as JSON streams have them. */
const EPOCH = /"timestamp":\s?(1\d{12})\b/;
const LOOKED_AT = 4096;

/** Returns when a line was written, in ms since 1970; times without a zone are taken for UTC. */
export function timeOf(text: string): number | null {
  const found = STAMP.exec(text);
  if (found) {
    const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = found;
    const offset = zone === "Z" ? "Z" : zone.replace(/(\d\d):?(\d\d)$/, "$1:$2");
    const ms = fraction.slice(0, 3).padEnd(3, "0");
    const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}${offset}`);
    return Number.isNaN(time) ? null : time;
  }
  const epoch = EPOCH.exec(text)?.[1];
  return epoch === undefined ? null : Number(epoch);
}

/** Finds the first line written at `time` or later; nothing where lines do not say when. */
export async function placeOfTime(
  document: LogDocument,
  time: number,
  signal?: AbortSignal,
): Promise<number | null> {
  let low = 0;
  let high = document.size;
  let found: number | null = null;
  // Each step halves what is left: a file of any size takes less than fifty.
  for (let step = 0; step < 60 && low < high; step += 1) {
    signal?.throwIfAborted();
    const middle = Math.floor((low + high) / 2);
    const stamped = await nextStamped(document, middle, high, signal);
    if (stamped === null) {
      high = middle;
      continue;
    }
    if (stamped.time >= time) {
      found = stamped.piece.start;
      high = middle;
    } else {
      low = stamped.piece.next;
    }
  }
  return found;
}

/** Finds the first line that says when it was written, in the next few blocks. */
async function nextStamped(
  document: LogDocument,
  from: number,
  to: number,
  signal?: AbortSignal,
): Promise<{ piece: Piece; time: number } | null> {
  await document.load(Math.max(0, from - 2 * 65_536), Math.min(document.size, from + 4 * 65_536));
  signal?.throwIfAborted();
  let start = document.beginning(from);
  for (let count = 0; start !== null && start < to && count < 2000; count += 1) {
    const piece = document.piece(start);
    if (piece === null) {
      return null;
    }
    const time = timeOf(document.text(piece, LOOKED_AT).text);
    if (time !== null) {
      return { piece, time };
    }
    start = piece.next;
  }
  return null;
}
