import {
  Ban,
  Circle,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CircleStop,
  CircleX,
  Clock,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  TriangleAlert,
} from "lucide-react";
import styles from "./Status.module.css";

/** Which family of colours a status has; the tokens `--<tone>` and `--<tone>-bg`. */
export type Tone =
  | "running"
  | "queued"
  | "blocked"
  | "waiting"
  | "ok"
  | "failed"
  | "partial"
  | "stopped"
  | "none";

interface Look {
  tone: Tone;
  icon: LucideIcon;
  text: string;
}

const LOOKS: Record<string, Look> = {
  running: { tone: "running", icon: LoaderCircle, text: "running" },
  stopping: { tone: "stopped", icon: LoaderCircle, text: "stopping" },
  queued: { tone: "queued", icon: Clock, text: "queued" },
  blocked: { tone: "blocked", icon: CirclePause, text: "blocked" },
  waiting: { tone: "waiting", icon: Hourglass, text: "waiting" },
  completed: { tone: "ok", icon: CircleCheck, text: "completed" },
  all_finished: { tone: "ok", icon: CircleCheck, text: "done" },
  failed: { tone: "failed", icon: CircleX, text: "failed" },
  partial_failure: { tone: "partial", icon: TriangleAlert, text: "partial failure" },
  stopped: { tone: "stopped", icon: CircleStop, text: "stopped" },
  cancelled: { tone: "stopped", icon: Ban, text: "cancelled" },
  idle: { tone: "none", icon: Circle, text: "idle" },
  unknown: { tone: "none", icon: CircleDashed, text: "unknown" },
};

/** How a status looks: its colours, its shape and its word. Unknown words stand for themselves. */
export function lookOf(status: string): Look {
  return LOOKS[status] ?? { tone: "none", icon: CircleDashed, text: status.replaceAll("_", " ") };
}

/** The shape of a status; decoration unless it stands alone (`label`). */
export function StatusGlyph({
  status,
  size = 14,
  label,
}: {
  status: string;
  size?: number;
  label?: boolean;
}) {
  const { tone, icon: Icon, text } = lookOf(status);
  return (
    <Icon
      size={size}
      strokeWidth={2.2}
      className={`${styles.glyph} ${status === "running" || status === "stopping" ? styles.turning : ""}`}
      style={{ color: `var(--${tone})` }}
      data-status={status}
      {...(label ? { role: "img", "aria-label": text } : { "aria-hidden": true })}
    />
  );
}

/** Colour, shape and word of a status. */
export function Status({ status, plain = false }: { status: string; plain?: boolean }) {
  const { tone, text } = lookOf(status);
  return (
    <span
      className={plain ? styles.plain : styles.pill}
      data-testid="status"
      data-status={status}
      style={{ color: `var(--${tone})`, ...(plain ? {} : { background: `var(--${tone}-bg)` }) }}
    >
      <StatusGlyph status={status} size={12} />
      {text}
    </span>
  );
}
