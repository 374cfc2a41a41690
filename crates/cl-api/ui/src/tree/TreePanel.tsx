import { useVirtualizer } from "@tanstack/react-virtual";
import { FolderTree, ListFilter, Plus, TriangleAlert, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useTree } from "../api/queries";
import { useConnection } from "../live/store";
import { Button, IconButton } from "../parts/Button";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { go, href, type Route, useRoute } from "../route/route";
import { openDialog } from "../shell/dialogs";
import { ProjectPicker } from "./ProjectPicker";
import { ROW_HEIGHT, Row } from "./Row";
import {
  anchored,
  type Filter,
  noFilter,
  type Shown,
  type StatusFilter,
  selectedAt,
  settle,
  shown,
  type TreeRow,
} from "./rows";
import styles from "./Tree.module.css";
import { useChoices } from "./useChoices";
import { useHeld } from "./useHeld";

const FILTERS: [StatusFilter, string][] = [
  ["all", "All"],
  ["active", "Running"],
  ["waiting", "Waiting"],
  ["failed", "Failed"],
  ["done", "Done"],
];

/** The tree of a project: tasks and runs as the server orders them. */
export function TreePanel({ project }: { project: string | undefined }) {
  const [filter, setFilter] = useState<Filter>(noFilter);
  const route = useRoute();
  return (
    <nav className={styles.panel} aria-label="Tasks" data-testid="tree-panel">
      <div className={styles.head}>
        <ProjectPicker project={project} />
        <Button
          look="primary"
          size="s"
          icon={<Plus size={14} />}
          disabled={project === undefined}
          onClick={() => openDialog("new-task")}
        >
          New task
        </Button>
      </div>
      {project !== undefined && (
        <>
          <Filters filter={filter} onChange={setFilter} />
          <Tree
            key={project}
            project={project}
            filter={filter}
            route={route}
            onClear={() => setFilter(noFilter)}
          />
        </>
      )}
      {project === undefined && <NoProject />}
    </nav>
  );
}

function NoProject() {
  const { complete } = useConnection();
  if (!complete) return <Loading what="Loading projects" />;
  return (
    <Empty
      title="No projects yet"
      icon={<FolderTree size={22} />}
      action={
        <Button size="s" onClick={() => openDialog("new-project")}>
          New project
        </Button>
      }
    >
      A project is a folder that agents work in.
    </Empty>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  return (
    <div className={styles.filters}>
      <div className={styles.search}>
        <ListFilter size={14} aria-hidden />
        <input
          type="search"
          placeholder="Filter tasks"
          aria-label="Filter tasks"
          data-shortcut="filter"
          value={filter.text}
          onChange={(event) => onChange({ ...filter, text: event.target.value })}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            onChange(noFilter);
            event.currentTarget.blur();
          }}
        />
        {filter.text !== "" && (
          <IconButton label="Clear the text" onClick={() => onChange({ ...filter, text: "" })}>
            <X size={13} />
          </IconButton>
        )}
      </div>
      <fieldset className={styles.chips}>
        <legend className="visually-hidden">Status</legend>
        {FILTERS.map(([status, text]) => (
          <button
            key={status}
            type="button"
            aria-pressed={filter.status === status}
            onClick={() => onChange({ ...filter, status })}
          >
            {text}
          </button>
        ))}
      </fieldset>
    </div>
  );
}

interface TreeProps {
  project: string;
  filter: Filter;
  route: Route;
  onClear: () => void;
}

function Tree({ project, filter, route, onClear }: TreeProps) {
  const { task, run } = route.project === undefined || route.project === project ? route : {};
  const tree = useTree(project, task);
  const isLeftOut =
    tree.data?.truncated === true && task !== undefined && selectedAt(tree.data.rows, { task }) < 0;
  const { refetch } = tree;
  // A tree that is too long has the task that it was asked for.
  useEffect(() => {
    if (isLeftOut && task !== undefined) void refetch();
  }, [isLeftOut, task, refetch]);
  if (tree.isPending) return <Loading what="Loading tasks" />;
  if (!tree.data) return <Failure error={tree.error} onRetry={() => void tree.refetch()} />;
  if (tree.data.rows.length === 0) {
    return (
      <Empty
        title="No tasks yet"
        command={`run-agent task --project ${project} --agent claude --prompt '…'`}
        action={
          <Button size="s" icon={<Plus size={14} />} onClick={() => openDialog("new-task")}>
            New task
          </Button>
        }
      >
        Give an agent something to do.
      </Empty>
    );
  }
  return (
    <>
      <Rows project={project} rows={tree.data.rows} filter={filter} task={task} run={run} onClear={onClear} />
      {(tree.data.problems.length > 0 || tree.data.truncated) && (
        <a className={styles.problems} href={href({ project, tab: "problems" })}>
          <TriangleAlert size={13} aria-hidden />
          {tree.data.problems.length > 0
            ? `${tree.data.problems.length} ${tree.data.problems.length === 1 ? "file" : "files"} could not be read`
            : "Older tasks are left out: filter by their id on the command line"}
        </a>
      )}
    </>
  );
}

interface RowsProps {
  project: string;
  rows: readonly TreeRow[];
  filter: Filter;
  task: string | undefined;
  run: string | undefined;
  onClear: () => void;
}

function Rows({ project, rows: newest, filter, task, run, onClear }: RowsProps) {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<string | undefined>();
  const selection = useMemo(() => ({ task, run }), [task, run]);
  // What was asked for by hand is shown at once, whatever is held.
  const asked = `${task}/${run}/${filter.text}/${filter.status}`;
  const isQuiet = useRef<(rows: readonly TreeRow[]) => boolean>(() => true);
  const { value: rows, hold, pointedAt, setPointedAt } = useHeld(newest, asked, isQuiet);
  const { list, choices, toggle } = useChoices(project, rows, filter, selection);
  const [room, setRoom] = useState({ above: 0, below: 0 });
  useLayoutEffect(() => {
    isQuiet.current = (rows) => {
      const element = scroller.current;
      if (!element) return true;
      const after = shown(rows, settle(rows, choices, selection, false), filter, selection);
      const place = anchoredAt(element, list, after, room.above, pointedAt.current);
      return place.scroll === element.scrollTop && place.above === room.above && place.below === room.below;
    };
  });
  const virtual = useVirtualizer({
    count: list.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (at) => list[at]?.key ?? at,
    paddingStart: room.above,
    paddingEnd: room.below,
    overscan: 12,
  });
  const selectedKey = rows[selectedAt(rows, selection)]?.key;
  const activeKey = active !== undefined && list.some((row) => row.key === active) ? active : selectedKey;

  const isActiveThere = virtual.getVirtualItems().some((item) => list[item.index]?.key === activeKey);

  useAnchor({ list, scroller, room, setRoom, look: [pointedAt, activeKey] });

  // A selection that was made elsewhere is brought into view, once.
  const shownSelection = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    if (selectedKey === undefined || shownSelection.current === selectedKey) return;
    const at = list.findIndex((row) => row.key === selectedKey);
    if (at < 0) return;
    shownSelection.current = selectedKey;
    if (pointedAt.current === undefined) virtual.scrollToIndex(at, { align: "auto" });
  }, [selectedKey, list, virtual, pointedAt]);

  const choose = (row: Shown) => {
    setActive(row.key);
    if (row.kind === "section") toggle(row);
    else if (row.row.kind === "task") go({ project, task: row.row.task_id, run: undefined });
    else go({ project, task: row.row.task_id, run: row.row.run_id });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const at = list.findIndex((row) => row.key === activeKey);
    const to = keyTarget(
      event.key,
      list,
      at,
      Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 1),
    );
    const row = list[at];
    if (to === "toggle" && row) toggle(row);
    else if (to === "choose" && row) choose(row);
    else if (typeof to === "number") {
      setActive(list[to]?.key);
      virtual.scrollToIndex(to, { align: "auto" });
    } else return;
    event.preventDefault();
  };

  const isFiltered = filter.text.trim() !== "" || filter.status !== "all";
  if (list.length === 0) {
    return (
      <Empty
        title="No task matches"
        action={
          <Button size="s" onClick={onClear}>
            Clear the filter
          </Button>
        }
      >
        Words are looked for in ids and agents.
      </Empty>
    );
  }
  return (
    <>
      <div
        ref={scroller}
        className={styles.scroller}
        role="tree"
        aria-label={`Tasks of ${project}`}
        tabIndex={0}
        data-testid="tree"
        data-shortcut="tree"
        {...(isActiveThere && { "aria-activedescendant": `${id}-${activeKey}` })}
        onKeyDown={onKeyDown}
        onPointerMove={(event) => {
          const key = (event.target as Element).closest<HTMLElement>("[data-key]")?.dataset.key;
          setPointedAt(key);
          hold();
        }}
        onPointerDown={hold}
        onWheel={hold}
        onPointerLeave={() => {
          setPointedAt(undefined);
          setRoom((room) => (room.above === 0 && room.below === 0 ? room : { above: 0, below: 0 }));
        }}
      >
        <div className={styles.canvas} style={{ height: virtual.getTotalSize() }} role="presentation">
          {virtual.getVirtualItems().map((item) => {
            const row = list[item.index];
            return (
              row && (
                <Row
                  key={row.key}
                  id={`${id}-${row.key}`}
                  row={row}
                  project={project}
                  top={item.start}
                  isSelected={row.key === selectedKey}
                  isActive={row.key === activeKey}
                  onChoose={choose}
                  onToggle={toggle}
                />
              )
            );
          })}
        </div>
      </div>
      {isFiltered && (
        <p className={styles.count} role="status">
          Showing {tasksIn(list)} of {rows.filter((row) => row.kind === "task").length} tasks
        </p>
      )}
    </>
  );
}

/** How many tasks match, without those that are there for what is below them. */
function tasksIn(list: readonly Shown[]): number {
  return list.filter((row) => row.kind === "node" && row.row.kind === "task" && !row.faint).length;
}

/** Where a key leads: to a row, or to what is done with the one that one is on. */
export function keyTarget(
  key: string,
  list: readonly Shown[],
  at: number,
  page: number,
): number | "toggle" | "choose" | undefined {
  const last = list.length - 1;
  const row = list[at];
  switch (key) {
    case "ArrowDown":
      return Math.min(last, at + 1);
    case "ArrowUp":
      return Math.max(0, at - 1);
    case "Home":
      return 0;
    case "End":
      return last;
    case "PageDown":
      return Math.min(last, at + page);
    case "PageUp":
      return Math.max(0, at - page);
    case "ArrowRight":
      if (row?.open === false) return "toggle";
      return row?.open ? Math.min(last, at + 1) : undefined;
    case "ArrowLeft": {
      if (row?.open) return "toggle";
      const parent = list.findLastIndex((above, place) => place < at && above.level < (row?.level ?? 0));
      return parent >= 0 ? parent : undefined;
    }
    case "Enter":
    case " ":
      return row ? "choose" : undefined;
    default:
      return undefined;
  }
}

/** Where to scroll so that the row that counts stays where it is: the given one, else the first in view. */
function anchoredAt(
  element: HTMLElement,
  before: readonly Shown[],
  after: readonly Shown[],
  room: number,
  key: string | undefined,
): ReturnType<typeof anchored> {
  const old = before.map((row) => row.key);
  const first = Math.max(0, Math.floor((element.scrollTop - room) / ROW_HEIGHT));
  const at = key === undefined ? -1 : old.indexOf(key);
  const isInView = at >= first && at * ROW_HEIGHT + room < element.scrollTop + element.clientHeight;
  return anchored({
    before: old,
    after: after.map((row) => row.key),
    // At the very top with nobody in it, new rows may show themselves.
    look: isInView ? old.slice(at) : element.scrollTop > 0 ? old.slice(first) : [],
    scroll: element.scrollTop,
    room,
    rowHeight: ROW_HEIGHT,
    viewHeight: element.clientHeight,
  });
}

/** Keeps the row that is pointed at, else the one in focus, else the first in view where it is. */
function useAnchor(of: {
  list: readonly Shown[];
  scroller: React.RefObject<HTMLDivElement | null>;
  room: { above: number; below: number };
  setRoom: (room: { above: number; below: number }) => void;
  look: [React.RefObject<string | undefined>, string | undefined];
}) {
  const { list, scroller, room, setRoom, look } = of;
  const before = useRef<readonly Shown[]>([]);
  const wanted = useRef<{ scroll: number; above: number; below: number } | undefined>(undefined);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || before.current === list) return;
    const old = before.current;
    const keys = list.map((row) => row.key);
    before.current = list;
    if (old.length === 0 || (old.length === keys.length && old.every((row, at) => row.key === keys[at])))
      return;
    const [{ current: pointed }, focused] = look;
    const isFocused = element.contains(document.activeElement);
    const { scroll, above, below } = anchoredAt(
      element,
      old,
      list,
      room.above,
      pointed ?? (isFocused ? focused : undefined),
    );
    // Room is left only while somebody points here; otherwise the list may move to its end.
    const next = pointed === undefined ? { above: 0, below: 0 } : { above, below };
    if (next.above !== room.above || next.below !== room.below) setRoom(next);
    wanted.current = { scroll, ...next };
    element.scrollTop = scroll;
  }, [list, scroller, room, setRoom, look]);
  // The room is there only after it was drawn; then the place can be reached.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new list may be what it waits for
  useLayoutEffect(() => {
    const place = wanted.current;
    if (!place || !scroller.current || place.above !== room.above || place.below !== room.below) return;
    scroller.current.scrollTop = place.scroll;
    wanted.current = undefined;
  }, [room, list, scroller]);
}
