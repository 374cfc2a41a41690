import { useSyncExternalStore } from "react";

/** What is selected, as it stands behind `#` in the address. */
export interface Route {
  project?: string;
  task?: string;
  run?: string;
  tab?: string;
  /** The message in focus. */
  msg?: string;
  /** The file shown. */
  file?: string;
  /** The place in it, in bytes. */
  at?: string;
  /** A view of the project or of everything: `graph`, `usage`, `bus`, … */
  view?: string;
}

const PLACES = [
  ["p", "project"],
  ["t", "task"],
  ["r", "run"],
] as const;
const QUESTIONS = ["tab", "msg", "file", "at", "view"] as const;

/** Reads what stands behind `#`; what is not understood is left out. */
export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const route: Route = {};
  const parts = path.split("/").filter(Boolean);
  for (const [index, [letter, name]] of PLACES.entries()) {
    const value = parts[index * 2 + 1];
    if (parts[index * 2] !== letter || value === undefined) break;
    route[name] = decode(value);
  }
  const asked = new URLSearchParams(query);
  for (const name of QUESTIONS) {
    const value = asked.get(name);
    if (value) route[name] = value;
  }
  return route;
}

/** Writes a route as it stands in the address. */
export function format(route: Route): string {
  let path = "";
  for (const [letter, name] of PLACES) {
    const value = route[name];
    if (value === undefined) break;
    path += `/${letter}/${encodeURIComponent(value)}`;
  }
  const asked = new URLSearchParams();
  for (const name of QUESTIONS) {
    const value = route[name];
    if (value) asked.set(name, value);
  }
  const query = asked.toString();
  return `#${path || "/"}${query && `?${query}`}`;
}

/**
 * Returns where one is after a change. A new project, task or run clears what is deeper and what
 * was asked of the old one, unless the change says it; `undefined` takes a value away.
 */
export function moved(from: Route, to: { [K in keyof Route]: Route[K] | undefined }): Route {
  const order = ["project", "task", "run"] as const;
  const next: { [K in keyof Route]: Route[K] | undefined } = { ...from };
  const changed = order.findIndex((name) => name in to && to[name] !== from[name]);
  if (changed >= 0) {
    for (const name of order.slice(changed)) next[name] = undefined;
    for (const name of ["msg", "file", "at", "view"] as const) next[name] = undefined;
    // A run is shown on the tab that one looks at; another task or project begins anew.
    if (changed < 2) next.tab = undefined;
  }
  if ("tab" in to && to.tab !== from.tab) next.at = undefined;
  Object.assign(next, to);
  return Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined));
}

let current = { hash: "", route: {} as Route };

function now(): Route {
  const hash = location.hash;
  if (hash !== current.hash) current = { hash, route: parse(hash) };
  return current.route;
}

function subscribe(heard: () => void): () => void {
  addEventListener("popstate", heard);
  addEventListener("hashchange", heard);
  return () => {
    removeEventListener("popstate", heard);
    removeEventListener("hashchange", heard);
  };
}

/** The route, kept up to date. */
export function useRoute(): Route {
  return useSyncExternalStore(subscribe, now);
}

/** Goes somewhere; `replace` leaves no step to go back to. */
export function go(
  to: { [K in keyof Route]: Route[K] | undefined },
  options: { replace?: boolean } = {},
): void {
  const hash = format(moved(now(), to));
  if (hash === location.hash) return;
  history[options.replace ? "replaceState" : "pushState"](null, "", hash);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** The address of a place, for links: back, forward and “open in a new tab” work. */
export function href(to: { [K in keyof Route]: Route[K] | undefined }): string {
  return format(moved({}, to));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
