import { describe, expect, it } from "vitest";
import { plainOf, spansOf } from "./ansi";

const ESC = "\u001b";
const all = (line: string) =>
  spansOf(line)
    .map((span) => span.text)
    .join("");

describe("colours of a line", () => {
  it("are classes of the theme", () => {
    expect(spansOf(`${ESC}[31mred${ESC}[0m plain ${ESC}[1;92mbold${ESC}[0m`)).toEqual([
      { text: "red", classes: ["ansi-red"] },
      { text: " plain ", classes: [] },
      { text: "bold", classes: ["ansi-bright-green", "ansi-bold"] },
    ]);
    expect(spansOf(`${ESC}[44mx`)).toEqual([{ text: "x", classes: ["ansi-blue-bg"] }]);
    expect(spansOf(`${ESC}[7mx`)).toEqual([{ text: "x", classes: ["ansi-black", "ansi-white-bg"] }]);
  });

  it("that no theme has are told as they are", () => {
    expect(spansOf(`${ESC}[38;5;208mx`)).toEqual([{ text: "x", classes: [], color: "255, 135, 0" }]);
    expect(spansOf(`${ESC}[48;2;1;2;3mx`)).toEqual([{ text: "x", classes: [], background: "1, 2, 3" }]);
    expect(spansOf(`${ESC}[38;5;250mx`)).toEqual([{ text: "x", classes: [], color: "188, 188, 188" }]);
  });

  it("do not hide text", () => {
    expect(spansOf(`${ESC}[8msecret${ESC}[5mblink`)).toEqual([
      { text: "secret", classes: [] },
      { text: "blink", classes: [] },
    ]);
  });
});

describe("a hostile line", () => {
  it("with HTML is text", () => {
    const line = `<img src=x onerror=alert(1)><script>alert(2)</script>&amp;`;
    expect(spansOf(line)).toEqual([{ text: line, classes: [] }]);
    expect(all(`${ESC}[31m${line}`)).toBe(line);
  });

  it("cannot act on a terminal", () => {
    expect(all(`${ESC}]0;title\u0007a${ESC}]8;;http://evil.example/${ESC}\\link${ESC}]8;;${ESC}\\b`)).toBe(
      "alinkb",
    );
    expect(all(`${ESC}]52;c;aGk=\u0007x`)).toBe("x");
    expect(all(`a${ESC}[2J${ESC}[1;1H${ESC}[10A${ESC}[K${ESC}[?25lb${ESC}c${ESC}(Bc${ESC}[38:5:1md`)).toBe(
      "abcd",
    );
    expect(all(`a${ESC}P1;2|junk${ESC}\\b\u009b31mc\u009d0;t\u009cd`)).toBe("abcd");
    expect(all(`a${ESC}]never ended`)).toBe("a");
    expect(all(`a${ESC}[31`)).toBe("a");
    expect(all(`a${ESC}`)).toBe("a");
  });

  it("that was written over itself shows what was written last", () => {
    expect(all("10%\r50%\r100%")).toBe("100%");
    expect(all("done\r\r")).toBe("done");
  });

  it("names what nobody would see", () => {
    expect(spansOf("a\u0000b\u0008c\u200bd")).toEqual([
      { text: "a", classes: [] },
      { text: "NUL", classes: [], isName: true },
      { text: "b", classes: [] },
      { text: "BS", classes: [], isName: true },
      { text: "c", classes: [] },
      { text: "ZWSP", classes: [], isName: true },
      { text: "d", classes: [] },
    ]);
  });

  it("does not turn text around", () => {
    const spans = spansOf("user\u202etxt.exe\u202c\u2066x\u2069");
    expect(spans.filter((span) => span.isName).map((span) => span.text)).toEqual([
      "RLO",
      "PDF",
      "LRI",
      "PDI",
    ]);
    expect(spans.every((span) => !/[\u202a-\u202e\u2066-\u2069]/.test(span.text))).toBe(true);
    expect(plainOf("a\u202eb")).toBe("ab");
  });

  it("keeps letters of all scripts, and emoji with their joiners", () => {
    for (const line of ["שלום עולם", "مرحبا", "👩‍👩‍👧 👍🏽 🏴‍☠️", "e\u0301", "中文\ttab"]) {
      expect(spansOf(line)).toEqual([{ text: line, classes: [] }]);
    }
  });

  it("of a megabyte takes no time that one notices", () => {
    const started = performance.now();
    for (const unit of [
      "x",
      `${ESC}[`,
      `${ESC}]`,
      `${ESC}[31m<`,
      "\u202e",
      "\r",
      `${ESC}P${ESC}`,
      "\u009d",
    ]) {
      spansOf(unit.repeat(2048));
    }
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
