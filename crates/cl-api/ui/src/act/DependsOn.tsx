import { X } from "lucide-react";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { useLive } from "../live/store";
import { IconButton } from "../parts/Button";
import { StatusGlyph } from "../parts/Status";
import { Time } from "../parts/Time";
import styles from "./Act.module.css";
import type { Tied } from "./Field";
import { shortTaskId } from "./ids";

/** A task that can be chosen. */
export interface Choice {
  id: string;
  status: string;
  at: string | null | undefined;
}

const MOST = 50;

/** Returns the tasks that fit what is typed, the latest first; those that are chosen are left out. */
export function choicesFor(tasks: readonly Choice[], typed: string, chosen: readonly string[]): Choice[] {
  const words = typed
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const fits = (task: Choice) => !chosen.includes(task.id) && words.every((word) => task.id.includes(word));
  const latest = (one: Choice, other: Choice) =>
    (other.at ?? "").localeCompare(one.at ?? "") || other.id.localeCompare(one.id);
  return tasks.filter(fits).sort(latest).slice(0, MOST);
}

/** Chooses tasks of a project that must be done first. */
export function DependsOn(props: {
  tied: Tied;
  project: string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  disabled?: boolean;
}) {
  const { chosen, onChange } = props;
  const tasks = useLive((world) => world.tasks);
  const [typed, setTyped] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const all = useMemo(() => {
    const own = Object.values(tasks).filter(({ task }) => task.project_id === props.project && !task.legacy);
    return own.map(({ task }) => ({ id: task.task_id, status: task.status, at: task.last_activity }));
  }, [tasks, props.project]);
  const choices = isOpen ? choicesFor(all, typed, chosen) : [];
  const at = Math.min(active, choices.length - 1);
  const listId = `${props.tied.id}-tasks`;

  const choose = (id: string) => {
    onChange([...chosen, id]);
    setTyped("");
    setActive(0);
  };
  const move = (to: number) => {
    setActive(to);
    list.current?.children[to]?.scrollIntoView({ block: "nearest" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const choice = choices[at];
    if (event.key === "ArrowDown") move(Math.min(at + 1, choices.length - 1));
    else if (event.key === "ArrowUp") move(Math.max(at - 1, 0));
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && choice) choose(choice.id);
    else if (event.key === "Escape" && isOpen) setOpen(false);
    else if (event.key === "Backspace" && typed === "" && chosen.length > 0) onChange(chosen.slice(0, -1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <>
      {chosen.length > 0 && (
        <div className={styles.chips}>
          {chosen.map((id) => (
            <span key={id} className={styles.chip} title={id}>
              <span className="truncate">{shortTaskId(id)}</span>
              <IconButton
                label={`Do not wait for ${shortTaskId(id)}`}
                disabled={props.disabled}
                onClick={() => onChange(chosen.filter((it) => it !== id))}
              >
                <X size={12} />
              </IconButton>
            </span>
          ))}
        </div>
      )}
      <input
        {...props.tied}
        role="combobox"
        aria-expanded={choices.length > 0}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={choices[at] ? `${listId}-${at}` : undefined}
        value={typed}
        disabled={props.disabled}
        placeholder={all.length === 0 ? "No tasks in this project yet" : "Type to find a task"}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => {
          setTyped(event.target.value);
          setActive(0);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      {isOpen && choices.length > 0 && (
        <div className={styles.options} role="listbox" id={listId} ref={list} aria-label="Tasks">
          {choices.map((choice, index) => (
            // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the input, which names the active option
            // biome-ignore lint/a11y/useKeyWithClickEvents: the input has the keys
            <div
              key={choice.id}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === at}
              title={choice.id}
              onPointerMove={() => index !== at && setActive(index)}
              // Before the input loses the focus and the list is gone.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => choose(choice.id)}
            >
              <StatusGlyph status={choice.status} label />
              <span className="truncate">{shortTaskId(choice.id)}</span>
              <Time at={choice.at} />
            </div>
          ))}
        </div>
      )}
      {isOpen && typed !== "" && choices.length === 0 && <small>No task of this project fits.</small>}
    </>
  );
}
