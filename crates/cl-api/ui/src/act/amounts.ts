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

/** Reads `200000`, `200,000`, `200k` or `1.5M`; returns a whole number above 0. */
export function parseCount(text: string): number | undefined {
  const compact = text.trim().toLowerCase().replace(/[\s_]/g, "");
  const found = /^(\d+|\d{1,3}(?:,\d{3})+|\d+[.,]\d+(?=[km]))([km]?)$/.exec(compact);
  if (!found) return undefined;
  const [, amount = "", unit = ""] = found;
  // Groups of three digits are thousands, but before a unit nobody can tell: 1,500k may be 1.5k.
  if (unit !== "" && /,\d{3}/.test(amount)) return undefined;
  const scale = unit === "m" ? 1_000_000 : unit === "k" ? 1000 : 1;
  const plain = unit === "" ? amount.replaceAll(",", "") : amount.replace(",", ".");
  const exact = Number(plain) * scale;
  const count = Math.round(exact);
  // Fractions such as 2.01 are not exact in binary; a part of a token is something else.
  if (Math.abs(exact - count) > 1e-6) return undefined;
  return Number.isSafeInteger(count) && count > 0 ? count : undefined;
}

/** Reads an amount of US dollars such as `2.50`, `2,50` or `$2.5`; returns it as the server takes it. */
export function parseDollars(text: string): string | undefined {
  const typed = text.trim().replace(/^\$\s*/, "");
  // Nobody can tell whether 1,000 is one or a thousand: a comma is taken for a point before cents alone.
  const plain = typed.replace(/,(?=\d{1,2}$)/, ".");
  if (!/^\d{1,9}(?:\.\d{1,6})?$/.test(plain)) return undefined;
  return Number(plain) > 0 ? plain : undefined;
}

function bounded(ms: number): number | undefined {
  return ms > 0 && ms <= LONGEST_MS ? ms : undefined;
}
