import { Maximize2, ZoomIn, ZoomOut } from "lucide-react";
import {
  type KeyboardEvent,
  memo,
  type PointerEvent,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { IconButton } from "../parts/Button";
import { type View, ViewChoice } from "../parts/Choice";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { formatClock, formatDate, useNow } from "../parts/time";
import { go, href } from "../route/route";
import { useRunsOf, useTaskEvidence, useTaskShown } from "./asks";
import { Columns } from "./Columns";
import common from "./pictures.module.css";
import styles from "./Timeline.module.css";
import { build, childrenOf, type Lane, type Timeline as Model, type Span, sentence } from "./timeline/model";
import {
  type Bar,
  bars,
  moved,
  showing,
  ticks,
  toPixels,
  type Window,
  whole,
  zoomed,
} from "./timeline/scale";
import { useSize } from "./useSize";
import { countdownText, lengthText } from "./words";

export interface TimelineProps {
  project: string;
  task: string;
}

/** The attempts of a task on a time axis, with its waits, its gates and the tasks that it launched. */
export function Timeline({ project, task }: TimelineProps) {
  const shown = useTaskShown(project, task);
  const evidence = useTaskEvidence(project, task);
  const row = shown.data?.task;
  const children = useMemo(() => (row ? childrenOf(row) : []), [row]);
  const runs = useRunsOf(children);
  const [view, setView] = useState<View>("picture");
  // The present is no part of what is built: only a wait that goes on begins with it.
  const model = useMemo(() => {
    if (!shown.data) return undefined;
    const below = children.map((child, index) => ({ ...child, runs: runs[index] ?? [] }));
    return build(shown.data, evidence.data?.evidence ?? [], below, Date.now());
  }, [shown.data, evidence.data, children, runs]);

  if (shown.error && !model) {
    return (
      <Failure
        error={shown.error}
        what="The timeline could not be loaded"
        onRetry={() => void shown.refetch()}
      />
    );
  }
  if (!model) return <Loading what="Loading the timeline" />;
  if (model.spans.length === 0) {
    return (
      <Empty
        title="Nothing has happened yet"
        command={`run-agent task resume --project ${project} --task ${task}`}
      >
        The first attempt appears here as soon as it begins.
      </Empty>
    );
  }
  return (
    <section className={styles.timeline} aria-label="Timeline" data-testid="timeline">
      {view === "picture" ? (
        <Chart key={`${project}/${task}`} model={model} onView={setView} />
      ) : (
        <>
          <div className={styles.bar}>
            <ViewChoice picture="Chart" value={view} onChange={setView} />
          </div>
          <Table model={model} />
        </>
      )}
      {evidence.error && <Failure inline error={evidence.error} what="The gates could not be loaded" />}
      {model.hiddenChildren > 0 && (
        <p className={styles.note}>
          {model.hiddenChildren} more child {model.hiddenChildren === 1 ? "task is" : "tasks are"} not shown
          here.
        </p>
      )}
    </section>
  );
}

/** How wide the names of the lanes are, in pixels; the style sheet says the same. */
const NAMES = 136;
/** How wide a label of the axis may be, in pixels. */
const LABEL = 58;
/** A bar wider than this has room for a few words. */
const ROOM = 34;

function Chart({ model, onView }: { model: Model; onView: (view: View) => void }) {
  const isLive = model.to === undefined;
  const now = useNow(isLive ? "second" : "never");
  // The clock of the page may stand a little behind that of the server.
  const end = model.to ?? Math.max(now, ...model.spans.map((span) => span.from));
  const planned =
    model.planned !== undefined && isLive ? Math.min(model.planned, end + (end - model.from)) : end;
  const bounds = whole(model.from, Math.max(end, planned));
  const [zoom, setZoom] = useState<Window>();
  const seen = zoom ?? bounds;
  const [ref, size] = useSize<HTMLDivElement>();
  const width = Math.max(200, size.width - NAMES);
  const x = toPixels(seen, width);
  const marks = useMemo(() => ticks(seen, width), [seen, width]);
  // What would be cut off at the end says nothing.
  const labels = marks.filter((mark) => x(mark.at) + LABEL <= width);
  const [focused, setFocused] = useState<string>();
  const [pointed, setPointed] = useState<string>();

  const drawn = useMemo(
    () => model.lanes.map((lane) => ({ lane, bars: bars(lane.spans, seen, width, end) })),
    [model, seen, width, end],
  );
  const spans = useMemo(() => new Map(model.spans.map((span) => [span.key, span])), [model]);
  const tabStop = focused !== undefined && spans.has(focused) ? focused : model.spans.at(-1)?.key;
  const told = spans.get(pointed ?? focused ?? "");

  const change = useCallback((next: Window, bounds: Window) => {
    const isWhole = next.to - next.from >= (bounds.to - bounds.from) * 0.999;
    setZoom(isWhole ? undefined : next);
  }, []);
  const zoomBy = (factor: number) => {
    const at = told ? Math.min(Math.max(told.from, seen.from), seen.to) : (seen.from + seen.to) / 2;
    change(zoomed(seen, factor, at, bounds), bounds);
  };
  useWheel(ref, (part, factor, isPan) => {
    if (isPan) change(moved(seen, factor, bounds), bounds);
    else change(zoomed(seen, factor, seen.from + (seen.to - seen.from) * part, bounds), bounds);
  });

  const reach = (span: Span | undefined) => {
    if (!span) return;
    setFocused(span.key);
    if (zoom) change(showing(zoom, span.from, span.to ?? end, bounds), bounds);
    // The bar may only be there after this was drawn.
    requestAnimationFrame(() => {
      const bars = ref.current?.querySelectorAll<HTMLElement>("[data-span]") ?? [];
      for (const bar of bars) if (bar.dataset.span === span.key) bar.focus();
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = stepOf(event.key);
    if (step) {
      event.preventDefault();
      reach(neighbourOf(model, focused ?? tabStop, step));
    } else if (event.key === "+" || event.key === "=") zoomBy(1 / 1.6);
    else if (event.key === "-") zoomBy(1.6);
    else if (event.key === "0") setZoom(undefined);
    else if (event.key === "Home") reach(model.spans[0]);
    else if (event.key === "End") reach(model.spans.at(-1));
    else if (event.key === "Escape") setPointed(undefined);
    else return;
    event.stopPropagation();
  };
  const drag = useDrag((pixels) => change(moved(seen, -pixels / width, bounds), bounds), zoom !== undefined);

  return (
    <>
      <div className={styles.bar}>
        <Legend model={model} />
        <IconButton label="Zoom in (+)" onClick={() => zoomBy(1 / 1.6)}>
          <ZoomIn size={15} />
        </IconButton>
        <IconButton label="Zoom out (-)" disabled={!zoom} onClick={() => zoomBy(1.6)}>
          <ZoomOut size={15} />
        </IconButton>
        <IconButton label="Show everything (0)" disabled={!zoom} onClick={() => setZoom(undefined)}>
          <Maximize2 size={14} />
        </IconButton>
        <ViewChoice picture="Chart" value="picture" onChange={onView} />
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the bars take the focus, their keys are taken here */}
      <div className={styles.chart} ref={ref} onKeyDown={onKeyDown} {...drag}>
        <div className={styles.axis} aria-hidden>
          {labels.map((mark) => (
            <span key={mark.at} style={{ left: NAMES + x(mark.at) }} data-day={mark.isDay || undefined}>
              {mark.label}
            </span>
          ))}
        </div>
        <div className={styles.grid} aria-hidden>
          {marks.map((mark) => (
            <i key={mark.at} style={{ left: x(mark.at) }} data-day={mark.isDay || undefined} />
          ))}
          {isLive && x(end) >= 0 && x(end) <= width && <i className={styles.now} style={{ left: x(end) }} />}
          {model.end && x(model.end.at) >= 0 && x(model.end.at) <= width && (
            <i className={styles.end} style={{ left: x(model.end.at) }} />
          )}
        </div>
        {drawn.map(({ lane, bars }) => (
          <LaneRow
            key={lane.key}
            lane={lane}
            bars={bars}
            width={width}
            now={end}
            tabStop={tabStop}
            onFocus={setFocused}
            onPoint={setPointed}
          />
        ))}
        {told && (
          <Card
            span={told}
            now={end}
            left={NAMES + Math.max(0, x(told.from))}
            top={belowLane(model, told.key)}
            room={size.width}
          />
        )}
      </div>
      <p className="visually-hidden">
        Arrow keys go from bar to bar, plus and minus zoom, 0 shows everything, Enter opens the run.
      </p>
    </>
  );
}

const LaneRow = memo(function LaneRow(props: {
  lane: Lane;
  bars: Bar<Span>[];
  width: number;
  now: number;
  tabStop: string | undefined;
  onFocus: (key: string | undefined) => void;
  onPoint: (key: string | undefined) => void;
}) {
  const { lane, now, tabStop } = props;
  const name = lane.of ? (
    <a href={href(lane.of)} title={lane.of.task}>
      {lane.label}
    </a>
  ) : (
    lane.label
  );
  return (
    <div className={styles.lane} data-kind={lane.kind}>
      <div className={styles.name}>{lane.isMore ? null : name}</div>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a frame and a legend */}
      <div
        className={styles.track}
        role="group"
        aria-label={lane.label || "more"}
        style={{ width: props.width }}
      >
        {props.bars.map((bar) => (
          <BarButton
            key={bar.span.key}
            bar={bar}
            now={now}
            isTabStop={bar.span.key === tabStop}
            onFocus={props.onFocus}
            onPoint={props.onPoint}
          />
        ))}
      </div>
    </div>
  );
});

function BarButton(props: {
  bar: Bar<Span>;
  now: number;
  isTabStop: boolean;
  onFocus: (key: string | undefined) => void;
  onPoint: (key: string | undefined) => void;
}) {
  const { span, left, width, count } = props.bar;
  const { key } = span;
  const said =
    count > 1 ? `${count} in a row, the first: ${sentence(span, props.now)}` : sentence(span, props.now);
  // Who says aloud what the bar shows must be understood; what stands in brackets may be left out of a name.
  const name = said.includes(span.label) ? said : `${said}, ${span.label}`;
  const tone = { "--tone": `var(--${span.tone})`, "--tone-bg": `var(--${span.tone}-bg)` };
  return (
    <button
      type="button"
      className={styles.span}
      style={{ left, width, ...tone }}
      data-what={span.what}
      data-tone={span.tone}
      data-open={span.to === undefined || undefined}
      data-span={key}
      tabIndex={props.isTabStop ? 0 : -1}
      aria-label={name}
      onClick={() => open(span)}
      onFocus={() => props.onFocus(key)}
      onBlur={() => props.onFocus(undefined)}
      onPointerEnter={() => props.onPoint(key)}
      onPointerLeave={() => props.onPoint(undefined)}
    >
      {width > ROOM && <span>{span.label}</span>}
    </button>
  );
}

function open(span: Span): void {
  if (span.what === "wait") return;
  go({ project: span.project, task: span.task, run: span.run });
}

/** How high the axis and the lanes are, in pixels; the style sheet says the same. */
const AXIS = 31;
const HEIGHTS: Record<Lane["kind"], number> = { attempts: 28, gates: 22, child: 24 };

/** Where the lane of a bar ends, in pixels from the top of the chart. */
function belowLane(model: Model, key: string): number {
  let y = AXIS;
  for (const lane of model.lanes) {
    y += HEIGHTS[lane.kind];
    if (lane.spans.some((span) => span.key === key)) break;
  }
  return y + 2;
}

/** What is known of a bar, below it. */
function Card(props: { span: Span; now: number; left: number; top: number; room: number }) {
  const { span, now, left, top, room } = props;
  const end = span.to ?? now;
  const from = Math.max(NAMES, Math.min(left, room - 328));
  return (
    <div
      className={styles.card}
      style={{ left: Math.max(8, from), top }}
      aria-hidden
      data-testid="timeline-card"
    >
      <strong>{span.title}</strong>
      {span.outcome && (
        <span style={{ color: `var(--${span.tone === "none" ? "muted" : span.tone})` }}>{span.outcome}</span>
      )}
      <dl>
        <dt>From</dt>
        <dd>
          {formatDate(new Date(span.from))}
          {span.to !== undefined && ` to ${formatClock(new Date(end))}`}
        </dd>
        <dt>{span.to === undefined ? "So far" : "Took"}</dt>
        <dd>{lengthText(end - span.from)}</dd>
        {span.planned !== undefined && (
          <>
            <dt>Goes on</dt>
            <dd>{countdownText(span.planned, now)}</dd>
          </>
        )}
        {span.facts.slice(0, 6).map(([name, value]) => (
          <FactRow key={`${name} ${value}`} name={name} value={value} />
        ))}
      </dl>
    </div>
  );
}

function FactRow({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value.length > 240 ? `${value.slice(0, 240)}…` : value}</dd>
    </>
  );
}

const SIGNS: { id: string; label: string; has: (span: Span) => boolean; what: string; tone: string }[] = [
  { id: "running", label: "running", what: "attempt", tone: "running", has: (s) => s.tone === "running" },
  {
    id: "ok",
    label: "ended well",
    what: "attempt",
    tone: "ok",
    has: (s) => s.what !== "gate" && s.tone === "ok",
  },
  {
    id: "none",
    label: "ended without DONE",
    what: "attempt",
    tone: "none",
    has: (s) => s.what !== "wait" && s.tone === "none",
  },
  {
    id: "failed",
    label: "failed",
    what: "attempt",
    tone: "failed",
    has: (s) => s.what !== "gate" && s.tone === "failed",
  },
  { id: "stopped", label: "stopped", what: "attempt", tone: "stopped", has: (s) => s.tone === "stopped" },
  {
    id: "limited",
    label: "cut short by a limit",
    what: "attempt",
    tone: "waiting",
    has: (s) => s.what !== "wait" && s.tone === "waiting",
  },
  {
    id: "queued",
    label: "queued",
    what: "wait",
    tone: "queued",
    has: (s) => s.what === "wait" && s.tone === "queued",
  },
  {
    id: "blocked",
    label: "blocked",
    what: "wait",
    tone: "blocked",
    has: (s) => s.what === "wait" && s.tone === "blocked",
  },
  {
    id: "limit",
    label: "wait",
    what: "wait",
    tone: "waiting",
    has: (s) => s.what === "wait" && s.tone === "waiting",
  },
  {
    id: "pause",
    label: "pause",
    what: "wait",
    tone: "none",
    has: (s) => s.what === "wait" && s.tone === "none",
  },
  {
    id: "passed",
    label: "gate passed",
    what: "gate",
    tone: "ok",
    has: (s) => s.what === "gate" && s.tone === "ok",
  },
  {
    id: "refused",
    label: "gate refused",
    what: "gate",
    tone: "failed",
    has: (s) => s.what === "gate" && s.tone !== "ok",
  },
];

/** What the bars mean; only what there is. */
function Legend({ model }: { model: Model }) {
  const signs = SIGNS.filter((sign) => model.spans.some(sign.has));
  return (
    <ul className={styles.legend}>
      {signs.map(({ id, label, what, tone }) => (
        <li key={id}>
          <i
            data-what={what}
            style={{ "--tone": `var(--${tone})`, "--tone-bg": `var(--${tone}-bg)` } as object}
          />
          {label}
        </li>
      ))}
    </ul>
  );
}

function Table({ model }: { model: Model }) {
  const isLive = model.to === undefined;
  const now = useNow(isLive ? "second" : "never");
  return (
    <div className={`${common.scroll} ${styles.table}`}>
      <table className={common.table}>
        <caption className="visually-hidden">What happened, in the order of time</caption>
        <Columns of={["Began", "What", "Took", "Outcome"]} />
        <tbody>
          {model.spans.map((span) => (
            <tr key={span.key}>
              <td>{formatDate(new Date(span.from))}</td>
              <td>
                {span.what === "wait" ? (
                  span.title
                ) : (
                  <a href={href({ project: span.project, task: span.task, run: span.run })}>{span.title}</a>
                )}
              </td>
              <td data-number>{lengthText((span.to ?? Math.max(now, span.from)) - span.from)}</td>
              <td>{span.outcome || "—"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type Step = "earlier" | "later" | "above" | "below";

function stepOf(key: string): Step | undefined {
  return { ArrowLeft: "earlier", ArrowRight: "later", ArrowUp: "above", ArrowDown: "below" }[key] as
    | Step
    | undefined;
}

/** The bar beside another one in its lane, or the nearest in time of the lane above or below. */
export function neighbourOf(model: Model, key: string | undefined, step: Step): Span | undefined {
  const lane = model.lanes.findIndex((lane) => lane.spans.some((span) => span.key === key));
  const spans = model.lanes[lane]?.spans ?? [];
  const place = spans.findIndex((span) => span.key === key);
  const here = spans[place];
  if (!here) return model.spans[0];
  if (step === "earlier") return spans[place - 1] ?? here;
  if (step === "later") return spans[place + 1] ?? here;
  const way = step === "above" ? -1 : 1;
  for (let next = lane + way; next >= 0 && next < model.lanes.length; next += way) {
    const others = model.lanes[next]?.spans ?? [];
    const nearest = [...others].sort((a, b) => Math.abs(a.from - here.from) - Math.abs(b.from - here.from));
    if (nearest[0]) return nearest[0];
  }
  return here;
}

/** Ctrl and the wheel zoom, Shift and the wheel or a sideways turn pan; the wheel alone scrolls the page. */
function useWheel(
  ref: React.RefObject<HTMLElement | null>,
  turned: (part: number, factor: number, isPan: boolean) => void,
): void {
  const latest = useRef(turned);
  latest.current = turned;
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const heard = (event: WheelEvent) => {
      const isZoom = event.ctrlKey || event.metaKey;
      const aside = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      if (!isZoom && Math.abs(aside) <= Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const width = Math.max(1, box.width - NAMES);
      const part = Math.min(1, Math.max(0, (event.clientX - box.left - NAMES) / width));
      if (isZoom) latest.current(part, Math.exp(clamp(event.deltaY, 120) / 300), false);
      else latest.current(part, aside / width, true);
    };
    element.addEventListener("wheel", heard, { passive: false });
    return () => element.removeEventListener("wheel", heard);
  }, [ref]);
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}

/** Dragging what is behind the bars moves what is seen. */
function useDrag(dragged: (pixels: number) => void, isOn: boolean) {
  const last = useRef<number>(undefined);
  return {
    "data-drag": isOn || undefined,
    onPointerDown(event: PointerEvent) {
      if (!isOn || event.button !== 0 || (event.target as Element).closest("button, a")) return;
      last.current = event.clientX;
      event.currentTarget.setPointerCapture(event.pointerId);
    },
    onPointerMove(event: PointerEvent) {
      if (last.current === undefined) return;
      dragged(event.clientX - last.current);
      last.current = event.clientX;
    },
    onPointerUp() {
      last.current = undefined;
    },
    onPointerCancel() {
      last.current = undefined;
    },
  };
}
