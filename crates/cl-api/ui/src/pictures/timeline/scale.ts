/** A stretch of time on a line of pixels: zoom, pan and where marks stand. Pure. */

/** The part of time that is seen, in milliseconds. */
export interface Window {
  from: number;
  to: number;
}

/** Nobody looks closer than this. */
export const SHORTEST = 500;
/** An empty stretch at both ends, as a part of the whole. */
const MARGIN = 0.015;

/** What is seen when everything is: a little more than there is. */
export function whole(from: number, to: number): Window {
  const length = Math.max(to - from, SHORTEST);
  return { from: from - length * MARGIN, to: from + length * (1 + MARGIN) };
}

/** Keeps a window within what there is, with its length where possible. */
export function within(window: Window, bounds: Window): Window {
  const most = bounds.to - bounds.from;
  const length = Math.min(Math.max(window.to - window.from, Math.min(SHORTEST, most)), most);
  const from = Math.min(Math.max(window.from, bounds.from), bounds.to - length);
  return { from, to: from + length };
}

/** Zooms by `factor` (below 1 is closer) while the time `at` stays where it is. */
export function zoomed(window: Window, factor: number, at: number, bounds: Window): Window {
  const length = window.to - window.from;
  const next = Math.min(Math.max(length * factor, SHORTEST), bounds.to - bounds.from);
  const part = length > 0 ? (at - window.from) / length : 0.5;
  return within({ from: at - next * part, to: at + next * (1 - part) }, bounds);
}

/** Moves a window by a part of its length. */
export function moved(window: Window, part: number, bounds: Window): Window {
  const by = (window.to - window.from) * part;
  return within({ from: window.from + by, to: window.to + by }, bounds);
}

/** Moves a window so that a stretch can be seen, and no more than needed. */
export function showing(window: Window, from: number, to: number, bounds: Window): Window {
  const length = window.to - window.from;
  const pad = length * 0.05;
  if (from >= window.from && to <= window.to) return window;
  if (to - from > length)
    return within({ from: from - (to - from) * 0.05, to: to + (to - from) * 0.05 }, bounds);
  if (from < window.from) return within({ from: from - pad, to: from - pad + length }, bounds);
  return within({ from: to + pad - length, to: to + pad }, bounds);
}

export function toPixels(window: Window, width: number): (at: number) => number {
  const perMs = width / Math.max(1, window.to - window.from);
  return (at) => (at - window.from) * perMs;
}

export interface Tick {
  at: number;
  label: string;
  /** A new day begins here. */
  isDay: boolean;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  100,
  200,
  500,
  SECOND,
  2 * SECOND,
  5 * SECOND,
  10 * SECOND,
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
  14 * DAY,
  30 * DAY,
  90 * DAY,
  365 * DAY,
];
/** So many marks at the most, whatever is asked. */
const MOST_TICKS = 60;

/** Marks at round times of the viewer's clock, at least `apart` pixels from each other. */
export function ticks(window: Window, width: number, apart = 90): Tick[] {
  const length = window.to - window.from;
  if (!(length > 0) || !(width > 0)) return [];
  const wanted = length / Math.min(MOST_TICKS, Math.max(1, Math.floor(width / apart)));
  const step = STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / DAY) * DAY;
  const marks: Tick[] = [];
  let at = firstTick(window.from, step);
  while (at <= window.to && marks.length < MOST_TICKS) {
    const date = new Date(at);
    const isDay =
      date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0 && at % SECOND === 0;
    marks.push({ at, isDay, label: isDay ? dayText(date) : clockText(date, step) });
    at = nextTick(at, step);
  }
  return marks;
}

function firstTick(from: number, step: number): number {
  const date = new Date(from);
  date.setHours(0, 0, 0, 0);
  let at = date.getTime();
  if (step >= DAY) {
    while (at < from) at = nextTick(at, DAY);
    return at;
  }
  at += Math.floor((from - at) / step) * step;
  while (at < from) at += step;
  return at;
}

/** Days are counted by the calendar: where clocks change one is not 24 hours long. */
function nextTick(at: number, step: number): number {
  if (step < DAY) return at + step;
  const date = new Date(at);
  date.setDate(date.getDate() + Math.round(step / DAY));
  return date.getTime();
}

const two = (number: number) => String(number).padStart(2, "0");

function clockText(date: Date, step: number): string {
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (step >= MINUTE) return minutes;
  const seconds = `${minutes}:${two(date.getSeconds())}`;
  return step >= SECOND ? seconds : `${seconds}.${Math.floor(date.getMilliseconds() / 100)}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function dayText(date: Date): string {
  return `${date.getDate()} ${MONTHS[date.getMonth()]}`;
}

/** A bar on the screen. */
export interface Bar<T> {
  left: number;
  width: number;
  span: T;
  /** How many it stands for: bars that nobody could tell apart are drawn as one. */
  count: number;
}

/** The narrowest bar that can still be seen, in pixels. */
export const NARROWEST = 3;

/** The bars of one lane that are in sight; what falls onto the same pixels becomes one bar. */
export function bars<T extends { from: number; to: number | undefined; tone: string }>(
  spans: readonly T[],
  window: Window,
  width: number,
  now: number,
  most = 400,
): Bar<T>[] {
  const x = toPixels(window, width);
  const shown: Bar<T>[] = [];
  for (const span of spans) {
    const end = span.to ?? now;
    if (end < window.from || span.from > window.to) continue;
    const left = Math.max(-8, x(span.from));
    const right = Math.min(width + 8, x(Math.max(end, span.from)));
    const bar = { left, width: Math.max(NARROWEST, right - left), span, count: 1 };
    const last = shown.at(-1);
    const isLost = last !== undefined && bar.width <= NARROWEST && last.width <= NARROWEST * 2;
    if (last && isLost && left - last.left < NARROWEST && last.span.tone === span.tone) {
      last.width = Math.max(last.width, left + bar.width - last.left);
      last.count += 1;
    } else {
      shown.push(bar);
    }
  }
  if (shown.length <= most) return shown;
  // Too many even so: each stands for its neighbours.
  const each = Math.ceil(shown.length / most);
  const fewer: Bar<T>[] = [];
  for (let start = 0; start < shown.length; start += each) {
    const group = shown.slice(start, start + each);
    const [head] = group;
    const tail = group.at(-1);
    if (!head || !tail) continue;
    const count = group.reduce((sum, bar) => sum + bar.count, 0);
    fewer.push({ ...head, width: Math.max(head.width, tail.left + tail.width - head.left), count });
  }
  return fewer;
}
