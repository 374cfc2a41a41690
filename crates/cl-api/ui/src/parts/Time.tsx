import { useLive } from "../live/store";
import { formatAgo, formatClock, formatDate, formatDuration, parseTime, useNow } from "./time";

/** A time: how long ago, or of the day; the whole date on hover. */
export function Time({ at, as = "ago" }: { at: string | null | undefined; as?: "ago" | "clock" | "date" }) {
  const time = parseTime(at);
  const isNew = time !== undefined && Math.abs(Date.now() - time) < 120_000;
  const now = useNow(as === "ago" && time !== undefined ? (isNew ? "second" : "coarse") : "never");
  if (time === undefined) return <span title="not known">—</span>;
  const date = new Date(time);
  const text =
    as === "ago"
      ? formatAgo(time, Math.max(now, isNew ? now : Date.now()))
      : as === "clock"
        ? formatClock(date)
        : formatDate(date);
  return (
    <time dateTime={date.toISOString()} title={formatDate(date)}>
      {text}
    </time>
  );
}

/** How long something took, or takes up to now while `running`. */
export function Duration({
  from,
  to,
  running = false,
}: {
  from: string | null | undefined;
  to?: string | null | undefined;
  running?: boolean;
}) {
  const begin = parseTime(from);
  const end = parseTime(to);
  const isOpen = running && end === undefined && begin !== undefined;
  // Of what goes on while nothing is heard, nothing is known.
  const staleSince = useLive((world) => (isOpen ? world.connection.staleSince : undefined));
  const now = useNow(isOpen && staleSince === undefined ? "second" : "never");
  if (begin === undefined || (end === undefined && !isOpen)) return <span>—</span>;
  return <span>{formatDuration(((end ?? Math.max(staleSince ?? now, begin)) - begin) / 1000)}</span>;
}
