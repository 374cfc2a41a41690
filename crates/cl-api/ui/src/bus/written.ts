/**
 * What somebody is writing: it outlives the panel that it is written in, and a reload of the page.
 * Each tab of the browser has its own, so that two of them do not write over each other.
 */

import { useCallback, useState } from "react";
import { randomText } from "../act/ids";

const TEXT = "conductor.written.";
const SENT = "conductor.sent.";

/** Returns what was written at a place, such as the path of a bus. */
export function written(place: string): string {
  return read(TEXT + place) ?? "";
}

/** Keeps what is written at a place; nothing is kept of an empty text. */
export function keepWritten(place: string, text: string): void {
  write(TEXT + place, text === "" ? undefined : text);
}

/** What is left when `sent` was posted and somebody wrote on meanwhile. */
export function leftOf(text: string, sent: string): string {
  if (text.trim() === sent.trim()) return "";
  return text.startsWith(sent) ? text.slice(sent.length).trimStart() : text;
}

/** What is written at a place, how it is changed, and how what was posted is taken out of it. */
export function useWritten(place: string): [string, (text: string) => void, (sent: string) => void] {
  const [text, setText] = useState(() => written(place));
  const change = useCallback(
    (text: string) => {
      keepWritten(place, text);
      setText(text);
    },
    [place],
  );
  const posted = useCallback(
    (sent: string) => {
      // The panel may be gone by now: what is kept has to go all the same.
      keepWritten(place, leftOf(written(place), sent));
      setText((text) => leftOf(text, sent));
    },
    [place],
  );
  return [text, change, posted];
}

/** Returns the key to send a message with: the same as long as the last one is sent again unchanged. */
export function keyToSend(path: string, body: string): string {
  const last = read(SENT + path);
  const at = last?.indexOf(" ") ?? -1;
  if (last !== undefined && last.slice(at + 1) === body) return last.slice(0, at);
  const key = `ui-${randomText(26)}`;
  write(SENT + path, `${key} ${body}`);
  return key;
}

/** Forgets the key of a message that has arrived. */
export function forgetKey(path: string, key: string): void {
  if (read(SENT + path)?.startsWith(`${key} `)) write(SENT + path, undefined);
}

/** Where the browser keeps nothing, what is written is kept for as long as the page. */
const here = new Map<string, string>();

function read(name: string): string | undefined {
  const kept = here.get(name);
  if (kept !== undefined) return kept;
  try {
    return sessionStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(name: string, text: string | undefined): void {
  here.delete(name);
  try {
    if (text === undefined) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    if (text !== undefined) here.set(name, text);
  }
}
