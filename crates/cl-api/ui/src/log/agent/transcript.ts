/**
 * From lines to what an agent said and did, line after line as they come.
 *
 * Each line tells by its shape which agent speaks. What no agent here says is kept as JSON, and
 * what is no JSON as text, so nothing of a stream is lost. Items are never changed but replaced.
 */

import type { Line } from "../lines";
import { timeOf } from "../time";
import { saidByClaude } from "./claude";
import { saidByCodex } from "./codex";
import { saidByGemini } from "./gemini";
import { type Item, isObject, type Json, type Later, pretty, type Said, type Says, textOf } from "./items";

/** How many items are kept; the oldest go first. */
export const MOST_ITEMS = 5000;
/** How many bytes of text are kept. */
const MOST_TEXT = 24 * 1024 * 1024;
/** How much of a text is kept that may be huge: the output of a tool, JSON, plain text. */
const LONGEST_TEXT = 512 * 1024;

export class Transcript {
  #items: Item[] = [];
  #tools = new Map<string, number>();
  /** How many items were given up at the beginning. */
  #gone = 0;
  #size = 0;
  #isAgent = false;

  constructor(
    readonly most: number = MOST_ITEMS,
    readonly mostText: number = MOST_TEXT,
  ) {}

  get items(): readonly Item[] {
    return this.#items;
  }
  /** How many items were given up because there were too many. */
  get gone(): number {
    return this.#gone;
  }
  /** Some line came from an agent that is known here. */
  get isAgent(): boolean {
    return this.#isAgent;
  }

  push(line: Line): void {
    const { says, time } = this.#read(line);
    says.forEach((said, part) => {
      if (said.kind === "answered") {
        this.#answer(said, line.at, part, time);
      } else if (said.kind === "more") {
        this.#more(said, line.at, part, time);
      } else {
        this.#add(said, line.at, part, time);
      }
    });
    // All at once and seldom: moving what stays is not free.
    if (this.#items.length > this.most * 1.25 || this.#size > this.mostText) {
      this.#giveUp();
    }
  }

  #read(line: Line): { says: readonly Says[]; time: number | null } {
    const trimmed = line.text.trimStart();
    if (trimmed === "") {
      return { says: [], time: null };
    }
    if (line.cut === 0 && trimmed.startsWith("{")) {
      let parsed: unknown;
      try {
        parsed = JSON.parse(trimmed);
      } catch {
        parsed = null;
      }
      if (isObject(parsed)) {
        const known = saidByClaude(parsed) ?? saidByCodex(parsed) ?? saidByGemini(parsed);
        const stamp = parsed.timestamp;
        const time = typeof stamp === "number" ? stamp : typeof stamp === "string" ? timeOf(stamp) : null;
        if (known !== null) {
          this.#isAgent = true;
          return { says: known, time };
        }
        return { says: [{ kind: "json", label: labelOf(parsed), text: shortened(pretty(parsed)) }], time };
      }
    }
    const left = line.cut > 0 ? `\n… ${line.cut} more bytes` : "";
    return { says: [{ kind: "plain", text: shortened(line.text) + left }], time: null };
  }

  #add(said: Said, at: number, part: number, time: number | null): void {
    const last = this.#items.at(-1);
    // Lines that are only text stand together.
    if (said.kind === "plain" && last?.kind === "plain" && last.text.length < 16_384) {
      this.#replace(this.#items.length - 1, { ...last, text: `${last.text}\n${said.text}` });
      return;
    }
    const item: Item = { ...said, at, part, time };
    if (item.kind === "tool") {
      this.#tools.set(item.id, this.#gone + this.#items.length);
    }
    this.#items.push(item);
    this.#size += sizeOf(item);
  }

  #answer(answer: Extract<Later, { kind: "answered" }>, at: number, part: number, time: number | null): void {
    const index = (this.#tools.get(answer.id) ?? -1) - this.#gone;
    const call = this.#items[index];
    const done = { state: answer.isOk ? "ok" : "failed", output: shortened(answer.output) } as const;
    if (call?.kind === "tool") {
      this.#replace(index, { ...call, ...done });
      this.#tools.delete(answer.id);
      return;
    }
    const { id, name = "tool", input = "", summary = "" } = answer;
    this.#add({ kind: "tool", id, name, input, summary, ...done }, at, part, time);
    this.#tools.delete(id);
  }

  #more(more: Extract<Later, { kind: "more" }>, at: number, part: number, time: number | null): void {
    const last = this.#items.at(-1);
    if (last?.kind === "text" && last.role === more.role) {
      this.#replace(this.#items.length - 1, { ...last, text: last.text + more.text });
    } else {
      this.#add({ kind: "text", role: more.role, text: more.text }, at, part, time);
    }
  }

  #replace(index: number, item: Item): void {
    const before = this.#items[index];
    this.#size += sizeOf(item) - (before ? sizeOf(before) : 0);
    this.#items[index] = item;
  }

  #giveUp(): void {
    let count = Math.max(0, this.#items.length - this.most);
    let left = this.#size;
    for (let index = 0; index < this.#items.length - 1; index += 1) {
      if (index >= count && left <= this.mostText * 0.75) {
        break;
      }
      const item = this.#items[index];
      left -= item ? sizeOf(item) : 0;
      count = Math.max(count, index + 1);
    }
    this.#items = this.#items.slice(count);
    this.#gone += count;
    this.#size = left;
    for (const [id, index] of this.#tools) {
      if (index < this.#gone) {
        this.#tools.delete(id);
      }
    }
  }
}

function labelOf(line: Json): string {
  const label = [line.type, line.subtype]
    .map((each) => (typeof each === "string" ? each : ""))
    .join(" ")
    .trim();
  return label || Object.keys(line).slice(0, 4).join(", ") || textOf(line);
}

function shortened(text: string): string {
  return text.length > LONGEST_TEXT
    ? `${text.slice(0, LONGEST_TEXT)}\n… ${text.length - LONGEST_TEXT} more characters`
    : text;
}

function sizeOf(item: Item): number {
  switch (item.kind) {
    case "tool":
      return 200 + item.input.length + (item.output?.length ?? 0);
    case "start":
    case "usage":
      return 400;
    default:
      return 100 + item.text.length;
  }
}
