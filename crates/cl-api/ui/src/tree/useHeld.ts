import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** How long what changes is held back after somebody moved in it, in milliseconds. */
export const HOLD = 1200;
/** The longest time in one go: whoever moves all the time gets to see something new in the end. */
const LONGEST = 15_000;

/**
 * Holds a new value back while somebody moves within what it shows; `hold` says that he does.
 * A change of `asked` shows the newest at once.
 */
export function useHeld<T>(
  newest: T,
  asked: string,
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
  let value = state.value;
  if (state.asked !== asked) {
    value = newest;
    setState({ value: newest, asked });
  }
  useEffect(() => {
    if (state.value === newest) {
      heldSince.current = undefined;
      return;
    }
    heldSince.current ??= Date.now();
    const longest = heldSince.current + LONGEST;
    let timer: ReturnType<typeof setTimeout>;
    const look = () => {
      const now = Date.now();
      const end = Math.min(until.current, longest);
      if (now >= end) setState({ value: newest, asked });
      else timer = setTimeout(look, end - now);
    };
    look();
    return () => clearTimeout(timer);
  }, [newest, asked, state.value]);
  const hold = useCallback(() => {
    until.current = Date.now() + HOLD;
  }, []);
  const setPointedAt = useCallback((key: string | undefined) => {
    pointedAt.current = key;
    // Who leaves holds nothing any more; the next look shows the newest.
    if (key === undefined) until.current = 0;
  }, []);
  return { value, hold, pointedAt, setPointedAt };
}
