import { describe, expect, it, vi } from "vitest";
import { BLOCK } from "./blocks";
import { LogDocument } from "./document";
import { Endless, FakeFile } from "./testing";
import { type Frame, ScrollWindow } from "./window";

vi.setConfig({ testTimeout: 60_000 });

const ROW = 20;
const VIEW = 400;

async function settled(document: LogDocument, view: ScrollWindow): Promise<Frame> {
  for (let round = 0; round < 60; round += 1) {
    const frame = view.layOut();
    if (!frame.missing) {
      return frame;
    }
    await document.load(frame.missing.from, frame.missing.to);
  }
  throw new Error("never settled");
}

async function opened(
  source: FakeFile | Endless,
): Promise<{ document: LogDocument; view: ScrollWindow; frame: Frame }> {
  const document = new LogDocument(source);
  await document.look();
  const view = new ScrollWindow(document, ROW);
  view.resized(VIEW);
  return { document, view, frame: await settled(document, view) };
}

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join("");

/** Where on the screen pieces stand. */
function seen(frame: Frame): Map<number, number> {
  return new Map(frame.rows.map((row) => [row.piece.start, row.top - frame.scrollTop]));
}

function bottomOf(frame: Frame): number {
  const last = frame.rows.at(-1);
  return last ? last.top + last.height : 0;
}

describe("the view of a file", () => {
  it("begins at its end and follows it", async () => {
    const file = new FakeFile(lines(0, 1000));
    const { document, view, frame } = await opened(file);
    expect(frame.isFollowing).toBe(true);
    expect(bottomOf(frame)).toBe(frame.height);
    expect(frame.scrollTop).toBe(frame.height - VIEW);
    file.append(lines(1000, 3000));
    document.grown(file.size);
    const next = await settled(document, view);
    expect(next.rows.at(-1)?.piece.next).toBe(file.size);
    expect(next.scrollTop).toBe(next.height - VIEW);
  });

  it("goes on following although it hears late of where it was scrolled to by itself", async () => {
    const file = new FakeFile(lines(0, 1000));
    const { document, view, frame } = await opened(file);
    view.drawn(frame.scrollTop);
    file.append(lines(1000, 2000));
    document.grown(file.size);
    await settled(document, view);
    // Laid out, but not drawn yet.
    view.scrolled(frame.scrollTop);
    expect((await settled(document, view)).isFollowing).toBe(true);
    view.drawn(view.frame.scrollTop);
    view.scrolled(view.frame.scrollTop - 200);
    expect((await settled(document, view)).isFollowing).toBe(false);
  });

  it("goes on following when the browser scrolls because the view has become higher", async () => {
    const file = new FakeFile(lines(0, 1000));
    const { document, view, frame } = await opened(file);
    view.drawn(frame.scrollTop);
    file.append(lines(1000, 1040));
    document.grown(file.size);
    // Laid out, but not drawn yet.
    await settled(document, view);
    view.resized(VIEW + 200);
    view.scrolled(frame.height - VIEW - 200, frame.height);
    expect(view.isFollowing).toBe(true);
    const next = await settled(document, view);
    expect(next.scrollTop).toBe(next.height - VIEW - 200);
  });

  it("is filled, with parts of a line without end, at the end and anywhere in it", async () => {
    const { document, view, frame } = await opened(new FakeFile(`${"x".repeat(120 * BLOCK)}\nend\n`));
    expect(frame.rows[0]?.top).toBeLessThanOrEqual(frame.scrollTop);
    expect(frame.rows.length).toBeGreaterThan(VIEW / ROW);
    view.stay();
    for (let page = 0; page < 3; page += 1) {
      view.scrolled(view.frame.scrollTop - VIEW);
      const higher = await settled(document, view);
      expect(higher.rows[0]?.top).toBeLessThanOrEqual(higher.scrollTop);
    }
    view.goTo(60 * BLOCK);
    const inside = await settled(document, view);
    expect(inside.rows[0]?.top).toBeLessThanOrEqual(inside.scrollTop);
  });

  it("goes on although the file has grown again with every answer", async () => {
    const file = new FakeFile(lines(0, 1000));
    const { document, view } = await opened(file);
    let last = 0;
    for (let round = 1; round < 20; round += 1) {
      file.append(lines(round * 1000, (round + 1) * 1000));
      document.grown(file.size);
      const frame = view.layOut();
      expect(frame.missing).not.toBeNull();
      const end = frame.rows.at(-1)?.piece.next ?? 0;
      expect(end).toBeGreaterThan(last);
      last = end;
      const { from, to } = frame.missing ?? { from: 0, to: 0 };
      // It grows while the answer is on its way.
      const loading = document.load(from, to);
      file.append("more\n");
      document.grown(file.size);
      await loading;
    }
  });

  it("skips what came while nobody looked for long", async () => {
    const source = new FakeFile(lines(0, 1000));
    const { document, view } = await opened(source);
    source.append(lines(0, 500_000));
    document.grown(source.size);
    source.asked.length = 0;
    const frame = await settled(document, view);
    expect(frame.rows.at(-1)?.piece.next).toBe(source.size);
    expect(source.asked.reduce((sum, [from, to]) => sum + to - from, 0)).toBeLessThan(8 * BLOCK);
  });

  it("of a short file begins at its top", async () => {
    const { frame } = await opened(new FakeFile(lines(0, 3)));
    expect(frame.rows.map((row) => row.top)).toEqual([0, 20, 40]);
    expect(frame.scrollTop).toBe(0);
    expect(frame.height).toBe(60);
  });

  it("of an empty file is empty", async () => {
    const { frame } = await opened(new FakeFile(""));
    expect(frame.rows).toEqual([]);
  });

  it("does not move while the file grows once it was scrolled up", async () => {
    const file = new FakeFile(lines(0, 2000));
    const { document, view, frame } = await opened(file);
    view.scrolled(frame.scrollTop - 200);
    const before = await settled(document, view);
    expect(before.isFollowing).toBe(false);
    for (let round = 0; round < 10; round += 1) {
      file.append(lines(2000 + round * 100, 2100 + round * 100));
      document.grown(file.size);
      const after = await settled(document, view);
      expect(after.scrollTop).toBe(before.scrollTop);
      const places = seen(after);
      for (const [start, y] of seen(before)) {
        expect(places.get(start) ?? y).toBe(y);
      }
    }
  });

  it("is followed within 48 px of the end and not above", async () => {
    const file = new FakeFile(lines(0, 2000));
    const { document, view, frame } = await opened(file);
    view.scrolled(frame.scrollTop - 40);
    expect((await settled(document, view)).isFollowing).toBe(true);
    view.scrolled(frame.scrollTop - 300);
    const up = await settled(document, view);
    expect(up.isFollowing).toBe(false);
    view.scrolled(up.scrollTop + 200);
    const down = await settled(document, view);
    expect(down.isFollowing).toBe(false);
    view.scrolled(down.height - VIEW - 30);
    expect((await settled(document, view)).isFollowing).toBe(true);
  });

  it("stays when it is told to, before the reader has moved a pixel", async () => {
    const file = new FakeFile(lines(0, 2000));
    const { document, view, frame } = await opened(file);
    view.stay();
    file.append(lines(2000, 2100));
    document.grown(file.size);
    const after = await settled(document, view);
    expect(after.isFollowing).toBe(false);
    expect(after.scrollTop).toBe(frame.scrollTop);
    view.follow();
    expect((await settled(document, view)).rows.at(-1)?.piece.next).toBe(file.size);
  });

  it("reaches the very beginning in small steps, and nothing jumps on the way", async () => {
    const file = new FakeFile(lines(0, 600));
    const { document, view } = await opened(file);
    let frame = view.frame;
    for (let step = 0; step < 3000 && frame.scrollTop > 0; step += 1) {
      const before = seen(frame);
      view.scrolled(Math.max(0, frame.scrollTop - 90));
      const moved = frame.scrollTop - Math.max(0, frame.scrollTop - 90);
      frame = await settled(document, view);
      const after = seen(frame);
      for (const [start, y] of before) {
        const now = after.get(start);
        if (now !== undefined && frame.scrollTop > 0) {
          expect(Math.abs(now - (y + moved))).toBeLessThan(0.001);
        }
      }
    }
    expect(frame.rows[0]).toMatchObject({ top: 0, piece: { start: 0 } });
    expect(frame.scrollTop).toBe(0);
  });

  it("reaches the end in small steps", async () => {
    const { document, view } = await opened(new FakeFile(lines(0, 600)));
    view.goTo(0, 0);
    let frame = await settled(document, view);
    expect(frame.rows[0]?.piece.start).toBe(0);
    for (let step = 0; step < 3000 && !frame.isFollowing; step += 1) {
      view.scrolled(Math.min(frame.scrollTop + 90, frame.height - VIEW));
      frame = await settled(document, view);
    }
    expect(frame.isFollowing).toBe(true);
    expect(frame.rows.at(-1)?.piece.next).toBe(document.size);
  });

  it("misses no line although steps are quicker than answers", async () => {
    const file = new FakeFile(lines(0, 12_000));
    const { document, view } = await opened(file);
    view.goTo(0, 0);
    let frame = await settled(document, view);
    const met = new Set<number>();
    for (let step = 0; step < 20_000 && !frame.isFollowing; step += 1) {
      view.scrolled(Math.min(frame.scrollTop + VIEW / 2, frame.height - VIEW));
      frame = view.layOut();
      for (const row of frame.rows) {
        met.add(row.piece.start);
      }
      // An answer comes only now and then.
      if (frame.missing && step % 5 === 0) {
        await document.load(frame.missing.from, frame.missing.to);
      }
    }
    expect(met.size).toBe(12_000);
  });

  it("of a gibibyte goes anywhere with a few blocks in memory", async () => {
    const source = new Endless(2 ** 30);
    const { document, view, frame } = await opened(source);
    expect(frame.height).toBeLessThan(8_100_000);
    for (const share of [0.5, 0.1, 0.999, 0]) {
      view.scrolled(Math.floor(share * frame.height));
      const there = await settled(document, view);
      const first = there.rows.find((row) => row.top >= there.scrollTop);
      expect(Math.abs((first?.piece.start ?? 0) / 2 ** 30 - share)).toBeLessThan(0.002);
      expect(there.isFollowing).toBe(false);
    }
    expect(source.asked).toBeLessThan(40 * BLOCK);
    view.scrolled(view.frame.height - VIEW);
    expect((await settled(document, view)).isFollowing).toBe(true);
  });

  it("shows what it showed while what is sought is on its way", async () => {
    const file = new FakeFile(lines(0, 100_000));
    const { document, view, frame } = await opened(file);
    view.goTo(300_000, 0);
    const waiting = view.layOut();
    expect(waiting.missing).not.toBeNull();
    expect(waiting.rows).toBe(frame.rows);
    const there = await settled(document, view);
    expect(there.rows.some((row) => row.piece.start <= 300_000 && row.piece.next > 300_000)).toBe(true);
  });

  it("shows a place that is linked to, in sight", async () => {
    const { document, view } = await opened(new FakeFile(lines(0, 50_000)));
    const at = 123_456;
    view.goTo(at);
    const frame = await settled(document, view);
    const row = frame.rows.find((each) => each.piece.start <= at && at < each.piece.next);
    expect(row).toBeDefined();
    const y = (row?.top ?? 0) - frame.scrollTop;
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThan(VIEW);
  });

  it("keeps the first line in sight where it is when rows turn out higher", async () => {
    const { document, view, frame } = await opened(new FakeFile(lines(0, 2000)));
    view.scrolled(frame.scrollTop - 3000);
    const before = await settled(document, view);
    const first = before.rows.find((row) => row.top + row.height > before.scrollTop);
    expect(view.measured(before.rows.map((row) => [row.piece.start, 60] as const))).toBe(true);
    const after = await settled(document, view);
    expect(seen(after).get(first?.piece.start ?? -1)).toBe(seen(before).get(first?.piece.start ?? -1));
    expect(view.measured(after.rows.map((row) => [row.piece.start, row.height] as const))).toBe(false);
  });

  it("begins again with another file", async () => {
    const file = new FakeFile(lines(0, 2000));
    const { document, view, frame } = await opened(file);
    view.scrolled(frame.scrollTop - 3000);
    view.layOut();
    file.bytes = new TextEncoder().encode("new\n");
    document.grown(4);
    view.reset();
    const next = await settled(document, view);
    expect(next.rows.map((row) => row.piece)).toMatchObject([{ start: 0, end: 3 }]);
    expect(next.isFollowing).toBe(true);
  });
});
