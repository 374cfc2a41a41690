/** How the graph is looked at: where the camera stands, what of it is drawn, and what the pointer does. */
import {
  type PointerEvent,
  type RefObject,
  startTransition,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { type Camera, fitted, kept, type Size, seen, zoomAt } from "./camera";
import type { Point } from "./layout";
import type { Node } from "./model";

/**
 * Where one looks. Moving changes the style of the layer itself; what has to be drawn for it
 * follows when the movement has come to rest.
 */
export function useCamera(content: Size, view: Size) {
  const layer = useRef<HTMLDivElement>(null);
  const [camera, setCamera] = useState<Camera>(() => fitted(content, view));
  const now = useRef(camera);
  const frame = useRef<number>(undefined);
  const isOwn = useRef(false);

  const show = useCallback((next: Camera) => {
    now.current = next;
    if (layer.current) {
      layer.current.style.transform = `translate(${next.x}px, ${next.y}px) scale(${next.scale})`;
    }
    frame.current ??= requestAnimationFrame(() => {
      frame.current = undefined;
      setCamera(now.current);
    });
  }, []);
  const move = useCallback(
    (change: (camera: Camera) => Camera) => {
      isOwn.current = true;
      show(kept(change(now.current), content, view));
    },
    [show, content, view],
  );
  const jump = useCallback(
    (next: Camera) => {
      isOwn.current = false;
      show(next);
    },
    [show],
  );
  // As long as nobody has moved it, everything stays in sight.
  useLayoutEffect(() => {
    show(isOwn.current ? kept(now.current, content, view) : fitted(content, view));
  }, [show, content, view]);
  useEffect(
    () => () => {
      if (frame.current !== undefined) cancelAnimationFrame(frame.current);
    },
    [],
  );
  return { camera, layer, move, jump };
}

/** What is drawn: what is seen and as much around it, the same as long as that holds. */
export function useRegion(camera: Camera, view: Size): Point & Size {
  const kept = useRef<{ region: Point & Size; scale: number }>(undefined);
  const sight = seen(camera, view);
  const known = kept.current;
  const isInside =
    known !== undefined &&
    sight.x >= known.region.x &&
    sight.y >= known.region.y &&
    sight.x + sight.width <= known.region.x + known.region.width &&
    sight.y + sight.height <= known.region.y + known.region.height &&
    camera.scale / known.scale < 2;
  if (known && isInside) return known.region;
  const region = seen(camera, view, 0.75);
  kept.current = { region, scale: camera.scale };
  return region;
}

/** So many tasks more are drawn in one frame: no frame takes long, however many there are. */
const PER_FRAME = 48;

/** What is wanted, a few more in each frame; what is drawn already stays. */
export function useGradually(wanted: readonly Node[]): Node[] {
  const [drawn, setDrawn] = useState<ReadonlySet<string>>(() => new Set());
  let more = 0;
  let isWhole = true;
  const shown = wanted.filter((node) => {
    if (drawn.has(node.id)) return true;
    more += 1;
    if (more > PER_FRAME) isWhole = false;
    return more <= PER_FRAME;
  });
  const latest = useRef(shown);
  latest.current = shown;
  useEffect(() => {
    if (isWhole) return;
    const frame = requestAnimationFrame(() => {
      startTransition(() => setDrawn(new Set(latest.current.map((node) => node.id))));
    });
    return () => cancelAnimationFrame(frame);
  });
  return shown;
}

/** Dragging moves, the wheel zooms where the pointer is. */
export function usePan(
  ref: RefObject<HTMLElement | null>,
  move: (change: (camera: Camera) => Camera) => void,
) {
  const last = useRef<Point>(undefined);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const turned = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const at = { x: event.clientX - box.left, y: event.clientY - box.top };
      if (event.shiftKey) {
        const by = event.deltaX || event.deltaY;
        move((now) => ({ ...now, x: now.x - by }));
      } else {
        const turn = Math.max(-120, Math.min(120, event.deltaY));
        move((now) => zoomAt(now, Math.exp(-turn / 400), at));
      }
    };
    element.addEventListener("wheel", turned, { passive: false });
    return () => element.removeEventListener("wheel", turned);
  }, [ref, move]);
  return {
    onPointerDown(event: PointerEvent) {
      if (event.button !== 0 || (event.target as Element).closest("button")) return;
      last.current = { x: event.clientX, y: event.clientY };
      event.currentTarget.setPointerCapture(event.pointerId);
    },
    onPointerMove(event: PointerEvent) {
      const from = last.current;
      if (!from) return;
      last.current = { x: event.clientX, y: event.clientY };
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      move((now) => ({ ...now, x: now.x + dx, y: now.y + dy }));
    },
    onPointerUp() {
      last.current = undefined;
    },
    onPointerCancel() {
      last.current = undefined;
    },
  };
}
