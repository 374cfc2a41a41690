import { useVirtualizer } from "@tanstack/react-virtual";
import {
  Bot,
  ChevronRight,
  CircleAlert,
  CircleCheck,
  CircleX,
  FileJson,
  Info,
  LoaderCircle,
  User,
} from "lucide-react";
import {
  memo,
  type ReactNode,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Markdown } from "../parts/Markdown";
import { formatBytes, formatClock, formatDate, formatDuration } from "../parts/time";
import styles from "./AgentLog.module.css";
import { AnsiText } from "./AnsiText";
import type { Item, Spent } from "./agent/items";
import type { LogView } from "./RawLog";
import type { TranscriptReader } from "./transcriptReader";
import { NEAR } from "./window";

/** How many characters of a text are shown at first. */
const SHOWN = 12_000;

/** What an agent said and did, read from its stream. */
export function AgentLog({
  reader,
  items,
  label,
  at,
  isRunning,
  onRaw,
  onPlace,
  onFollowing,
  ref,
}: {
  reader: TranscriptReader;
  items: readonly Item[];
  label: string;
  /** The item of this place is shown, in bytes. */
  at: number | null;
  /** Tools without a result may still have one. */
  isRunning: boolean;
  onRaw: (at: number) => void;
  onPlace: (at: number) => void;
  onFollowing: (isFollowing: boolean) => void;
  ref?: Ref<LogView>;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [isFollowing, setFollowing] = useState(at === null);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const last = useRef({ top: 0, height: 0 });
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: (index) => estimate(items[index]),
    getItemKey: (index) => keyOf(items[index], index),
    overscan: 6,
  });
  const height = rows.getTotalSize();

  useEffect(() => onFollowing(isFollowing), [isFollowing, onFollowing]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever something was added or measured
  useLayoutEffect(() => {
    const element = box.current;
    if (element && isFollowing) element.scrollTop = element.scrollHeight;
  }, [isFollowing, height, items]);

  // A view that gets lower keeps its top, and so loses the end that it follows.
  useEffect(() => {
    const element = box.current;
    if (!element || !isFollowing) return;
    const observer = new ResizeObserver(() => {
      element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [isFollowing]);

  const goTo = useCallback(
    (place: number) => {
      const index = items.findLastIndex((item) => item.at <= place);
      if (index < 0) return;
      setFollowing(false);
      rows.scrollToIndex(index, { align: "start" });
    },
    [items, rows],
  );

  // A link is gone to when what it points at is there, once.
  const gone = useRef<number | null>(null);
  useEffect(() => {
    if (at !== null && gone.current !== at && reader.isReady && items.length > 0) {
      gone.current = at;
      goTo(at);
    }
  }, [at, items, reader, goTo]);

  useImperativeHandle(
    ref,
    () => ({
      follow: () => setFollowing(true),
      stay: () => setFollowing(false),
      goTo,
      nextError() {
        const top = box.current?.scrollTop ?? 0;
        const shown = rows.getVirtualItems().findLast((row) => row.start <= top + 2)?.index ?? -1;
        const from = isFollowing ? -1 : shown;
        const errors = items.flatMap((item, index) => (isError(item) ? [index] : []));
        const next = errors.find((index) => index > from) ?? errors[0];
        if (next !== undefined) {
          setFollowing(false);
          rows.scrollToIndex(next, { align: "start" });
        }
      },
    }),
    [goTo, items, rows, isFollowing],
  );

  const choose = useCallback(
    (place: number) => {
      // It is in sight.
      gone.current = place;
      setFollowing(false);
      onPlace(place);
    },
    [onPlace],
  );

  const toggle = useCallback((key: string) => {
    setOpened((before) => {
      const after = new Set(before);
      if (!after.delete(key)) after.add(key);
      return after;
    });
  }, []);

  const left = reader.begin;
  return (
    <section
      ref={box}
      className={styles.box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={label}
      data-testid="log-agent"
      data-following={isFollowing}
      onWheel={(event) => {
        if (event.deltaY < 0 && event.currentTarget.scrollTop > 0) setFollowing(false);
      }}
      onKeyDown={(event) => {
        if (event.key === "End") setFollowing(true);
        if (["Home", "PageUp", "ArrowUp"].includes(event.key)) setFollowing(false);
      }}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        const isNear = scrollHeight - scrollTop - clientHeight <= NEAR;
        const { top, height: before } = last.current;
        last.current = { top: scrollTop, height: scrollHeight };
        // Rows that turn out higher or lower move the end, not the reader.
        if (scrollTop < top - 1 && !isNear && scrollHeight >= before) setFollowing(false);
        else if (scrollTop > top && isNear) setFollowing(true);
      }}
    >
      {left > 0 && (
        <div className={styles.earlier}>
          {formatBytes(left)} before this are not shown here.
          <Button size="s" look="plain" onClick={() => onRaw(left)}>
            Show the raw log there
          </Button>
        </div>
      )}
      <div className={styles.area} style={{ height }}>
        {rows.getVirtualItems().map((row) => {
          const item = items[row.index];
          return (
            item && (
              <div
                key={row.key}
                ref={rows.measureElement}
                data-index={row.index}
                className={styles.row}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <ItemView
                  item={item}
                  name={String(row.key)}
                  isOpen={opened.has(String(row.key))}
                  isPlace={at !== null && item.at === at}
                  isRunning={isRunning}
                  onToggle={toggle}
                  onPlace={choose}
                />
              </div>
            )
          );
        })}
      </div>
    </section>
  );
}

function keyOf(item: Item | undefined, index: number): string {
  return item ? `${item.at}:${item.part}` : `${index}`;
}

function estimate(item: Item | undefined): number {
  if (!item) return 40;
  return item.kind === "text" || item.kind === "plain" ? 48 + Math.min(600, item.text.length / 5) : 40;
}

function isError(item: Item): boolean {
  return (
    item.kind === "error" ||
    (item.kind === "tool" && item.state === "failed") ||
    (item.kind === "result" && !item.isOk)
  );
}

interface ItemProps {
  item: Item;
  /** Its key. */
  name: string;
  isOpen: boolean;
  isPlace: boolean;
  isRunning: boolean;
  onToggle: (name: string) => void;
  onPlace: (at: number) => void;
}

const ItemView = memo(function ItemView({
  item,
  name,
  isOpen,
  isPlace,
  isRunning,
  onToggle,
  onPlace,
}: ItemProps) {
  const fold = { isOpen, onToggle: () => onToggle(name) };
  return (
    <article
      className={`${styles.item} ${item.isNested ? styles.nested : ""} ${isPlace ? styles.place : ""}`}
      data-testid={`log-item-${item.kind}`}
    >
      <button
        type="button"
        className={styles.when}
        title={`${item.time === null ? "" : `${formatDate(new Date(item.time))}, `}byte ${item.at}. Click for a link.`}
        aria-label={`Link to byte ${item.at}`}
        tabIndex={-1}
        onClick={() => onPlace(item.at)}
      >
        {item.time === null ? "·" : formatClock(new Date(item.time))}
      </button>
      <div className={styles.content}>{contentOf(item, fold, isRunning)}</div>
    </article>
  );
});

interface FoldState {
  isOpen: boolean;
  onToggle: () => void;
}

function contentOf(item: Item, fold: FoldState, isRunning: boolean): ReactNode {
  switch (item.kind) {
    case "text":
      return item.role === "user" ? (
        <Said icon={<User size={14} aria-label="user" />}>
          <Long text={item.text} as={(text) => <div className={styles.plain}>{text}</div>} />
        </Said>
      ) : (
        <Said icon={<Bot size={14} aria-label="assistant" />}>
          <Long text={item.text} as={(text) => <Markdown text={text} />} />
        </Said>
      );
    case "thinking":
      return (
        <Fold {...fold} label="Thinking" hint={firstLine(item.text)} tone="faint">
          <Long text={item.text} as={(text) => <div className={styles.thinking}>{text}</div>} />
        </Fold>
      );
    case "tool":
      return (
        <Fold
          {...fold}
          icon={<ToolState state={item.state} isRunning={isRunning} />}
          label={item.name}
          hint={item.summary}
          isCode
          tone={item.state === "failed" ? "failed" : "normal"}
        >
          <Code title="Input" text={item.input} />
          {item.output !== null ? (
            <Code title={item.state === "failed" ? "Failed" : "Result"} text={item.output} />
          ) : (
            <p className={styles.none}>{isRunning ? "No result yet." : "It has no result."}</p>
          )}
        </Fold>
      );
    case "error":
      return (
        <div className={styles.error}>
          <CircleAlert size={14} aria-label="error" />
          <Long text={item.text} as={(text) => <span>{text}</span>} />
        </div>
      );
    case "result":
      return (
        <div className={`${styles.result} ${item.isOk ? styles.ok : styles.failed}`}>
          <div className={styles.resultHead}>
            {item.isOk ? <CircleCheck size={15} aria-hidden /> : <CircleX size={15} aria-hidden />}
            <strong>{item.label}</strong>
            <SpentView spent={item.spent} />
          </div>
          {item.text !== "" && <Long text={item.text} as={(text) => <Markdown text={text} />} />}
        </div>
      );
    case "usage":
      return <SpentView spent={item.spent} />;
    case "start":
      return (
        <Fold
          {...fold}
          icon={<Bot size={14} aria-hidden />}
          label={`${item.agent} started`}
          hint={hintOf(item.facts)}
          tone="faint"
        >
          <dl className={styles.facts}>
            {item.facts.map(([key, value]) => (
              <div key={key}>
                <dt>{key.replaceAll("_", " ")}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </Fold>
      );
    case "note":
      return item.text.includes("\n") ? (
        <Said icon={<Info size={14} aria-hidden />}>
          <span className={styles.label}>{item.label}</span>
          <div className={styles.plain}>{item.text}</div>
        </Said>
      ) : (
        <div className={styles.note}>
          <Info size={14} aria-hidden />
          <span className={styles.label}>{item.label}</span>
          <span className={styles.hint}>{item.text}</span>
        </div>
      );
    case "json":
      return (
        <Fold {...fold} icon={<FileJson size={14} aria-hidden />} label={item.label} hint="" tone="faint">
          <Code title="JSON" text={item.text} />
        </Fold>
      );
    case "plain":
      return (
        <Long
          text={item.text}
          as={(text) => (
            <pre className={styles.output}>
              <AnsiText text={text} />
            </pre>
          )}
        />
      );
  }
}

function ToolState({ state, isRunning }: { state: "running" | "ok" | "failed"; isRunning: boolean }) {
  if (state === "ok") return <CircleCheck size={14} color="var(--ok)" aria-label="succeeded" />;
  if (state === "failed") return <CircleX size={14} color="var(--failed)" aria-label="failed" />;
  return (
    <LoaderCircle
      size={14}
      color={isRunning ? "var(--running)" : "var(--none)"}
      className={isRunning ? styles.turning : ""}
      aria-label={isRunning ? "running" : "without a result"}
    />
  );
}

function Said({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <div className={styles.said}>
      <span className={styles.icon}>{icon}</span>
      <div className={styles.saying}>{children}</div>
    </div>
  );
}

function Fold({
  isOpen,
  onToggle,
  icon,
  label,
  hint,
  tone,
  isCode = false,
  children,
}: FoldState & {
  icon?: ReactNode;
  label: string;
  hint: string;
  tone: "normal" | "faint" | "failed";
  isCode?: boolean;
  children: ReactNode;
}) {
  return (
    <div className={`${styles.fold} ${styles[`tone-${tone}`] ?? ""}`}>
      <button type="button" className={styles.head} aria-expanded={isOpen} onClick={onToggle}>
        <ChevronRight size={14} className={isOpen ? styles.open : ""} aria-hidden />
        {icon}
        <span className={styles.label}>{label}</span>
        {hint !== "" && <bdi className={isCode ? styles.code : styles.hint}>{hint}</bdi>}
      </button>
      {isOpen && <div className={styles.body}>{children}</div>}
    </div>
  );
}

function Code({ title, text }: { title: string; text: string }) {
  return (
    <div className={styles.block}>
      <div className={styles.blockHead}>
        {title}
        <Copy text={text} what={`the ${title.toLowerCase()}`} />
      </div>
      {text === "" ? (
        <p className={styles.none}>Nothing.</p>
      ) : (
        <Long
          text={text}
          as={(shown) => (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
            <pre className={styles.output} tabIndex={0}>
              <AnsiText text={shown} />
            </pre>
          )}
        />
      )}
    </div>
  );
}

/** A text, and more of a long one each time it is asked for. */
function Long({ text, as }: { text: string; as: (text: string) => ReactNode }) {
  const [shown, setShown] = useState(SHOWN);
  if (text.length <= shown) return as(text);
  return (
    <>
      {as(text.slice(0, shown))}
      <Button size="s" look="plain" onClick={() => setShown(shown * 4)}>
        Show more ({formatBytes(text.length - shown)})
      </Button>
    </>
  );
}

function SpentView({ spent }: { spent: Spent }) {
  const count = (value: number) => value.toLocaleString("en-US");
  const parts: [string, string][] = [];
  if (spent.input !== undefined) parts.push(["in", count(spent.input)]);
  if (spent.cached) parts.push(["cached", count(spent.cached)]);
  if (spent.output !== undefined) parts.push(["out", count(spent.output)]);
  if (spent.reasoning) parts.push(["reasoning", count(spent.reasoning)]);
  if (spent.costUsd) parts.push(["cost", `$${spent.costUsd.toFixed(spent.costUsd < 0.1 ? 4 : 2)}`]);
  if (spent.turns !== undefined) parts.push(["turns", count(spent.turns)]);
  if (spent.durationMs) {
    const { durationMs } = spent;
    parts.push([
      "time",
      durationMs < 2000 ? `${Math.round(durationMs)} ms` : formatDuration(durationMs / 1000),
    ]);
  }
  return (
    <span className={styles.spent}>
      {parts.map(([key, value]) => (
        <span key={key}>
          <span className={styles.key}>{key}</span> {value}
        </span>
      ))}
    </span>
  );
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]?.slice(0, 160) ?? "";
}

function hintOf(facts: readonly (readonly [string, string])[]): string {
  return facts.find(([key]) => key === "model")?.[1] ?? "";
}
