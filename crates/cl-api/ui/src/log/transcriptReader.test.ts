import { describe, expect, it, vi } from "vitest";
import { FakeFile } from "./testing";
import { BACK, isStream, TranscriptReader } from "./transcriptReader";

vi.setConfig({ testTimeout: 60_000 });

const said = (text: string) =>
  `{"type":"assistant","message":{"content":[{"type":"text","text":"${text}"}]}}\n`;
const textsOf = (reader: TranscriptReader) =>
  reader.items.map((item) => (item.kind === "text" ? item.text : item.kind));

describe("the transcript of a file", () => {
  it("is read from its beginning and goes on as the file grows", async () => {
    const file = new FakeFile(said("one") + said("two").slice(0, 20));
    const reader = new TranscriptReader(file);
    await reader.look();
    expect(textsOf(reader)).toEqual(["one"]);
    file.append(said("two").slice(20) + said("three"));
    reader.grown(file.size, null);
    await reader.read();
    expect(textsOf(reader)).toEqual(["one", "two", "three"]);
    expect(reader.begin).toBe(0);
  });

  it("of a large file begins near its end, with whole lines", async () => {
    const file = new FakeFile(
      Array.from({ length: 10_000 }, (_, index) => said(`${index} ${"x".repeat(1500)}`)).join(""),
    );
    expect(file.size).toBeGreaterThan(2 * BACK);
    const reader = new TranscriptReader(file);
    await reader.look();
    expect(textsOf(reader).at(-1)).toMatch(/^9999 /);
    expect(reader.items.every((item) => item.kind === "text")).toBe(true);
    expect(reader.begin).toBeGreaterThanOrEqual(file.size - BACK);
    expect(reader.begin).toBeLessThan(file.size);
    expect(file.asked.reduce((sum, [from, to]) => sum + to - from, 0)).toBeLessThan(2 * BACK);
  });

  it("begins anew with another file", async () => {
    const file = new FakeFile(said("old"));
    const reader = new TranscriptReader(file);
    reader.grown(file.size, "0");
    await reader.read();
    file.bytes = new TextEncoder().encode(said("new") + said("longer"));
    reader.grown(file.size, "1");
    await reader.read();
    expect(textsOf(reader)).toEqual(["new", "longer"]);
  });

  it("waits for a file that is not there yet", async () => {
    const file = new FakeFile();
    file.bytes = null;
    const reader = new TranscriptReader(file);
    await reader.look();
    expect([reader.isMissing, reader.isReady]).toEqual([true, true]);
    file.append(said("born"));
    reader.grown(file.size, null);
    await reader.read();
    expect(textsOf(reader)).toEqual(["born"]);
    expect(reader.isMissing).toBe(false);
  });

  it("reads each byte once, however often it hears of growth", async () => {
    const file = new FakeFile("");
    const reader = new TranscriptReader(file);
    await reader.look();
    for (let index = 0; index < 50; index += 1) {
      file.append(said(`${index}`));
      reader.grown(file.size, null);
    }
    await reader.read();
    await reader.read();
    expect(textsOf(reader)).toEqual(Array.from({ length: 50 }, (_, index) => `${index}`));
  });
});

describe("a file", () => {
  it("is taken for an agent's stream by its first line", () => {
    expect(isStream(`{"type":"system"}\nwhatever`)).toBe(true);
    expect(isStream(`\n {"type":"system","long":"${"x".repeat(500)}`)).toBe(true);
    expect(isStream("{ braces of a program\n")).toBe(false);
    expect(isStream("Building…")).toBe(false);
    expect(isStream("")).toBe(false);
  });
});
