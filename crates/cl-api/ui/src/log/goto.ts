/** What one can type to go to a place of a file. */

import { timeOf } from "./time";

export type Target =
  | { readonly kind: "byte"; readonly at: number }
  | { readonly kind: "share"; readonly share: number }
  | { readonly kind: "time"; readonly time: number };

/** Reads `50%`, `byte 12345` or `@12345`, `14:05`, `14:05:09`, `2026-02-23 14:05:09`; nothing if it is none of these. */
export function targetOf(text: string, now: Date): Target | null {
  const typed = text.trim();
  const share = /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(typed)?.[1];
  if (share !== undefined) {
    return Number(share) <= 100 ? { kind: "share", share: Number(share) / 100 } : null;
  }
  const byte = /^(?:byte\s+|@)?(\d{1,15})$/i.exec(typed)?.[1];
  if (byte !== undefined) {
    return { kind: "byte", at: Number(byte) };
  }
  const clock = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(typed);
  if (clock) {
    const [hour = 0, minute = 0, second = 0] = clock.slice(1).map((part) => Number(part ?? 0));
    if (hour > 23 || minute > 59 || second > 59) {
      return null;
    }
    const time = new Date(now);
    time.setHours(hour, minute, second, 0);
    // A time of day that is still to come is the one of yesterday.
    if (time > now) {
      time.setDate(time.getDate() - 1);
    }
    return { kind: "time", time: time.getTime() };
  }
  const day = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?$/.exec(typed);
  if (day) {
    // As people mean it: where they are.
    const time = Date.parse(`${day[1]}T${day[2] ?? "00:00"}${day[3] ?? ":00"}`);
    return Number.isNaN(time) ? null : { kind: "time", time };
  }
  const time = timeOf(typed);
  return time === null ? null : { kind: "time", time };
}
