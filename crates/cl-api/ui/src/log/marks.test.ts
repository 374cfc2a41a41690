import { describe, expect, it } from "vitest";
import { marked } from "./marks";

const plain = (...texts: string[]) => texts.map((text, index) => ({ text, classes: [String(index)] }));
const shown = (spans: ReturnType<typeof marked>) =>
  spans.map((span) => (span.isMarked ? `[${span.text}]` : span.text) + span.classes.join(""));

describe("what was searched for", () => {
  it("is marked within a span and across spans", () => {
    expect(shown(marked(plain("an error here"), "ERROR"))).toEqual(["an 0", "[error]0", " here0"]);
    expect(shown(marked(plain("an er", "ro", "r here"), "error"))).toEqual([
      "an 0",
      "[er]0",
      "[ro]1",
      "[r]2",
      " here2",
    ]);
    expect(shown(marked(plain("aa", "aa"), "a"))).toEqual(["[a]0", "[a]0", "[a]1", "[a]1"]);
    expect(shown(marked(plain("ab", "ab"), "ba"))).toEqual(["a0", "[b]0", "[a]1", "b1"]);
  });

  it("leaves lines alone that have none of it", () => {
    const spans = plain("x", "y");
    expect(marked(spans, "z")).toBe(spans);
    expect(marked(spans, "")).toBe(spans);
  });
});
