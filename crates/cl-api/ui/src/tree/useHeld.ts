import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** How long what changes is held back after somebody moved in it, in milliseconds. */
const HOLD = 1200;
/** The longest time in one go: whoever points here for a minute gets to see something new in the end. */
const LONGEST = 60_000;

/**
 * Holds a new value back while somebody points at what it shows. It is shown once he leaves; while
 * he rests, if that moves nothing below the pointer (`isQuiet`); and at once when `asked` changes,
 * which is what he asked for by hand. `hold` says that he moves.
 */
export function useHeld<T>(
  newest: T,
  asked: string,
  isQuiet: RefObject<(value: T) => boolean>,
): {
  value: T;
  hold: () => void;
  pointedAt: RefObject<string | undefined>;
  setPointedAt: (key: string | undefined) => void;
} {
  const [state, setState] = useState({ value: newest, asked });
  const until = useRef(0);
  const heldSince = useRef<number | undefined>(undefined);
  const pointedAt = useRef<string | undefined>(undefined);
  const look = useRef(() => {});
  let { value } = state;
  if (state.asked !== asked) {
    value = newest;
    setState({ value: newest, asked });
  }
  useEffect(() => {
    if (state.value === newest) {
      heldSince.current = undefined;
      look.current = () => {};
      return;
    }
    heldSince.current ??= Date.now();
    const longest = heldSince.current + LONGEST;
    let timer: ReturnType<typeof setTimeout> | undefined;
    look.current = () => {
      clearTimeout(timer);
      const now = Date.now();
      const isFree = pointedAt.current === undefined || now >= longest;
      if (isFree || (now >= until.current && isQuiet.current(newest))) {
        setState({ value: newest, asked });
      } else {
        timer = setTimeout(() => look.current(), Math.max(50, Math.min(until.current - now, HOLD)));
      }
    };
    look.current();
    return () => clearTimeout(timer);
  }, [newest, asked, state.value, isQuiet]);
  const hold = useCallback(() => {
    until.current = Date.now() + HOLD;
  }, []);
  const setPointedAt = useCallback((key: string | undefined) => {
    pointedAt.current = key;
    if (key === undefined) look.current();
  }, []);
  return { value, hold, pointedAt, setPointedAt };
}
