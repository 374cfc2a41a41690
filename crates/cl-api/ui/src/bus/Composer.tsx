import { Check, Send } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { Button } from "../parts/Button";
import { Failure } from "../parts/Failure";
import styles from "./Bus.module.css";
import { type Bus, pathOf, usePost } from "./post";
import { COMPOSED } from "./types";
import { useWritten } from "./written";

/** Where a message is written. What could not be posted stays. */
export function Composer({ bus, onPosted }: { bus: Bus; onPosted: (id: string) => void }) {
  const [type, setType] = useState<string>("USER");
  const [text, setText, takeOut] = useWritten(pathOf(bus));
  const [isDone, setDone] = useState(false);
  const { post, isPosting, error, forget } = usePost(bus);
  const id = useId();
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [isDone]);
  const body = text.trim();
  const submit = async () => {
    if (body === "" || isPosting) return;
    const posted = await post({ type, body });
    if (posted === undefined) return;
    takeOut(text);
    setDone(true);
    onPosted(posted);
  };
  return (
    <div className={styles.composer}>
      {error && <Failure inline error={error} />}
      <div className={styles.write}>
        <select
          aria-label="Type"
          className={styles.select}
          value={type}
          onChange={(event) => setType(event.target.value)}
        >
          {COMPOSED.map((type) => (
            <option key={type}>{type}</option>
          ))}
        </select>
        <textarea
          id={id}
          aria-label={bus.task === undefined ? "Message to the project" : "Message to the task"}
          rows={1}
          dir="auto"
          value={text}
          placeholder={
            bus.task === undefined ? "Write to the project" : "Write to the task; its agent reads it"
          }
          onChange={(event) => {
            setText(event.target.value);
            if (error) forget();
          }}
          onKeyDown={(event) => {
            if (!isSubmit(event)) return;
            event.preventDefault();
            void submit();
          }}
        />
        <Button
          look="primary"
          icon={isDone ? <Check size={14} aria-hidden /> : <Send size={14} aria-hidden />}
          busy={isPosting}
          disabled={body === ""}
          onClick={() => void submit()}
        >
          {isDone ? "Posted" : "Post"}
        </Button>
      </div>
      <span role="status" className="visually-hidden">
        {isDone && "Posted successfully"}
      </span>
    </div>
  );
}

/** Answers a message where it stands. */
export function Reply(props: {
  bus: Bus;
  to: { msg_id: string; type: string };
  /** Somebody has answered it, maybe while this was being written. */
  isAnswered: boolean;
  onPosted: (id: string) => void;
  onClose: () => void;
}) {
  const isAnswer = props.to.type === "QUESTION";
  const [text, setText, takeOut] = useWritten(`${pathOf(props.bus)}#${props.to.msg_id}`);
  const { post, isPosting, error, forget } = usePost(props.bus);
  const word = isAnswer ? "Answer" : "Reply";
  const submit = async () => {
    const body = text.trim();
    if (body === "" || isPosting) return;
    const parents = [{ msg_id: props.to.msg_id, kind: isAnswer ? "answers" : "replies", meta: {} }];
    const posted = await post({ type: isAnswer ? "ANSWER" : "USER", body, parents });
    if (posted === undefined) return;
    takeOut(text);
    props.onPosted(posted);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") props.onClose();
    else if (isSubmit(event)) void submit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className={styles.reply}>
      {error && <Failure inline error={error} />}
      <textarea
        // biome-ignore lint/a11y/noAutofocus: it was opened to be written in
        autoFocus
        aria-label={word}
        rows={2}
        dir="auto"
        value={text}
        placeholder={isAnswer ? "Your answer; the agent that asked reads it" : "Your reply"}
        onChange={(event) => {
          setText(event.target.value);
          if (error) forget();
        }}
        onKeyDown={onKeyDown}
      />
      {props.isAnswered && (
        <span className={styles.faint} role="status">
          It has an answer already. Yours is posted beside it.
        </span>
      )}
      <div className={styles.replyFoot}>
        <Button
          size="s"
          look="primary"
          busy={isPosting}
          disabled={text.trim() === ""}
          onClick={() => void submit()}
        >
          {word}
        </Button>
        <Button size="s" look="plain" onClick={props.onClose}>
          Close
        </Button>
        <span className={styles.faint}>
          <kbd>Ctrl</kbd> <kbd>Enter</kbd>
        </span>
      </div>
    </div>
  );
}

function isSubmit(event: KeyboardEvent): boolean {
  return event.key === "Enter" && (event.ctrlKey || event.metaKey);
}
