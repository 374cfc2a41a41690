/** Which message of each bus somebody has seen last, in local storage. */

const KEY = "conductor.seen";
const MOST = 300;

type Shelf = Pick<Storage, "getItem" | "setItem">;

/** Returns the message that was seen last; none if the bus was never looked at. */
export function lastSeen(shelf: Shelf, bus: string): string | undefined {
  return read(shelf).get(bus);
}

/** Remembers what was seen; of buses that nobody has looked at for long, nothing is kept. */
export function markSeen(shelf: Shelf, bus: string, id: string): void {
  const seen = read(shelf);
  if (seen.get(bus) === id) return;
  seen.delete(bus);
  seen.set(bus, id);
  while (seen.size > MOST) seen.delete(seen.keys().next().value ?? "");
  try {
    shelf.setItem(KEY, JSON.stringify([...seen]));
  } catch {
    // Then everything is as unread as before.
  }
}

function read(shelf: Shelf): Map<string, string> {
  try {
    const value: unknown = JSON.parse(shelf.getItem(KEY) ?? "[]");
    if (!Array.isArray(value)) return new Map();
    const isPair = (pair: unknown): pair is [string, string] =>
      Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "string";
    return new Map(value.filter(isPair));
  } catch {
    return new Map();
  }
}

/** Returns the messages that came after the one that was seen last; `items` is newest first. */
export function unseenOf(items: readonly { msg_id: string }[], seen: string | undefined): Set<string> {
  // Of a bus that was never looked at, or whose seen message is long gone, nothing is new.
  const at = seen === undefined ? -1 : items.findIndex((item) => item.msg_id === seen);
  return new Set(items.slice(0, Math.max(0, at)).map((item) => item.msg_id));
}
