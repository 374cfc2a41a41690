import { useSyncExternalStore } from "react";

/** How long something took or takes, from seconds: `7s`, `4m03s`, `2h05m`, `3d04h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 120) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m${two(whole % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

/** How long ago, in one word: `now`, `12s ago`, `5m ago`, `3h ago`, `4d ago`; `in …` for the future. */
export function formatAgo(then: number, now: number): string {
  const seconds = Math.round((now - then) / 1000);
  const size = Math.abs(seconds);
  if (size < 5) return "now";
  let text: string;
  if (size < 60) text = `${size}s`;
  else if (size < 3600) text = `${Math.floor(size / 60)}m`;
  else if (size < 86_400) text = `${Math.floor(size / 3600)}h`;
  else text = `${Math.floor(size / 86_400)}d`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** The local time of day, `13:05:09`. */
export function formatClock(then: Date): string {
  return then.toLocaleTimeString("en-GB", { hour12: false });
}

/** The local date and time, `2026-02-23 13:05:09`. */
export function formatDate(then: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${formatClock(then)}`;
}

/** Reads a time of the server; the zero time is none. */
export function parseTime(text: string | null | undefined): number | undefined {
  if (!text || text.startsWith("0001-01-01")) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** How many bytes, `812 B`, `4.2 kB`, `1.1 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = "B";
  for (const next of ["kB", "MB", "GB", "TB"]) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

// One clock for the page: it ticks only while something shows a time and the page is visible.
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  if (typeof document !== "undefined" && document.hidden) return;
  now = Date.now();
  for (const heard of listeners) heard();
}

function subscribe(heard: () => void): () => void {
  listeners.add(heard);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(heard);
    if (listeners.size === 0 && timer !== undefined) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

const COARSE = 15_000;

/**
 * The present, in milliseconds, every second, or every 15 s where nobody looks for seconds.
 * Nothing is drawn anew between the steps.
 */
export function useNow(step: "second" | "coarse" | "never" = "second"): number {
  return useSyncExternalStore(step === "never" ? never : subscribe, () => {
    if (timer === undefined) now = Date.now() - (Date.now() % 1000);
    if (step === "never") return 0;
    return step === "coarse" ? now - (now % COARSE) : now - (now % 1000);
  });
}

const never = () => () => {};
