// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what is looked for here.
/**
 * From a line as a program wrote it to spans that a page can show.
 *
 * Colours are kept. Everything else that would act on a terminal is taken out, and characters
 * that nobody sees, or that turn the text around, are named instead of obeyed. Spans hold text
 * only: whoever shows them puts it into text nodes.
 */

import Anser from "anser";

/** A piece of a line that looks alike. */
export interface Span {
  readonly text: string;
  /** Names of `ansi-…` classes: colours of the theme, bold and so on. */
  readonly classes: readonly string[];
  /** Colours that the theme does not have, as `r, g, b`. */
  readonly color?: string;
  readonly background?: string;
  /** The text is the name of a character that is not shown itself. */
  readonly isName?: true;
}

/* ESC [ … : of these only colours are kept. */
const SEQUENCE = /\u001b\[([0-?]*)([ -/]*)([@-~]?)|\u009b([0-?]*)[ -/]*[@-~]?/g;
/* ESC ] … (titles, links, clipboard), ESC P, ESC X, ESC ^, ESC _ up to BEL or ST, or the end. */
const STRING =
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|(?=\u001b)|$)/g;
/* Everything else that begins with ESC. */
const OTHER = /\u001b(?!\[)[ -/]*[0-~]?/g;
/* What is named instead of shown: controls, what turns text around, what takes no room. */
const NAMED =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

const CONTROLS =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(
    " ",
  );

const NAMES: Readonly<Record<number, string>> = {
  127: "DEL",
  1564: "ALM",
  8203: "ZWSP",
  8206: "LRM",
  8207: "RLM",
  8232: "LS",
  8233: "PS",
  8234: "LRE",
  8235: "RLE",
  8236: "PDF",
  8237: "LRO",
  8238: "RLO",
  8294: "LRI",
  8295: "RLI",
  8296: "FSI",
  8297: "PDI",
  65279: "BOM",
};

/** Returns what is shown of a line. */
export function spansOf(line: string): Span[] {
  const text = overwritten(line);
  if (!isSpecial(text)) {
    return text === "" ? [] : [{ text, classes: [] }];
  }
  const spans: Span[] = [];
  for (const part of Anser.ansiToJson(tamed(text), { json: true, use_classes: true })) {
    if (part.content !== "") {
      spans.push(...named(part.content, lookOf(part)));
    }
  }
  return spans;
}

/** Returns the text of a line without colours, as it is shown. */
export function plainOf(line: string): string {
  return spansOf(line)
    .map((span) => (span.isName ? "" : span.text))
    .join("");
}

const SPECIAL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\udb40]/;

function isSpecial(text: string): boolean {
  return SPECIAL.test(text);
}

/** What a terminal shows of a line that was written over itself: what was written last. */
function overwritten(line: string): string {
  const trimmed = line.replace(/\r+$/, "");
  const last = trimmed.lastIndexOf("\r");
  return last < 0 ? trimmed : trimmed.slice(last + 1);
}

function tamed(text: string): string {
  return text
    .replace(STRING, "")
    .replace(SEQUENCE, (all: string, numbers: string | undefined, between: string, end: string) =>
      end === "m" && between === "" && /^[\d;]*$/.test(numbers ?? "") ? all : "",
    )
    .replace(OTHER, "");
}

type Part = ReturnType<typeof Anser.ansiToJson>[number];

function lookOf(part: Part): Omit<Span, "text"> {
  const classes: string[] = [];
  const paint = (name: string, truecolor: string, isBack: boolean): string | undefined => {
    if (!name) {
      return undefined;
    }
    const palette = /^ansi-palette-(\d+)$/.exec(name)?.[1];
    if (palette !== undefined) {
      return colorOf(Number(palette));
    }
    if (name === "ansi-truecolor") {
      return /^\d+, ?\d+, ?\d+$/.test(truecolor) ? truecolor : undefined;
    }
    classes.push(isBack ? `${name}-bg` : name);
    return undefined;
  };
  // Reversed colours are turned around already.
  const color = paint(part.fg, part.fg_truecolor, false);
  const background = paint(part.bg, part.bg_truecolor, true);
  for (const decoration of part.decorations) {
    // Nothing is hidden, and nothing blinks.
    if (decoration !== "reverse" && decoration !== "hidden" && decoration !== "blink") {
      classes.push(`ansi-${decoration}`);
    }
  }
  return { classes, ...(color ? { color } : {}), ...(background ? { background } : {}) };
}

/** Returns a colour of the palette of 256 that is none of the first 16. */
function colorOf(index: number): string | undefined {
  if (index < 16 || index > 255) {
    return undefined;
  }
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `${grey}, ${grey}, ${grey}`;
  }
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level).join(", ");
}

function named(text: string, look: Omit<Span, "text">): Span[] {
  const spans: Span[] = [];
  let at = 0;
  for (const found of text.matchAll(NAMED)) {
    if (found.index > at) {
      spans.push({ ...look, text: text.slice(at, found.index) });
    }
    spans.push({ ...look, text: nameOf(found[0].codePointAt(0) ?? 0), isName: true });
    at = found.index + found[0].length;
  }
  if (at < text.length) {
    spans.push({ ...look, text: text.slice(at) });
  }
  return spans;
}

function nameOf(code: number): string {
  return NAMES[code] ?? CONTROLS[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
