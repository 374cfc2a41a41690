import { ChevronRight, CornerDownRight, MessageCircleReply, RotateCw } from "lucide-react";
import { memo } from "react";
import { useTask } from "../live/store";
import { lookOf, StatusGlyph } from "../parts/Status";
import { Duration, Time } from "../parts/Time";
import type { RunNode, Shown, TaskNode } from "./rows";
import styles from "./Tree.module.css";

export const ROW_HEIGHT = 28;

interface RowProps {
  id: string;
  row: Shown;
  project: string;
  top: number;
  isSelected: boolean;
  isActive: boolean;
  onChoose: (row: Shown) => void;
  onToggle: (row: Shown) => void;
}

/** A row of the tree. What it says of a task comes from the one connection; its place does not. */
export const Row = memo(function Row(props: RowProps) {
  const { row, id, top, isSelected, isActive, onChoose, onToggle } = props;
  const classes = [styles.row, isSelected && styles.selected, isActive && styles.active];
  const title = row.kind === "node" ? row.key : undefined;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the focus and the keys
    // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus, and says which row is active
    <div
      id={id}
      role="treeitem"
      aria-level={row.level + 1}
      aria-selected={isSelected}
      {...(row.open !== undefined && { "aria-expanded": row.open })}
      className={classes.filter(Boolean).join(" ")}
      style={{ transform: `translateY(${top}px)`, paddingLeft: 6 + Math.min(row.level, 12) * 14 }}
      title={title}
      data-key={row.key}
      data-testid={row.kind === "node" ? `tree-${row.row.kind}` : "tree-section"}
      onClick={() => onChoose(row)}
    >
      <span
        className={styles.toggle}
        aria-hidden
        data-testid="tree-toggle"
        onClick={(event) => {
          if (row.open === undefined) return;
          event.stopPropagation();
          onToggle(row);
        }}
      >
        {row.open !== undefined && <ChevronRight size={14} data-open={row.open} />}
      </span>
      {row.kind === "section" ? (
        <span className={styles.section}>
          … and {row.count} more {row.count === 1 ? "task" : "tasks"} ({row.completed} completed, {row.failed}{" "}
          failed)
        </span>
      ) : row.row.kind === "task" ? (
        <Task node={row.row} project={props.project} isFaint={row.faint} />
      ) : (
        <Run node={row.row} project={props.project} isFaint={row.faint} />
      )}
    </div>
  );
});

function Task({ node, project, isFaint }: { node: TaskNode; project: string; isFaint: boolean }) {
  const live = useTask(project, node.task_id);
  const status = live?.task.status ?? node.status;
  const run = live?.run?.run_id === live?.task.latest_run ? live?.run : undefined;
  const blocked = live?.task.blocked_by ?? node.blocked_by;
  // What has begun may keep its entry; its place says something only as long as it waits.
  const queue = status === "queued" ? (live ? live.task.queue_position : node.queue_position) : undefined;
  const isRunning =
    (live?.task.latest_status ?? (node.ended ? undefined : "running")) === "running" && status !== "idle";
  const started = run?.started ?? node.started;
  const ended = run ? run.ended : node.ended;
  const restarts = Math.max(node.restarts, 0);
  return (
    <>
      <StatusGlyph status={status} label />
      {node.place === "thread" && (
        <MessageCircleReply size={12} className={styles.place} aria-label="answers a message" />
      )}
      <span className={`${styles.label} ${isFaint || node.missing ? styles.faint : ""}`}>{node.label}</span>
      <span className={styles.badges}>
        {node.missing && <span>not here</span>}
        {blocked.length > 0 && (
          <span className={styles.blocked} title={`waits for ${blocked.join(", ")}`}>
            blocked:{blocked.length}
          </span>
        )}
        {queue !== null && queue !== undefined && <span className={styles.queued}>queue:{queue}</span>}
        {(live?.task.suspicious ?? node.suspicious) && (
          <span className={styles.suspicious}>no work seen</span>
        )}
        {restarts > 0 && (
          <span title={`${restarts} ${restarts === 1 ? "restart" : "restarts"}`} className={styles.restarts}>
            <RotateCw size={10} aria-hidden />
            <span className="visually-hidden">restart:</span>
            {restarts}
          </span>
        )}
        {started && (
          <span className={styles.duration}>
            <Duration from={started} to={ended} running={isRunning} />
          </span>
        )}
        <span className={styles.agent}>{live?.task.agent ?? node.agent}</span>
        <span className={styles.time}>{started && <Time at={started} as="clock" />}</span>
      </span>
    </>
  );
}

function Run({ node, project, isFaint }: { node: RunNode; project: string; isFaint: boolean }) {
  const live = useTask(project, node.task_id);
  const run = live?.run?.run_id === node.run_id ? live.run : undefined;
  const status = run?.status ?? node.status;
  const { text } = lookOf(status);
  return (
    <>
      <StatusGlyph status={status} size={12} label />
      {node.place === "launched" && <CornerDownRight size={11} className={styles.place} aria-hidden />}
      <span className={`${styles.label} ${styles.run} ${isFaint ? styles.faint : ""}`}>
        {node.attempt ? `attempt ${node.attempt}` : node.label}
      </span>
      <span className={styles.badges}>
        {node.role && <span>{node.role}</span>}
        {node.failure && <span className={styles.failure}>{node.failure.replaceAll("_", " ")}</span>}
        {node.previous_run_id && (
          <span title={`restarted from ${node.previous_run_id}`} className={styles.restarts}>
            <RotateCw size={10} aria-hidden />
            <span className="visually-hidden">restart of {node.previous_run_id}</span>
          </span>
        )}
        <span className={styles.duration} title={text}>
          <Duration from={node.started} to={run ? run.ended : node.ended} running={status === "running"} />
        </span>
        <span className={styles.agent}>{node.agent}</span>
        <span className={styles.time}>
          <Time at={node.started} as="clock" />
        </span>
      </span>
    </>
  );
}
