import { Braces, CornerDownRight, ExternalLink, ListPlus, MessageSquareReply } from "lucide-react";
import { memo, type ReactNode, useState } from "react";
import { shortTaskId } from "../act/ids";
import { Button, IconButton } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Time } from "../parts/Time";
import { href } from "../route/route";
import { Body } from "./Body";
import styles from "./Bus.module.css";
import { Reply } from "./Composer";
import type { Bus } from "./post";
import {
  canAnswerInTask,
  childTask,
  isRunEvent,
  type Place,
  type Row,
  sourceMessage,
  sourceOf,
} from "./shown";
import { TypeBadge } from "./TypeBadge";

export interface MessageItemProps {
  row: Row;
  bus: Bus;
  isNew: boolean;
  isFocused: boolean;
  /** A question that nobody has answered. */
  isOpen: boolean;
  answers: readonly Place[];
  isReplying: boolean;
  onReply: (id: string | undefined) => void;
  onPosted: (id: string) => void;
  onAnswerInTask: (id: string) => void;
  onShow: (id: string) => void;
}

/** One message, readable without a click. */
export const MessageItem = memo(function MessageItem(props: MessageItemProps) {
  const { row, bus } = props;
  const { item, depth } = row;
  const [isRaw, setRaw] = useState(false);
  const source = sourceMessage(item);
  const child = childTask(item);
  const isQuestion = item.type === "QUESTION";
  // Where it stands shows what it answers, in a thread.
  const parents = depth > 0 ? (item.parents ?? []).slice(1) : (item.parents ?? []);
  return (
    <article
      className={styles.item}
      data-testid="message"
      data-id={item.msg_id}
      data-depth={depth}
      data-focused={props.isFocused || undefined}
      data-last={row.isLast || undefined}
      aria-label={`${item.type} from ${sourceOf(item)}`}
      style={{ marginInlineStart: depth * 20 }}
    >
      <header className={styles.head}>
        <TypeBadge type={item.type} />
        <Source item={item} bus={bus} />
        <Time at={item.timestamp} as="clock" />
        {props.isNew && <span className={styles.new}>new</span>}
        {props.isOpen && <span className={styles.open}>not answered</span>}
        {item.truncated && <span className={styles.flag}>cut short on disk</span>}
        {item.edited && <span className={styles.flag}>not as it was posted</span>}
        <Chips item={item} bus={bus} />
        <span className={styles.tools}>
          <IconButton
            label={isRaw ? "Show it as it is meant" : "Show it raw"}
            aria-pressed={isRaw}
            onClick={() => setRaw(!isRaw)}
          >
            <Braces size={14} />
          </IconButton>
          <Copy text={item.body} what="the text" />
          {canAnswerInTask(item) && bus.task !== undefined && !isQuestion && (
            <IconButton label="Answer in new task" onClick={() => props.onAnswerInTask(item.msg_id)}>
              <ListPlus size={14} />
            </IconButton>
          )}
          {!isQuestion && (
            <IconButton label="Reply" onClick={() => props.onReply(item.msg_id)}>
              <MessageSquareReply size={14} />
            </IconButton>
          )}
        </span>
      </header>
      {parents.map((parent) => (
        <button
          type="button"
          key={parent.msg_id}
          className={styles.parent}
          onClick={() => props.onShow(parent.msg_id)}
        >
          <CornerDownRight size={12} aria-hidden /> {parent.kind || "refers to"} <code>{parent.msg_id}</code>
        </button>
      ))}
      <Body body={item.body} isRaw={isRaw} isEvent={isRunEvent(item.type)} />
      {(item.links ?? []).length > 0 && (
        <div className={styles.links}>
          {item.links?.map((link) => (
            <BodyLink key={link.url} url={link.url} label={link.label || link.url} />
          ))}
        </div>
      )}
      {isRaw && <Details item={item} />}
      <div className={styles.deeds}>
        {isQuestion && !props.isReplying && (
          <Button size="s" icon={<MessageSquareReply size={13} />} onClick={() => props.onReply(item.msg_id)}>
            Answer
          </Button>
        )}
        {isQuestion && canAnswerInTask(item) && bus.task !== undefined && !props.isReplying && (
          <Button size="s" icon={<ListPlus size={13} />} onClick={() => props.onAnswerInTask(item.msg_id)}>
            Answer in new task
          </Button>
        )}
        {source && <PlaceLink place={source}>Open source message</PlaceLink>}
        {child && <PlaceLink place={child}>Open child task {shortTaskId(child.task)}</PlaceLink>}
        {props.answers.map((place) => (
          <PlaceLink key={place.task} place={place}>
            Open answer task: {shortTaskId(place.task)}
          </PlaceLink>
        ))}
      </div>
      {props.isReplying && (
        <Reply
          bus={bus}
          to={item}
          isAnswered={isQuestion && !props.isOpen}
          onPosted={props.onPosted}
          onClose={() => props.onReply(undefined)}
        />
      )}
    </article>
  );
});

/** Who says it; a run is a link to it. */
function Source({ item, bus }: { item: Row["item"]; bus: Bus }) {
  const source = sourceOf(item);
  if (source !== item.run_id || !item.task_id) {
    return (
      <span className={styles.source} title={source}>
        {source}
      </span>
    );
  }
  const project = item.project_id || bus.project;
  return (
    <a
      className={styles.source}
      href={href({ project, task: item.task_id, run: source })}
      title={`Run ${source}`}
    >
      run {shortRun(source)}
    </a>
  );
}

/** The time in the id of a run, which tells it from its neighbours. */
function shortRun(run: string): string {
  return run.split("-")[1] ?? run;
}

/** Where it comes from, as far as that is not where one is. */
function Chips({ item, bus }: { item: Row["item"]; bus: Bus }) {
  const project = item.project_id || bus.project;
  return (
    <span className={styles.chips}>
      {item.task_id && item.task_id !== bus.task && (
        <a href={href({ project, task: item.task_id })} title={item.task_id}>
          {shortTaskId(item.task_id)}
        </a>
      )}
      {item.run_id && item.task_id && sourceOf(item) !== item.run_id && (
        <a href={href({ project, task: item.task_id, run: item.run_id })} title={`Run ${item.run_id}`}>
          run {shortRun(item.run_id)}
        </a>
      )}
      {item.issue_id && <span title="Issue">{item.issue_id}</span>}
      <code className={styles.id} title={item.msg_id}>
        {item.msg_id}
      </code>
    </span>
  );
}

function PlaceLink({ place, children }: { place: Place; children: ReactNode }) {
  return (
    <a
      className={styles.place}
      href={href({ project: place.project, task: place.task, tab: "messages", msg: place.msg })}
    >
      {children}
    </a>
  );
}

/** A link of a message: followed only if it leads to the web, for paths are those of other machines. */
function BodyLink({ url, label }: { url: string; label: string }) {
  if (!/^https?:\/\//i.test(url)) return <code title={url}>{label}</code>;
  return (
    <a href={url} target="_blank" rel="noreferrer noopener" title={url}>
      {label} <ExternalLink size={11} aria-hidden />
    </a>
  );
}

function Details({ item }: { item: Row["item"] }) {
  const meta = Object.entries(item.meta ?? {});
  if (meta.length === 0) return null;
  return (
    <dl className={styles.meta}>
      {meta.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
