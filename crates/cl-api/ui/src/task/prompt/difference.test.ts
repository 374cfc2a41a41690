import { expect, it } from "vitest";
import { difference, isSame } from "./difference";

const text = (lines: ReturnType<typeof difference>) =>
  lines?.map((line) =>
    line.kind === "gap"
      ? `… ${line.count}`
      : `${{ same: " ", added: "+", removed: "-" }[line.kind]}${line.text}`,
  );
const numbers = (count: number) => Array.from({ length: count }, (_, at) => String(at)).join("\n");

it("shows what was added and removed between two prompts", () => {
  expect(text(difference("a\nb\nc\n", "a\nx\nc\n"))).toEqual([" a", "-b", "+x", " c"]);
});

it("leaves out long equal parts, but not what stands around a change", () => {
  const lines = text(difference(`${numbers(20)}\nold\n`, `${numbers(20)}\nnew\n`));
  expect(lines).toEqual(["… 17", " 17", " 18", " 19", "-old", "+new"]);
});

it("says when two are the same", () => {
  expect(isSame(difference("a\nb", "a\nb") ?? [])).toBe(true);
  expect(isSame(difference("a", "b") ?? [])).toBe(false);
});

it("does not compare what is too long", () => {
  expect(difference("x".repeat(300_000), "y".repeat(300_000))).toBeUndefined();
});
