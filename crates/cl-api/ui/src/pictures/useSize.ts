import { type RefObject, useLayoutEffect, useRef, useState } from "react";

/** The size of an element in pixels, kept up to date. */
export function useSize<E extends HTMLElement>(
  usual = { width: 800, height: 480 },
): [RefObject<E | null>, { width: number; height: number }] {
  const ref = useRef<E>(null);
  const [size, setSize] = useState(usual);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width > 0 && height > 0) {
        setSize((known) => (known.width === width && known.height === height ? known : { width, height }));
      }
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}
