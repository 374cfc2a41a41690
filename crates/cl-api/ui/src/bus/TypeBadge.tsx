import {
  BadgeInfo,
  CircleHelp,
  CircleX,
  Diamond,
  Hash,
  Info,
  type LucideIcon,
  MessageSquareReply,
  Play,
  Square,
  StepForward,
  TriangleAlert,
  UserRound,
} from "lucide-react";
import styles from "./Bus.module.css";
import { lookOf, type Shape } from "./types";

const ICONS: Record<Shape, LucideIcon> = {
  person: UserRound,
  info: Info,
  fact: BadgeInfo,
  progress: StepForward,
  decision: Diamond,
  question: CircleHelp,
  answer: MessageSquareReply,
  error: CircleX,
  warning: TriangleAlert,
  start: Play,
  stop: Square,
  other: Hash,
};

/** The type of a message: colour, shape and word. */
export function TypeBadge({ type }: { type: string }) {
  const { tone, shape } = lookOf(type);
  const Icon = ICONS[shape];
  const color = tone === "accent" ? "var(--accent-text)" : `var(--${tone})`;
  return (
    <span className={styles.type} style={{ color }} data-type={type}>
      <Icon size={14} strokeWidth={2.2} aria-hidden />
      {type}
    </span>
  );
}
