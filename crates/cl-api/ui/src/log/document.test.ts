import { describe, expect, it, vi } from "vitest";
import { BLOCK, Blocks, MOST_KEPT } from "./blocks";
import { LogDocument, type Piece } from "./document";
import { LineCutter } from "./lines";
import { overHttp, sizeOf } from "./source";
import { Endless, FakeFile } from "./testing";

vi.setConfig({ testTimeout: 60_000 });

async function opened(file: FakeFile): Promise<LogDocument> {
  const document = new LogDocument(file);
  await document.look();
  await document.load(0, document.size);
  return document;
}

function forward(document: LogDocument, from = 0): Piece[] {
  const pieces: Piece[] = [];
  for (let piece = document.piece(from); piece; piece = document.piece(piece.next)) {
    pieces.push(piece);
  }
  return pieces;
}

function backward(document: LogDocument): Piece[] {
  const pieces: Piece[] = [];
  let behind = document.size;
  while (behind > 0) {
    const begin = document.beginning(behind - 1);
    const piece = begin === null ? null : document.piece(begin);
    if (!piece) {
      break;
    }
    pieces.unshift(piece);
    behind = piece.start;
  }
  return pieces;
}

describe("lines of a file", () => {
  it("are the same from both sides, across blocks", async () => {
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} ${"x".repeat(index % 97)}`);
    const document = await opened(new FakeFile(lines.join("\n")));
    const pieces = forward(document);
    expect(pieces.map((piece) => document.text(piece, 1000).text)).toEqual(lines);
    expect(backward(document)).toEqual(pieces);
    expect(document.size).toBeGreaterThan(3 * BLOCK);
  });

  it("have no line of their own behind the last line feed", async () => {
    const document = await opened(new FakeFile("a\r\n\nb\n"));
    expect(forward(document).map((piece) => document.text(piece, 9).text)).toEqual(["a", "", "b"]);
    expect(backward(document)).toEqual(forward(document));
  });

  it("that are very long are cut at places that do not depend on the side one comes from", async () => {
    const document = await opened(new FakeFile(`short\n${"y".repeat(1_200_000)}\nafter\n`));
    const pieces = forward(document);
    expect(backward(document)).toEqual(pieces);
    expect(pieces.every((piece) => piece.end - piece.start <= 2 * BLOCK)).toBe(true);
    expect(pieces[1]).toMatchObject({ start: 6, isContinued: false, isCut: true });
    expect(pieces[2]).toMatchObject({ isContinued: true, isCut: true });
    expect(pieces.at(-2)).toMatchObject({ isContinued: true, isCut: false });
    expect(document.text(pieces.at(-1) as Piece, 100).text).toBe("after");
    for (const at of [6, 70_000, 131_072, 131_073, 500_000, 1_200_005]) {
      const begin = document.beginning(at);
      expect(pieces.some((piece) => piece.start === begin && piece.next > at)).toBe(true);
    }
  });

  it("show so much of a long line as is asked for, and tell that there is more", async () => {
    const document = await opened(new FakeFile(`${"é".repeat(1000)}\n`));
    const piece = document.piece(0) as Piece;
    expect(document.text(piece, 101)).toEqual({ text: "é".repeat(50), isShort: true });
    expect(document.text(piece, 5000)).toEqual({ text: "é".repeat(1000), isShort: false });
  });

  it("keep characters whole that lie across blocks", async () => {
    const text = `${"a".repeat(BLOCK - 2)}😀${"b".repeat(BLOCK)}😀\nend`;
    const document = await opened(new FakeFile(text));
    const shown = forward(document).map((piece) => document.text(piece, 1_000_000).text);
    expect(shown.join("")).toBe(text.replace("\n", ""));
    // The same within a line that is not cut.
    const short = `${"x\n".repeat(BLOCK / 2 - 1)}😀 end\n`;
    const other = await opened(new FakeFile(short));
    expect(other.text(forward(other).at(-1) as Piece, 100).text).toBe("😀 end");
  });

  it("show bytes that are no UTF-8 as replaced", async () => {
    const document = await opened(new FakeFile(new Uint8Array([97, 0xff, 0xc3, 10, 0x80, 98])));
    expect(forward(document).map((piece) => document.text(piece, 9).text)).toEqual(["a��", "�b"]);
  });

  it("have numbers where everything before is known, and none elsewhere", async () => {
    const file = new FakeFile("0123456789abcde\n".repeat(5 * 4096));
    const document = new LogDocument(file);
    await document.look();
    await document.load(3 * BLOCK, 4 * BLOCK);
    expect(document.lineNumber(3 * BLOCK)).toBeNull();
    await document.load(0, BLOCK);
    expect(document.lineNumber(0)).toBe(1);
    expect(document.lineNumber(16)).toBe(2);
    await document.load(BLOCK, 3 * BLOCK);
    expect(document.lineNumber(3 * BLOCK)).toBe(3 * 4096 + 1);
    expect(document.lineNumber(3 * BLOCK + 33)).toBe(3 * 4096 + 3);
  });
});

describe("a file", () => {
  it("of a gibibyte is opened at its end with a few blocks", async () => {
    const source = new Endless(2 ** 30);
    const document = new LogDocument(source);
    await document.look();
    await document.load(document.size - 2 * BLOCK, document.size);
    const begin = document.beginning(document.size - 1) as number;
    expect(document.piece(begin)?.next).toBe(2 ** 30);
    expect(source.asked).toBeLessThan(4 * BLOCK);
  });

  it("never takes more memory than its bound, and can be read again", async () => {
    const document = new LogDocument(new Endless(2 ** 30));
    await document.look();
    for (let at = 0; at < 64 * 1024 * 1024; at += 1024 * 1024) {
      await document.load(at, at + 1024 * 1024);
    }
    expect(document.bytes).toBeLessThanOrEqual(MOST_KEPT);
    expect(document.beginning(1000)).toBeNull();
    await document.load(0, BLOCK);
    expect(document.beginning(1000)).toBe(1000);
  });

  it("that grows is fetched from where it ended", async () => {
    const file = new FakeFile("one\ntw");
    const document = await opened(file);
    expect(forward(document).length).toBe(2);
    file.append("o\nthree\n");
    file.asked.length = 0;
    document.grown(file.size);
    expect(document.missing(0, document.size)).toEqual({ from: 0, to: 14 });
    await document.load(0, document.size);
    expect(file.asked).toEqual([[6, 14]]);
    expect(forward(document).map((piece) => document.text(piece, 9).text)).toEqual(["one", "two", "three"]);
  });

  it("is asked for once, however many wait for it", async () => {
    const file = new FakeFile("x\n".repeat(3 * BLOCK));
    const document = new LogDocument(file);
    await document.look();
    file.asked.length = 0;
    expect(document.missing(0, 4096)).toBeNull();
    await Promise.all([document.load(0, 100_000), document.load(0, 100_000), document.load(50, 200)]);
    expect(file.asked).toEqual([[4096, 2 * BLOCK]]);
  });

  it("that becomes shorter is another one", async () => {
    const file = new FakeFile("old content\n");
    const document = await opened(file);
    document.grown(4);
    expect(document.generation).toBe(1);
    expect(document.size).toBe(4);
    expect(document.piece(0)).toBeNull();
  });

  it("that is replaced is another one even when it is longer", async () => {
    const file = new FakeFile("old\n");
    const document = new LogDocument(file);
    document.grown(4, "a");
    await document.load(0, 4);
    file.bytes = new TextEncoder().encode("new and longer\n");
    document.grown(15, "b");
    expect(document.generation).toBe(1);
    await document.load(0, 15);
    expect(document.text(document.piece(0) as Piece, 99).text).toBe("new and longer");
  });

  it("is not another one because an old size is told late", async () => {
    const file = new FakeFile("0123456789\n");
    const document = new LogDocument(file);
    document.grown(5, "a");
    await document.load(0, 5);
    expect(document.size).toBe(11);
    document.grown(8, "a");
    expect(document.generation).toBe(0);
    expect(document.size).toBe(11);
  });

  it("that became shorter before anybody named it is looked at again", async () => {
    const file = new FakeFile("0123456789\n");
    const document = await opened(file);
    file.bytes = new TextEncoder().encode("new\n");
    document.grown(4, "a");
    await vi.waitFor(() => expect(document.size).toBe(4));
    expect(document.generation).toBe(1);
    await document.load(0, 4);
    expect(document.text(document.piece(0) as Piece, 9).text).toBe("new");
  });

  it("that an answer shows to be shorter is another one", async () => {
    const file = new FakeFile("0123456789\n");
    const document = await opened(file);
    document.grown(100);
    await document.load(0, 100);
    expect(document.generation).toBe(1);
    expect(document.size).toBe(11);
  });

  it("takes no bytes of the one before", async () => {
    const file = new FakeFile("old old\n");
    const document = new LogDocument(file);
    await document.look();
    const release = file.hold();
    const loading = document.load(0, 8);
    document.grown(3, null);
    file.bytes = new TextEncoder().encode("new");
    release();
    await loading;
    await document.load(0, 3);
    expect(document.text(document.piece(0) as Piece, 9).text).toBe("new");
  });

  it("that is not there yet is waited for", async () => {
    const file = new FakeFile();
    file.bytes = null;
    const document = new LogDocument(file);
    await document.look();
    expect(document.presence).toBe("missing");
    file.append("born\n");
    document.grown(5);
    await document.load(0, 5);
    expect(document.presence).toBe("there");
    expect(document.text(document.piece(0) as Piece, 9).text).toBe("born");
  });

  it("says why it cannot be read, and goes on when it can", async () => {
    const file = new FakeFile("text\n");
    const document = new LogDocument(file);
    vi.spyOn(file, "read").mockRejectedValueOnce(new Error("api 500: disk"));
    await document.look();
    expect(document.presence).toBe("failed");
    expect(document.failure).toEqual(new Error("api 500: disk"));
    await document.look();
    expect(document.presence).toBe("there");
  });

  it("tells its listeners what changes and nothing after it is closed", async () => {
    const document = new LogDocument(new FakeFile("text\n"));
    const heard = vi.fn();
    document.subscribe(heard);
    await document.look();
    expect(heard).toHaveBeenCalledTimes(1);
    document.grown(5);
    expect(heard).toHaveBeenCalledTimes(1);
    document.close();
    document.grown(9);
    expect(heard).toHaveBeenCalledTimes(1);
  });
});

describe("blocks", () => {
  it("used last stay", () => {
    const blocks = new Blocks(2 * BLOCK);
    blocks.add(0, 0, new Uint8Array(BLOCK));
    blocks.add(1, 0, new Uint8Array(BLOCK));
    blocks.get(0);
    blocks.add(2, 0, new Uint8Array(BLOCK));
    expect([0, 1, 2].map((index) => blocks.have(index) > 0)).toEqual([true, false, true]);
  });

  it("take what continues them and nothing else", () => {
    const blocks = new Blocks();
    blocks.add(0, 0, new Uint8Array([1, 2]));
    blocks.add(0, 1, new Uint8Array([9, 3]));
    blocks.add(0, 7, new Uint8Array([8]));
    expect(blocks.get(0)).toEqual(new Uint8Array([1, 2, 3]));
    expect(blocks.bytes).toBe(3);
  });
});

describe("ranges over HTTP", () => {
  it("are asked for, and the size is taken from the answer", async () => {
    const ask = vi.fn(async (_url: unknown, init?: RequestInit) => {
      expect(new Headers(init?.headers).get("Range")).toBe("bytes=2-4");
      return new Response("cde", { status: 206, headers: { "Content-Range": "bytes 2-4/10" } });
    });
    const chunk = await overHttp("/raw", ask as typeof fetch).read(2, 5);
    expect([new TextDecoder().decode(chunk.bytes), chunk.size]).toEqual(["cde", 10]);
  });

  it("behind the end are empty", async () => {
    const answer = new Response(null, { status: 416, headers: { "Content-Range": "bytes */7" } });
    const chunk = await overHttp("/raw", async () => answer).read(7, 8);
    expect([chunk.bytes.length, chunk.size]).toEqual([0, 7]);
  });

  it("that are answered with the whole file are cut out of it", async () => {
    const answer = new Response("abcdefgh", { headers: { "Content-Length": "8" } });
    const chunk = await overHttp("/raw", async () => answer).read(2, 4);
    expect([new TextDecoder().decode(chunk.bytes), chunk.size]).toEqual(["cd", 8]);
  });

  it("of a file that is not there are told apart from refusals", async () => {
    const missing = async () => new Response("{}", { status: 404 });
    await expect(overHttp("/raw", missing).read(0, 1)).rejects.toMatchObject({ name: "Missing" });
    const refused = async () => new Response(`{"error":{"message":"no"}}`, { status: 403 });
    await expect(overHttp("/raw", refused).read(0, 1)).rejects.toThrow("api 403: no");
  });

  it("say a size or nothing", () => {
    expect(sizeOf("bytes 0-1/22")).toBe(22);
    expect(sizeOf("bytes */5")).toBe(5);
    expect(sizeOf("bytes 0-1/*")).toBeNull();
    expect(sizeOf(null)).toBeNull();
  });
});

describe("whole lines", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it("come out of pieces of any size, with their places", () => {
    const text = "one\nzwei 😀\r\n\nlast";
    for (const size of [1, 2, 3, 5, 100]) {
      const cutter = new LineCutter(100);
      const all = bytes(text);
      const lines = [];
      for (let at = 0; at < all.length; at += size) {
        lines.push(...cutter.push(all.subarray(at, at + size)));
      }
      expect(lines.map((line) => [line.at, line.text])).toEqual([
        [100, "one"],
        [104, "zwei 😀"],
        [115, ""],
      ]);
      expect(cutter.rest()).toMatchObject({ at: 116, text: "last" });
    }
  });

  it("that are too long are cut, and say by how much", () => {
    const cutter = new LineCutter(0, 10);
    expect(cutter.push(bytes(`${"é".repeat(20)}\nok\n`))).toEqual([
      { at: 0, text: "é".repeat(5), cut: 30 },
      { at: 41, text: "ok", cut: 0 },
    ]);
  });
});
