import { useCallback, useRef, useSyncExternalStore } from "react";
import { live } from "../live/store";
import type { World } from "../live/world";

/** How long a picture of many tasks stays as it is at the least, in milliseconds. */
const HOLD = 250;

/**
 * A part of what is known, at most four times a second: pictures of many tasks are not drawn
 * anew for each of many changes. The last state is always shown in the end. `key` says all that
 * `read` depends on but the world; what it returns is kept while `isSame` finds no difference.
 */
export function useSettled<T>(key: string, read: (world: World) => T, isSame: (a: T, b: T) => boolean): T {
  const kept = useRef<{ key: string; world: World; value: T } | undefined>(undefined);
  const latest = useRef({ read, isSame });
  latest.current = { read, isSame };

  const take = (world: World): T => {
    const before = kept.current;
    if (before && before.key === key && before.world === world) return before.value;
    const found = latest.current.read(world);
    const value =
      before && before.key === key && latest.current.isSame(before.value, found) ? before.value : found;
    kept.current = { key, world, value };
    return value;
  };
  const subscribe = useCallback((heard: () => void) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isDue = false;
    const rest = () => {
      timer = undefined;
      if (isDue) tell();
    };
    const tell = () => {
      isDue = false;
      kept.current = kept.current && { ...kept.current, world: stale };
      timer = setTimeout(rest, HOLD);
      heard();
    };
    const stop = live.subscribe(() => {
      if (timer === undefined) tell();
      else isDue = true;
    });
    // What changed before this was subscribed is told by nobody.
    if (kept.current && kept.current.world !== live.getState()) tell();
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
  const snapshot = () => {
    const before = kept.current;
    // Between two looks the world may move on; what is shown does not.
    if (before && before.key === key && before.world !== stale) return before.value;
    return take(live.getState());
  };
  return useSyncExternalStore(subscribe, snapshot);
}

/** Stands for a world that is no longer to be believed. */
const stale = {} as World;

/** Two lists with the same things in the same order. */
export function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
