import { LinkIcon } from "lucide-react";
import {
  type CSSProperties,
  type KeyboardEvent,
  memo,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { formatBytes } from "../parts/time";
import { AnsiText } from "./AnsiText";
import { BLOCK } from "./blocks";
import type { LogDocument, Piece } from "./document";
import styles from "./RawLog.module.css";
import { type Frame, ScrollWindow } from "./window";

/** How high a line is; the same stands in the style sheet. */
const ROW = 20;
/** How many bytes of a line are shown at first, and how many more each time. */
const SHOWN = 2048;
/** The same for what goes on a line that is longer than a block. */
const SHOWN_OF_REST = 160;
const MORE = 16 * 1024;
/** Places that are passed while the scroll bar is dragged are not fetched. */
const SETTLED_MS = 60;

/** What whoever shows a file can do with its view. */
export interface LogView {
  follow(): void;
  stay(): void;
  goTo(at: number): void;
  /** Goes to what went wrong next, where that is known. */
  nextError?(): void;
}

export interface RawLogProps {
  document: LogDocument;
  /** Read aloud for the whole. */
  label: string;
  wrap: boolean;
  /** Marked where it stands. */
  needle: string;
  /** The place that is linked to, in bytes. */
  at: number | null;
  /** A place was chosen. */
  onPlace: (at: number) => void;
  addressOf: (at: number) => string;
  onFollowing: (isFollowing: boolean) => void;
  ref?: Ref<LogView>;
}

/** The lines of a file of any size, of which only those in sight are made. */
export function RawLog({
  document,
  label,
  wrap,
  needle,
  at,
  onPlace,
  addressOf,
  onFollowing,
  ref,
}: RawLogProps) {
  const box = useRef<HTMLDivElement>(null);
  const lines = useRef<HTMLDivElement>(null);
  const view = useMemo(() => new ScrollWindow(document, ROW), [document]);
  const [frame, setFrame] = useState<Frame>(view.frame);
  const [opened, setOpened] = useState<ReadonlyMap<number, number>>(new Map());
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const waiting = useRef(0);

  const lay = useCallback(() => {
    const shown = view.frame.rows;
    const next = view.layOut();
    setFrame(next);
    clearTimeout(timer.current);
    const { missing } = next;
    if (missing && document.presence !== "failed") {
      const fetch = () => void document.load(missing.from, missing.to);
      if (next.isFollowing) fetch();
      else timer.current = setTimeout(fetch, next.rows === shown ? SETTLED_MS : 0);
    } else if (!next.isFollowing && document.presence !== "failed") {
      // What is scrolled to next is there by then.
      const [first, last] = [next.rows[0], next.rows.at(-1)];
      const ahead = first && last && document.missing(first.piece.start - BLOCK, last.piece.next + 2 * BLOCK);
      if (ahead) void document.load(ahead.from, ahead.to);
    }
  }, [view, document]);

  /** Lays out with the next picture, however often it is asked for until then. */
  const schedule = useCallback(() => {
    if (waiting.current === 0) {
      waiting.current = requestAnimationFrame(() => {
        waiting.current = 0;
        lay();
      });
    }
  }, [lay]);

  useEffect(() => {
    let generation = document.generation;
    const stop = document.subscribe(() => {
      if (document.generation !== generation) {
        generation = document.generation;
        view.reset();
        setOpened(new Map());
      }
      schedule();
    });
    schedule();
    return () => {
      stop();
      clearTimeout(timer.current);
      cancelAnimationFrame(waiting.current);
      waiting.current = 0;
    };
  }, [document, view, schedule]);

  useEffect(() => onFollowing(frame.isFollowing), [frame.isFollowing, onFollowing]);

  // What is chosen here is in sight.
  const chosen = useRef<number>(undefined);
  const choose = useCallback(
    (place: number) => {
      chosen.current = place;
      view.stay();
      schedule();
      onPlace(place);
    },
    [view, schedule, onPlace],
  );
  useEffect(() => {
    if (at !== null && at !== chosen.current) {
      view.goTo(at);
      schedule();
    }
  }, [at, view, schedule]);

  // Rows that wrap are as high as they turn out.
  // biome-ignore lint/correctness/useExhaustiveDependencies: heights are another thing when lines wrap or not
  useLayoutEffect(() => {
    view.restyled(ROW);
    schedule();
  }, [wrap, view]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    let width = element.clientWidth;
    const seen = () => {
      view.resized(element.clientHeight);
      if (element.clientWidth !== width) {
        width = element.clientWidth;
        view.restyled(ROW);
      }
      schedule();
    };
    seen();
    const observer = new ResizeObserver(seen);
    observer.observe(element);
    return () => observer.disconnect();
  }, [view, schedule]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (Math.abs(element.scrollTop - frame.scrollTop) > 1) element.scrollTop = frame.scrollTop;
    view.drawn(element.scrollTop);
    if (!wrap || !lines.current) return;
    const heights = [...lines.current.children].map(
      (row) => [Number((row as HTMLElement).dataset.at), row.getBoundingClientRect().height] as const,
    );
    if (view.measured(heights)) lay();
  }, [frame, wrap, view, lay]);

  useImperativeHandle(
    ref,
    () => ({
      follow() {
        view.follow();
        schedule();
      },
      stay() {
        view.stay();
        schedule();
      },
      goTo(place) {
        view.goTo(place);
        schedule();
      },
    }),
    [view, schedule],
  );

  const onKeyDown = (event: KeyboardEvent) => {
    const element = box.current;
    if (!element || event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Home") view.goTo(0, 0);
    else if (event.key === "End") view.follow();
    else {
      if (["ArrowUp", "PageUp"].includes(event.key) && element.scrollTop > 0) view.stay();
      return;
    }
    event.preventDefault();
    schedule();
  };

  const open = useCallback((start: number, to: number) => {
    setOpened((before) => new Map(before).set(start, to));
  }, []);

  const first = frame.rows[0];
  return (
    <section
      ref={box}
      className={`${styles.box} ${wrap ? styles.wrap : ""}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={label}
      data-testid="log-lines"
      data-following={frame.isFollowing}
      onKeyDown={onKeyDown}
      onWheel={(event) => {
        if (event.deltaY < 0 && event.currentTarget.scrollTop > 0) view.stay();
      }}
      onTouchMove={(event) => {
        if (event.currentTarget.scrollTop > 0) view.stay();
      }}
      onPointerDown={(event) => {
        const isOnBar = event.nativeEvent.offsetX >= event.currentTarget.clientWidth;
        if (event.target === event.currentTarget && isOnBar) view.stay();
      }}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        // A view that has grown is told of here before it is measured.
        view.resized(clientHeight);
        view.scrolled(scrollTop, scrollHeight);
        schedule();
      }}
    >
      <div className={styles.area} style={{ height: Math.max(frame.height, 1) }}>
        <div ref={lines} className={styles.lines} style={{ top: first?.top ?? 0 }}>
          {frame.rows.map(({ piece }) => (
            <Line
              key={piece.start}
              document={document}
              version={document.generation}
              start={piece.start}
              end={piece.end}
              next={piece.next}
              isContinued={piece.isContinued}
              isCut={piece.isCut}
              number={piece.isContinued ? null : document.lineNumber(piece.start)}
              shown={opened.get(piece.start) ?? (piece.isContinued ? SHOWN_OF_REST : SHOWN)}
              needle={needle}
              isPlace={at !== null && piece.start <= at && at < Math.max(piece.next, piece.start + 1)}
              onOpen={open}
              onPlace={choose}
              addressOf={addressOf}
            />
          ))}
        </div>
      </div>
    </section>
  );
}

interface LineProps extends Piece {
  document: LogDocument;
  version: number;
  number: number | null;
  shown: number;
  needle: string;
  isPlace: boolean;
  onOpen: (start: number, to: number) => void;
  onPlace: (at: number) => void;
  addressOf: (at: number) => string;
}

const Line = memo(function Line(props: LineProps) {
  const { document, version, start, end, next, isContinued, isCut, number, shown, needle } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another file may have the same places
  const { text, isShort } = useMemo(
    () => document.text({ start, end, next, isContinued, isCut }, shown),
    [document, version, start, end, next, isContinued, isCut, shown],
  );
  const digits = { "--number": `"${number ?? ""}"` } as CSSProperties;
  return (
    <div
      className={`${styles.line} ${props.isPlace ? styles.place : ""}`}
      data-at={start}
      data-testid="log-line"
    >
      <a
        className={styles.number}
        style={digits}
        href={props.addressOf(start)}
        tabIndex={-1}
        title={`${number === null ? "" : `Line ${number}, `}byte ${start}. Click for a link.`}
        aria-label={number === null ? `Link to byte ${start}` : `Link to line ${number}`}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          props.onPlace(start);
        }}
      >
        {number === null && <LinkIcon size={11} aria-hidden />}
      </a>
      <bdi className={styles.text}>
        {isContinued && <span className={styles.goesOn}>⋯ </span>}
        <AnsiText text={text} needle={needle} />
        {isShort && (
          <button type="button" className={styles.more} onClick={() => props.onOpen(start, shown + MORE)}>
            show more ({formatBytes(end - start - shown)})
          </button>
        )}
        {!isShort && isCut && <span className={styles.goesOn}> ⋯ the line goes on</span>}
      </bdi>
    </div>
  );
});
