/**
 * The messages of one bus, newest first, each once.
 *
 * The order is that of the bus file: clocks of writers may disagree, and the file does not. Pages
 * come from the server oldest first and in one piece, so a page is put on one end as a whole.
 * What changes nothing returns the same state, so that nothing is drawn anew.
 */

import type { components } from "../api/schema";

export type Item = components["schemas"]["Item"];

export interface Messages {
  /** Newest first. */
  readonly items: readonly Item[];
  readonly byId: ReadonlyMap<string, Item>;
  /** There are older ones on the bus. */
  readonly hasOlder: boolean;
  /** The most that are kept; more once somebody has asked for older ones. */
  readonly limit: number;
}

/** How many are kept of a bus that is followed. */
export const KEPT = 1500;
/** How many at the most, when somebody reads on into the past. */
export const MOST_KEPT = 10_000;

export const NONE: Messages = { items: [], byId: new Map(), hasOlder: false, limit: KEPT };

/** Puts what came after the newest one in front; `page` is oldest first, as the server sends it. */
export function withNewer(now: Messages, page: readonly Item[]): Messages {
  const { fresh, changed } = sorted(now, page);
  if (fresh.length === 0) return replaced(now, changed);
  const kept = replaced(now, changed);
  const items = [...fresh.reverse(), ...kept.items];
  const isCut = items.length > now.limit;
  if (isCut) items.length = now.limit;
  return { ...now, items, byId: indexed(items), hasOlder: now.hasOlder || isCut };
}

/** Puts what came before the oldest one behind; room is made for it, up to a bound. */
export function withOlder(now: Messages, page: readonly Item[], hasOlder: boolean): Messages {
  const { fresh, changed } = sorted(now, page);
  const kept = replaced(now, changed);
  const limit = Math.min(MOST_KEPT, Math.max(now.limit, kept.items.length + fresh.length));
  const room = limit - kept.items.length;
  // The newer ones of the page: what is shown has no holes.
  const taken = fresh.reverse().slice(0, room);
  if (taken.length === 0 && kept === now && now.hasOlder === hasOlder) return now;
  const items = [...kept.items, ...taken];
  return { items, byId: indexed(items), hasOlder: hasOlder || taken.length < fresh.length, limit };
}

/** Starts again from the end of the bus, for its place was lost. Never empty because of that. */
export function startedAgain(now: Messages, page: readonly Item[], hasOlder: boolean): Messages {
  const items = sorted(NONE, page).fresh.reverse();
  const cut = items.slice(0, KEPT);
  const isSame = cut.length === now.items.length && cut.every((item, at) => isEqual(item, now.items[at]));
  if (isSame && now.hasOlder === hasOlder) return now;
  return { items: cut, byId: indexed(cut), hasOlder: hasOlder || cut.length < items.length, limit: KEPT };
}

/** Returns the place from which newer messages are asked for. */
export function newestOf(now: Messages): string | undefined {
  return now.items[0]?.msg_id;
}

/** Returns the place before which older messages are asked for. */
export function oldestOf(now: Messages): string | undefined {
  return now.items.at(-1)?.msg_id;
}

/** Parts a page in what is new and what is known and is another now. Each id counts once. */
function sorted(now: Messages, page: readonly Item[]): { fresh: Item[]; changed: Map<string, Item> } {
  const fresh = new Map<string, Item>();
  const changed = new Map<string, Item>();
  for (const item of page) {
    const known = now.byId.get(item.msg_id);
    if (known) {
      // One that is older than what is shown is the past of it.
      if (item.timestamp >= known.timestamp && !isEqual(item, known)) changed.set(item.msg_id, item);
      continue;
    }
    const twin = fresh.get(item.msg_id);
    if (!twin || item.timestamp >= twin.timestamp) fresh.set(item.msg_id, item);
  }
  return { fresh: [...fresh.values()], changed };
}

function replaced(now: Messages, changed: ReadonlyMap<string, Item>): Messages {
  if (changed.size === 0) return now;
  const items = now.items.map((item) => changed.get(item.msg_id) ?? item);
  return { ...now, items, byId: indexed(items) };
}

function indexed(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [item.msg_id, item]));
}

function isEqual(one: Item, other: Item | undefined): boolean {
  if (one === other) return true;
  if (!other || one.body !== other.body || one.timestamp !== other.timestamp) return false;
  return JSON.stringify(one) === JSON.stringify(other);
}
