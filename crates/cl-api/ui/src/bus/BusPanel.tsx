import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowUp, ListFilter, MessagesSquare } from "lucide-react";
import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { NewTaskDialog } from "../act/NewTaskDialog";
import { Button } from "../parts/Button";
import { Choice } from "../parts/Choice";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { go, useRoute } from "../route/route";
import styles from "./Bus.module.css";
import { Composer } from "./Composer";
import { MessageItem } from "./MessageItem";
import type { Item } from "./messages";
import type { Bus } from "./post";
import { lastSeen, markSeen, unseenOf } from "./seen";
import {
  ALL,
  answerTasks,
  type BusFilter,
  flat,
  isOpenFilter,
  matching,
  openQuestions,
  threaded,
} from "./shown";
import { offeredTypes } from "./types";
import { useBus } from "./useBus";

export interface BusPanelProps {
  project: string;
  /** Without it, the bus of the project. */
  task?: string | undefined;
}

type Scope = "task" | "project";

/** The messages of a task or project. */
export function BusPanel({ project, task }: BusPanelProps) {
  const [scope, setScope] = useState<Scope>("task");
  const real: Scope = task === undefined ? "project" : scope;
  const bus: Bus = real === "project" ? { project } : { project, task };
  return (
    <section className={styles.panel} data-testid="bus" aria-label="Messages">
      {/* Another bus, another panel: nothing of the old one may be shown as if it were of this one. */}
      <OneBus
        key={`${real} ${project} ${task ?? ""}`}
        bus={bus}
        scope={real}
        onScope={task === undefined ? undefined : setScope}
      />
    </section>
  );
}

interface OneBusProps {
  bus: Bus;
  scope: Scope;
  onScope: ((scope: Scope) => void) | undefined;
}

const NO_ANSWERS: never[] = [];
/** This near to the top one is at the top. */
const TOP = 48;

function OneBus({ bus, scope, onScope }: OneBusProps) {
  const { state, messages, follower, ...rest } = useBus(bus);
  const error = "error" in rest ? rest.error : undefined;
  const { msg } = useRoute();
  const [filter, setFilter] = useState<BusFilter>(ALL);
  const [isFlat, setFlat] = useState(false);
  const [replying, setReplying] = useState<string>();
  const [answering, setAnswering] = useState<Item>();
  const [isAtTop, setAtTop] = useState(true);
  const [isReadingOlder, setReadingOlder] = useState(false);
  const list = useRef<HTMLDivElement>(null);

  // What one reads does not move: new messages wait until one is at the top and writes no reply.
  const isHeld = !isAtTop || replying !== undefined;
  const [held, setHeld] = useState(messages);
  if (held !== messages && (!isHeld || held.items.length === 0 || !isSameTop(held.items, messages.items))) {
    setHeld(messages);
  }
  const shown = isHeld ? held : messages;
  const waiting = isHeld ? newerThan(messages.items, held.items[0]?.msg_id) : 0;

  const wanted = useDeferredValue(filter);
  const rows = useMemo(() => {
    const items = matching(shown.items, wanted);
    return isFlat || !isOpenFilter(wanted) ? flat(items) : threaded(items);
  }, [shown, wanted, isFlat]);
  const answers = useMemo(() => answerTasks(messages.items), [messages]);
  const questions = useMemo(() => openQuestions(messages.items), [messages]);
  const types = useMemo(() => offeredTypes(messages.items.map((item) => item.type)), [messages]);
  const unseen = useUnseen(bus, messages.items);

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => list.current,
    estimateSize: () => 84,
    getItemKey: (at) => rows[at]?.item.msg_id ?? at,
    overscan: 8,
  });
  const rowsNow = useRef(rows);
  rowsNow.current = rows;
  const virtualNow = useRef(virtual);
  virtualNow.current = virtual;

  const show = useCallback((id: string) => go({ msg: id }, { replace: true }), []);
  useFocused(msg, { rowsNow, virtualNow, follower, state, setFilter });

  const toTop = useCallback(() => {
    setAtTop(true);
    virtualNow.current.scrollToOffset(0);
  }, []);
  const onPosted = useCallback(
    (id: string) => {
      setReplying(undefined);
      void follower?.hear(id);
    },
    [follower],
  );
  const answerInTask = useCallback((id: string) => setAnswering(messages.byId.get(id)), [messages]);
  const readOlder = async () => {
    setReadingOlder(true);
    await follower?.readOlder();
    setReadingOlder(false);
  };

  const isFiltered = !isOpenFilter(filter);
  return (
    <>
      <div className={styles.bar}>
        {onScope && (
          <Choice
            label="Messages of"
            value={scope}
            options={[
              { id: "task", label: "Task" },
              { id: "project", label: "Project" },
            ]}
            onChange={onScope}
          />
        )}
        <input
          type="search"
          className={styles.search}
          aria-label="Filter by text"
          placeholder="Filter"
          value={filter.text}
          onChange={(event) => setFilter({ ...filter, text: event.target.value })}
        />
        <select
          aria-label="Only of type"
          className={styles.select}
          value={filter.type}
          onChange={(event) => setFilter({ ...filter, type: event.target.value })}
        >
          <option value="">All types</option>
          {types.map((type) => (
            <option key={type}>{type}</option>
          ))}
        </select>
        <label className={styles.toggle}>
          <input type="checkbox" checked={!isFlat} onChange={() => setFlat(!isFlat)} /> Threads
        </label>
        <span className={styles.count} role="status">
          {countText(rows.length, shown.items.length, isFiltered, shown.hasOlder)}
        </span>
      </div>

      {state === "failed" && messages.items.length > 0 && (
        <div className={styles.stale}>
          <Failure inline error={error} />
          <Button size="s" onClick={() => void follower?.look()}>
            Retry
          </Button>
        </div>
      )}

      <div className={styles.view}>
        {waiting > 0 && (
          <button type="button" className={styles.pill} onClick={toTop} data-testid="new-messages">
            <ArrowUp size={13} aria-hidden /> {waiting} new {waiting === 1 ? "message" : "messages"}
          </button>
        )}
        <div
          className={styles.list}
          ref={list}
          role="feed"
          aria-label="Messages, the newest first"
          aria-busy={state === "loading"}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          onScroll={(event) => setAtTop(event.currentTarget.scrollTop < TOP)}
        >
          {rows.length > 0 ? (
            <>
              <div className={styles.rows} style={{ height: virtual.getTotalSize() }}>
                {virtual.getVirtualItems().map((place) => {
                  const row = rows[place.index];
                  if (!row) return null;
                  const id = row.item.msg_id;
                  return (
                    <div
                      key={place.key}
                      ref={virtual.measureElement}
                      data-index={place.index}
                      className={styles.place_}
                      style={{ transform: `translateY(${place.start}px)` }}
                    >
                      <MessageItem
                        row={row}
                        bus={bus}
                        isNew={unseen.has(id)}
                        isFocused={id === msg}
                        isOpen={questions.has(id)}
                        answers={answers.get(id) ?? NO_ANSWERS}
                        isReplying={replying === id}
                        onReply={setReplying}
                        onPosted={onPosted}
                        onAnswerInTask={answerInTask}
                        onShow={show}
                      />
                    </div>
                  );
                })}
              </div>
              {shown.hasOlder && (
                <div className={styles.older}>
                  <Button size="s" look="plain" busy={isReadingOlder} onClick={() => void readOlder()}>
                    Load older messages
                  </Button>
                </div>
              )}
            </>
          ) : (
            <Nothing
              {...{ bus, state, error, isFiltered }}
              hasOlder={shown.hasOlder}
              onRetry={() => void follower?.look()}
              onOlder={() => void readOlder()}
              onClear={() => setFilter(ALL)}
            />
          )}
        </div>
      </div>
      <Composer bus={bus} onPosted={onPosted} />
      {answering && (
        <NewTaskDialog
          open
          onOpenChange={(open) => !open && setAnswering(undefined)}
          project={bus.project}
          answering={{
            project_id: answering.project_id ?? bus.project,
            task_id: answering.task_id ?? "",
            run_id: answering.run_id ?? "",
            message_id: answering.msg_id,
            type: answering.type,
          }}
          prompt={`Answer ${answering.type} ${answering.msg_id} from ${answering.task_id}.\n\n${answering.body}\n`}
        />
      )}
    </>
  );
}

/** Nothing to show: it is loading, it failed, nothing fits, or there is really nothing. */
function Nothing(props: {
  bus: Bus;
  state: string;
  error: unknown;
  isFiltered: boolean;
  hasOlder: boolean;
  onRetry: () => void;
  onOlder: () => void;
  onClear: () => void;
}) {
  const { bus } = props;
  if (props.state === "loading") return <Loading what="Loading messages" />;
  if (props.state === "failed") {
    return <Failure what="The messages could not be loaded" error={props.error} onRetry={props.onRetry} />;
  }
  if (props.isFiltered) {
    return (
      <Empty
        title="No messages fit the filter"
        icon={<ListFilter size={20} />}
        action={
          <div className={styles.deeds}>
            <Button size="s" onClick={props.onClear}>
              Clear the filter
            </Button>
            {props.hasOlder && (
              <Button size="s" look="plain" onClick={props.onOlder}>
                Look in older messages
              </Button>
            )}
          </div>
        }
      />
    );
  }
  const task = bus.task === undefined ? "" : ` --task ${bus.task}`;
  return (
    <Empty
      title="No messages yet"
      icon={<MessagesSquare size={20} />}
      command={`run-agent bus post --project ${bus.project}${task} --type USER --body "…"`}
    >
      What agents report and people tell them stands here.
    </Empty>
  );
}

/** Scrolls to the message in the address, and reads on into the past until it is found. */
function useFocused(
  msg: string | undefined,
  of: {
    rowsNow: React.RefObject<ReturnType<typeof flat>>;
    virtualNow: React.RefObject<{ scrollToIndex: (at: number, options: { align: "center" }) => void }>;
    follower: ReturnType<typeof useBus>["follower"];
    state: string;
    setFilter: (filter: BusFilter) => void;
  },
): void {
  const { rowsNow, virtualNow, follower, state, setFilter } = of;
  const found = useRef<string>(undefined);
  useEffect(() => {
    if (msg === undefined || state !== "ready" || !follower || found.current === msg) return;
    found.current = msg;
    let isOver = false;
    const look = async () => {
      const isThere = () => follower.now.messages.byId.has(msg);
      for (let pages = 0; !isThere() && follower.now.messages.hasOlder && pages < 20 && !isOver; pages += 1) {
        if (!(await follower.readOlder())) return;
      }
      if (isOver || !isThere()) return;
      setFilter(ALL);
      // Rows are measured as they come into view: the second look is exact.
      for (const wait of [0, 60, 160]) {
        await new Promise((done) => setTimeout(done, wait));
        const at = rowsNow.current.findIndex((row) => row.item.msg_id === msg);
        if (at >= 0 && !isOver) virtualNow.current.scrollToIndex(at, { align: "center" });
      }
    };
    void look();
    return () => {
      isOver = true;
    };
  }, [msg, state, follower, rowsNow, virtualNow, setFilter]);
}

/** What is new since one looked at this bus last; it stays marked for as long as one looks. */
function useUnseen(bus: Bus, items: readonly Item[]): Set<string> {
  const key = bus.task === undefined ? bus.project : `${bus.project}/${bus.task}`;
  const [before] = useState(() => lastSeen(localStorage, key));
  const newest = items[0]?.msg_id;
  useEffect(() => {
    if (newest === undefined) return;
    const mark = () => document.visibilityState === "visible" && markSeen(localStorage, key, newest);
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [key, newest]);
  return useMemo(() => unseenOf(items, before), [items, before]);
}

/** Tells whether the newer list only has more on top or below, so that the older one can be held. */
function isSameTop(held: readonly Item[], now: readonly Item[]): boolean {
  const top = held[0];
  return (
    top !== undefined &&
    now.length >= held.length &&
    now.some((item) => item.msg_id === top.msg_id) &&
    now.at(-1)?.msg_id === held.at(-1)?.msg_id
  );
}

function newerThan(items: readonly Item[], id: string | undefined): number {
  return Math.max(
    0,
    items.findIndex((item) => item.msg_id === id),
  );
}

function countText(shown: number, all: number, isFiltered: boolean, hasOlder: boolean): string {
  const of = `${all.toLocaleString("en")}${hasOlder ? "+" : ""}`;
  if (isFiltered) return `${shown.toLocaleString("en")} of ${of}`;
  return all === 0 ? "" : `${of} ${all === 1 ? "message" : "messages"}`;
}
