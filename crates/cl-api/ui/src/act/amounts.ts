/** Amounts as people type them: lengths of time, tokens, money. */

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_MS = 366 * 86_400_000;

/** Reads `90s`, `45m`, `1h30m`, `2d` or a number of minutes; returns milliseconds. */
export function parseDuration(text: string): number | undefined {
  const compact = text.trim().toLowerCase().replace(/\s+/g, "");
  if (compact === "") return undefined;
  if (/^\d+$/.test(compact)) return bounded(Number(compact) * 60_000);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(compact)) return undefined;
  let total = 0;
  for (const [, amount, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNITS[unit ?? ""] ?? Number.NaN);
  }
  return bounded(Math.round(total));
}

/** Reads `200000`, `200k` or `1.5M`; returns a whole number above 0. */
export function parseCount(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)([km]?)$/.exec(
    text
      .trim()
      .toLowerCase()
      .replace(/[\s_,]/g, ""),
  );
  if (!found) return undefined;
  const scale = found[2] === "m" ? 1_000_000 : found[2] === "k" ? 1000 : 1;
  const count = Number(found[1]) * scale;
  return Number.isSafeInteger(count) && count > 0 ? count : undefined;
}

/** Reads an amount of US dollars such as `2.50` or `$2.5`; returns it as the server takes it. */
export function parseDollars(text: string): string | undefined {
  const plain = text
    .trim()
    .replace(/^\$\s*/, "")
    .replace(",", ".");
  if (!/^\d{1,9}(?:\.\d{1,6})?$/.test(plain)) return undefined;
  return Number(plain) > 0 ? plain : undefined;
}

function bounded(ms: number): number | undefined {
  return ms > 0 && ms <= LONGEST_MS ? ms : undefined;
}
