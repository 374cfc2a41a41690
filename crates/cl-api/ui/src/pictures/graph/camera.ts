/** Pan and zoom of a plane. Pure. */

import type { Point } from "./layout";

/** The plane is scaled first and moved then. */
export interface Camera {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export const CLOSEST = 2;
export const FURTHEST = 0.02;
/** Free room around everything, in pixels. */
const PAD = 24;

/** Shows everything, no closer than life. */
export function fitted(content: Size, view: Size): Camera {
  if (content.width <= 0 || content.height <= 0 || view.width <= 0 || view.height <= 0) {
    return { x: PAD, y: PAD, scale: 1 };
  }
  const wide = (view.width - 2 * PAD) / content.width;
  const high = (view.height - 2 * PAD) / content.height;
  const scale = clamp(Math.min(wide, high, 1), FURTHEST, 1);
  return {
    scale,
    x: Math.max(PAD, (view.width - content.width * scale) / 2),
    y: Math.max(PAD, (view.height - content.height * scale) / 2),
  };
}

/** Zooms while the point of the view `at` stays over the same point of the plane. */
export function zoomAt(camera: Camera, factor: number, at: Point): Camera {
  const scale = clamp(camera.scale * factor, FURTHEST, CLOSEST);
  const by = scale / camera.scale;
  return { scale, x: at.x - (at.x - camera.x) * by, y: at.y - (at.y - camera.y) * by };
}

/** Keeps a part of the content in sight. */
export function kept(camera: Camera, content: Size, view: Size): Camera {
  const margin = Math.min(120, view.width / 4, view.height / 4);
  const x = clamp(camera.x, margin - content.width * camera.scale, view.width - margin);
  const y = clamp(camera.y, margin - content.height * camera.scale, view.height - margin);
  return { ...camera, x, y };
}

/** Moves as little as is needed to see a box whole. */
export function revealing(camera: Camera, box: Point & Size, view: Size): Camera {
  const left = box.x * camera.scale + camera.x;
  const top = box.y * camera.scale + camera.y;
  const shift = (start: number, length: number, room: number) => {
    const pad = Math.min(PAD, Math.max(0, (room - length) / 2));
    if (start < pad) return pad - start;
    return start + length > room - pad ? room - pad - start - length : 0;
  };
  return {
    ...camera,
    x: camera.x + shift(left, box.width * camera.scale, view.width),
    y: camera.y + shift(top, box.height * camera.scale, view.height),
  };
}

/** What of the plane is seen, with a part of the view more on each side. */
export function seen(camera: Camera, view: Size, more = 0): Point & Size {
  const [width, height] = [view.width / camera.scale, view.height / camera.scale];
  return {
    x: -camera.x / camera.scale - width * more,
    y: -camera.y / camera.scale - height * more,
    width: width * (1 + 2 * more),
    height: height * (1 + 2 * more),
  };
}

/** The nearest of `points` in a direction, as arrow keys go; its place, or -1. */
export function neighbour(points: readonly Point[], from: number, key: string): number {
  const start = points[from];
  if (!start) return points.length > 0 ? 0 : -1;
  let [best, shortest] = [-1, Infinity];
  for (const [index, point] of points.entries()) {
    if (index === from) continue;
    const [dx, dy] = [point.x - start.x, point.y - start.y];
    const [ahead, aside] = ((): [number, number] => {
      if (key === "ArrowRight") return [dx, dy];
      if (key === "ArrowLeft") return [-dx, dy];
      if (key === "ArrowDown") return [dy, dx];
      return [-dy, dx];
    })();
    // What is further aside than ahead lies in another direction.
    if (ahead <= 0 || Math.abs(aside) > ahead * 2) continue;
    const far = ahead + Math.abs(aside) * 1.5;
    if (far < shortest) [best, shortest] = [index, far];
  }
  return best;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(Math.min(least, most), Math.min(value, Math.max(least, most)));
}
