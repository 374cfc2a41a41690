import { describe, expect, it } from "vitest";
import { fitted, kept, neighbour, revealing, seen, zoomAt } from "./camera";
import { type LayoutRequest, layout, NODE_HEIGHT, NODE_WIDTH, type Placed, partsOf, ranked } from "./layout";
import { pathsOf } from "./paths";

const names = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `t${index + from}`);

function overlaps(placed: Placed): number {
  let count = 0;
  for (const [index, a] of placed.nodes.entries()) {
    for (const b of placed.nodes.slice(index + 1)) {
      if (Math.abs(a.x - b.x) < NODE_WIDTH && Math.abs(a.y - b.y) < NODE_HEIGHT) count += 1;
    }
  }
  return count;
}

const at = (request: LayoutRequest, placed: Placed, id: string) =>
  placed.nodes[request.nodes.indexOf(id)] ?? { x: -1, y: -1 };

describe("the layout", () => {
  it("puts what waits to the right of what it waits for", () => {
    const request: LayoutRequest = {
      nodes: ["c", "b", "a", "alone"],
      edges: [
        ["a", "b"],
        ["b", "c"],
        ["a", "gone"],
      ],
    };
    const placed = layout(request);
    const x = (id: string) => at(request, placed, id).x;
    expect(x("a")).toBeLessThan(x("b"));
    expect(x("b")).toBeLessThan(x("c"));
    expect(overlaps(placed)).toBe(0);
  });

  it("packs tasks that nothing connects into a block, not a line", () => {
    const placed = layout({ nodes: names(1000), edges: [] });
    expect(overlaps(placed)).toBe(0);
    expect(placed.width / placed.height).toBeGreaterThan(0.8);
    expect(placed.width / placed.height).toBeLessThan(3);
  });

  it("opens circles", () => {
    const circle: LayoutRequest["edges"] = [
      ["t0", "t1"],
      ["t1", "t2"],
      ["t2", "t0"],
    ];
    expect(overlaps(layout({ nodes: names(3), edges: circle }))).toBe(0);
    const box = ranked({ nodes: names(3), edges: circle });
    expect(box.places).toHaveLength(3);
  });

  it("says how large everything is", () => {
    const placed = layout({ nodes: names(30), edges: names(10).map((id, index) => [id, `t${index + 15}`]) });
    for (const { x, y } of placed.nodes) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + NODE_WIDTH).toBeLessThanOrEqual(placed.width + 0.001);
      expect(y + NODE_HEIGHT).toBeLessThanOrEqual(placed.height + 0.001);
    }
  });

  it("ranks parts that are very large without a search", () => {
    const count = 1200;
    const edges = names(count - 1, 1).map((id, index): [string, string] => [`t${Math.floor(index / 3)}`, id]);
    const placed = layout({ nodes: names(count), edges });
    expect(overlaps(placed)).toBe(0);
  });

  it("is empty for an empty graph", () => {
    expect(layout({ nodes: [], edges: [] })).toEqual({ nodes: [], width: 0, height: 0 });
  });

  it("finds the parts", () => {
    const parts = partsOf({
      nodes: ["a", "b", "c", "d"],
      edges: [
        ["d", "a"],
        ["b", "b"],
      ],
    });
    expect(parts.map((part) => part.nodes)).toEqual([["a", "d"], ["b"], ["c"]]);
  });
});

describe("the camera", () => {
  const view = { width: 800, height: 400 };
  const content = { width: 4000, height: 1000 };

  it("shows everything, and nothing larger than life", () => {
    const camera = fitted(content, view);
    expect(camera.scale * content.width).toBeLessThanOrEqual(view.width);
    expect(fitted({ width: 10, height: 10 }, view).scale).toBe(1);
    expect(fitted({ width: 0, height: 0 }, view).scale).toBe(1);
  });

  it("zooms where the pointer is, within bounds", () => {
    const camera = { x: 10, y: 20, scale: 0.5 };
    const closer = zoomAt(camera, 2, { x: 100, y: 100 });
    expect((100 - closer.x) / closer.scale).toBeCloseTo((100 - camera.x) / camera.scale);
    expect(zoomAt(camera, 1000, { x: 0, y: 0 }).scale).toBe(2);
    expect(zoomAt(camera, 0.00001, { x: 0, y: 0 }).scale).toBe(0.02);
  });

  it("never loses everything from sight", () => {
    const away = kept({ x: 1e6, y: -1e6, scale: 1 }, content, view);
    const sight = seen(away, view);
    expect(sight.x + sight.width).toBeGreaterThan(0);
    expect(sight.y).toBeLessThan(content.height);
  });

  it("moves only as far as a task needs to be seen", () => {
    const camera = { x: 0, y: 0, scale: 1 };
    expect(revealing(camera, { x: 100, y: 100, width: 50, height: 20 }, view)).toEqual(camera);
    expect(revealing(camera, { x: 1000, y: 100, width: 50, height: 20 }, view).x).toBe(800 - 24 - 1050);
  });

  it("goes to the nearest task in the direction of an arrow", () => {
    const points = [
      { x: 0, y: 0 },
      { x: 100, y: 10 },
      { x: 300, y: 0 },
      { x: 0, y: 200 },
    ];
    expect(neighbour(points, 0, "ArrowRight")).toBe(1);
    expect(neighbour(points, 2, "ArrowLeft")).toBe(1);
    expect(neighbour(points, 0, "ArrowDown")).toBe(3);
    expect(neighbour(points, 0, "ArrowUp")).toBe(-1);
    expect(neighbour(points, -1, "ArrowUp")).toBe(0);
  });
});

it("draws all lines of a kind as one path", () => {
  const places = new Map([
    ["a", { x: 0, y: 0 }],
    ["b", { x: 300, y: 0 }],
  ]);
  const edge = { from: "a", to: "b", kind: "depends" as const, isBlocking: false };
  const paths = pathsOf([edge, { ...edge, from: "b", to: "a" }, { ...edge, to: "gone" }], places, true);
  expect(paths.lines.match(/M/g)).toHaveLength(2);
  expect(paths.heads.match(/Z/g)).toHaveLength(2);
});
