/** How long ago something came, as a badge says it. */

/** What a badge says of it. */
export type Freshness = "recent" | "stale" | "silent";

const RECENT_MS = 30_000;
const STALE_MS = 120_000;

export function freshnessOf(sinceMs: number): Freshness {
  return sinceMs < RECENT_MS ? "recent" : sinceMs < STALE_MS ? "stale" : "silent";
}

/** Returns "5s", "3m", "2h" or "4d". */
export function agoOf(sinceMs: number): string {
  const seconds = Math.max(0, Math.floor(sinceMs / 1000));
  if (seconds < 120) {
    return `${seconds}s`;
  }
  if (seconds < 2 * 3600) {
    return `${Math.floor(seconds / 60)}m`;
  }
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** Returns "512 B", "1.5 KiB", "3.0 MiB". */
export function bytesOf(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? "B"}`;
}
