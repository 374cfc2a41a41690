import { Ban, CirclePlay, LockOpen, type LucideIcon, Square, Sunrise, Undo2 } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { Problem } from "../api/client";
import { useTask } from "../live/store";
import type { TaskRow } from "../live/world";
import { Button } from "../parts/Button";
import { Confirm } from "../parts/Dialog";
import { Failure } from "../parts/Failure";
import { Status } from "../parts/Status";
import styles from "./Act.module.css";
import { shortTaskId } from "./ids";
import { type Action, type Offer, offersOf } from "./offers";
import { perform, type Said } from "./perform";
import { tell, tellNeutral, tellProblem } from "./tell";
import { beginEnding, useIsEnding } from "./underway";

export interface TaskActionsProps {
  project: string;
  task: string;
  /** The run that is selected, if one is. */
  run?: string | undefined;
}

const ICONS: Record<Action, LucideIcon> = {
  stop: Square,
  cancel: Ban,
  uncancel: Undo2,
  resume: CirclePlay,
  wake: Sunrise,
  unblock: LockOpen,
};

/** What can be done with a task: stop, cancel, resume, wake, unblock. */
export function TaskActions({ project, task }: TaskActionsProps) {
  const row = useTask(project, task)?.task;
  const isEnding = useIsEnding(project, task);
  const [asking, setAsking] = useState<Offer>();
  const [pending, setPending] = useState<Action>();
  const [refused, setRefused] = useState<Problem>();
  if (!row) return null;

  const act = async (action: Action, said: Said = {}) => {
    setPending(action);
    setRefused(undefined);
    try {
      const outcome = await perform(action, project, task, said);
      setAsking(undefined);
      if (outcome.isUnderway) {
        // What is shown stays what the server says; only that it was asked is ours.
        beginEnding(project, task);
        tellNeutral(outcome.text, outcome.more);
      } else tell(outcome.text, outcome.more);
    } catch (error) {
      // Where it was asked for it is told: the reason that was typed stays, and can be sent again.
      if (needsConfirming(action)) setRefused(withDoubt(Problem.of(error)));
      else tellProblem(`${shortTaskId(task)}: ${action} did not work`, error);
    } finally {
      setPending(undefined);
    }
  };

  return (
    <div className={styles.actions} data-testid="task-actions">
      {isEnding && <Status status="stopping" plain />}
      {offersOf(row).map((offer) => {
        const Icon = ICONS[offer.action];
        const isOff = pending !== undefined || (isEnding && offer.action !== "cancel");
        return (
          <Button
            key={offer.action}
            size="s"
            look={offer.action === "resume" ? "primary" : offer.action === "cancel" ? "plain" : "normal"}
            icon={<Icon size={13} aria-hidden />}
            title={offer.says}
            busy={pending === offer.action}
            disabled={isOff}
            data-testid={`act-${offer.action}`}
            onClick={() => {
              setRefused(undefined);
              if (needsConfirming(offer.action)) setAsking(offer);
              else void act(offer.action);
            }}
          >
            {offer.label}
          </Button>
        );
      })}
      {asking && (
        <Ask
          key={asking.action}
          offer={asking}
          row={row}
          busy={pending !== undefined}
          refused={refused}
          onClose={() => setAsking(undefined)}
          onConfirm={(said) => void act(asking.action, said)}
        />
      )}
    </div>
  );
}

/** What was not answered may have been done all the same. */
function withDoubt(problem: Problem): Problem {
  if (problem.status !== 0) return problem;
  const hint = "Whether it arrived is not known; asked again, it is done once";
  return new Problem({
    status: 0,
    message: problem.message,
    hint: problem.hint ? `${hint}. ${problem.hint}` : hint,
  });
}

function needsConfirming(action: Action): boolean {
  return action === "stop" || action === "cancel" || action === "resume" || action === "unblock";
}

interface AskProps {
  offer: Offer;
  row: TaskRow;
  busy: boolean;
  refused: Problem | undefined;
  onClose: () => void;
  onConfirm: (said: Said) => void;
}

/** Asks first, and names the thing. */
function Ask({ offer, row, busy, refused, onClose, onConfirm }: AskProps) {
  const [reason, setReason] = useState("");
  const [lifted, setLifted] = useState<readonly string[]>(row.blocked_by);
  const id = useId();
  const asksWhy = offer.action === "cancel" || offer.action === "unblock";
  const confirm = () => {
    const said: Said = {};
    // Naming none would lift all.
    if (offer.action === "unblock" && lifted.length === 0) return;
    if (reason.trim() !== "") said.reason = reason.trim();
    if (offer.action === "unblock") said.dependencies = [...lifted];
    onConfirm(said);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && !busy && onClose()}
      title={titleOf(offer, row)}
      description={<Description offer={offer} row={row} />}
      action={verbOf(offer)}
      danger={offer.danger === true}
      busy={busy}
      onConfirm={confirm}
    >
      {refused && <Failure inline error={refused} />}
      {offer.action === "unblock" && (
        <Choices ids={row.blocked_by} chosen={lifted} onChange={setLifted} name="Dependencies to lift" />
      )}
      {asksWhy && (
        <div className={styles.field}>
          <label htmlFor={id}>Reason</label>
          <input
            id={id}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            onKeyDown={(event) => event.key === "Enter" && !busy && confirm()}
            placeholder={offer.action === "cancel" ? "Why it is given up" : "Why it need not wait"}
            maxLength={1000}
            autoComplete="off"
          />
          <small>It is posted to the task’s messages.</small>
        </div>
      )}
    </Confirm>
  );
}

function titleOf(offer: Offer, row: TaskRow): string {
  return `${offer.label} ${shortTaskId(row.task_id)}?`;
}

function verbOf(offer: Offer): string {
  const verbs: Partial<Record<Action, string>> = {
    stop: "Stop the task",
    cancel: "Cancel the task",
    unblock: "Unblock",
  };
  return verbs[offer.action] ?? offer.label;
}

function Description({ offer, row }: { offer: Offer; row: TaskRow }): ReactNode {
  const name = <code className={styles.id}>{row.task_id}</code>;
  const children = row.children.filter((child) => child.active).length;
  switch (offer.action) {
    case "stop":
      return (
        <>
          {name} is stopped: its agent is asked to end, and killed if it does not.{" "}
          {children > 0 && `${children} child ${children === 1 ? "task is" : "tasks are"} stopped with it. `}
          Nothing starts again until you resume it.
        </>
      );
    case "cancel":
      return <>{name} is given up for good. What runs of it is stopped; its files stay.</>;
    case "unblock":
      return <>{name} waits for other tasks. Those that you choose no longer count.</>;
    default:
      return (
        <>
          {row.done ? (
            <>Resume task {name}? This will clear the DONE marker, and the agent goes on.</>
          ) : (
            <>
              {name} is started again. {offer.says}.
            </>
          )}
        </>
      );
  }
}

function Choices(props: {
  ids: readonly string[];
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
  name: string;
}) {
  const toggle = (id: string) =>
    props.onChange(
      props.chosen.includes(id) ? props.chosen.filter((it) => it !== id) : [...props.chosen, id],
    );
  return (
    <fieldset className={styles.choices}>
      <legend className="visually-hidden">{props.name}</legend>
      {props.ids.map((id) => (
        <label key={id}>
          <input type="checkbox" checked={props.chosen.includes(id)} onChange={() => toggle(id)} />
          <code>{id}</code>
        </label>
      ))}
    </fieldset>
  );
}
