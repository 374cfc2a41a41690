import { Maximize2, Search, X, ZoomIn, ZoomOut } from "lucide-react";
import { type KeyboardEvent, memo, useCallback, useDeferredValue, useMemo, useState } from "react";
import { Button, IconButton } from "../parts/Button";
import { Choice, type View, ViewChoice } from "../parts/Choice";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { lookOf, Status, StatusGlyph } from "../parts/Status";
import { go, href } from "../route/route";
import { Columns } from "./Columns";
import styles from "./DependencyGraph.module.css";
import { fitted, neighbour, revealing, type Size, zoomAt } from "./graph/camera";
import { NODE_HEIGHT, NODE_WIDTH, type Point } from "./graph/layout";
import { choose, type Graph, graphOf, type Links, linksOf, type Node, type TaskRow } from "./graph/model";
import { pathsOf } from "./graph/paths";
import { type Laid, useLayout } from "./graph/useLayout";
import { useCamera, useGradually, usePan, useRegion } from "./graph/useView";
import common from "./pictures.module.css";
import { sameItems, useSettled } from "./settled";
import { useSize } from "./useSize";
import { shortTask } from "./words";

export interface DependencyGraphProps {
  project: string;
}

/** Projects with more tasks than this begin with what is unfinished. */
const MANY = 80;

/** What waits for what in a project, and which task launched which. */
export function DependencyGraph({ project }: DependencyGraphProps) {
  const rows = useSettled(`graph ${project}`, (world) => rowsOf(world.tasks, project), sameItems);
  const whole = useMemo(() => graphOf(project, rows), [project, rows]);
  const [isUnfinished, setUnfinished] = useState<boolean>();
  const [text, setText] = useState("");
  const [view, setView] = useState<View>("picture");
  const [selected, setSelected] = useState<string>();
  const unfinishedOnly = isUnfinished ?? whole.nodes.length > MANY;
  const asked = useDeferredValue(text);
  const choice = useMemo(
    () => choose(whole, { unfinishedOnly, text: asked, selected }),
    [whole, unfinishedOnly, asked, selected],
  );
  const { graph } = choice;

  if (whole.nodes.length === 0) {
    return (
      <Empty title="No tasks yet" command={`run-agent task --project ${project} --prompt '…'`}>
        Tasks appear here as soon as they are made, with what they wait for.
      </Empty>
    );
  }
  return (
    <section className={styles.graph} aria-label="Dependencies" data-testid="dependency-graph">
      <div className={styles.bar}>
        <Choice
          label="Which tasks"
          value={unfinishedOnly ? "unfinished" : "all"}
          options={[
            { id: "unfinished", label: "Unfinished" },
            { id: "all", label: `All ${choice.all}` },
          ]}
          onChange={(which) => setUnfinished(which === "unfinished")}
        />
        <label className={styles.search}>
          <Search size={13} aria-hidden />
          <span className="visually-hidden">Find tasks</span>
          <input
            type="search"
            value={text}
            placeholder="Find tasks"
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <span className={styles.count} role="status">
          {graph.nodes.length} {graph.nodes.length === 1 ? "task" : "tasks"}
          {choice.left > 0 && `, ${choice.left} more not drawn`}
        </span>
        <span className={styles.grow} />
        <ViewChoice picture="Graph" value={view} onChange={setView} />
      </div>
      {graph.nodes.length === 0 ? (
        <Empty
          title={asked ? "No task has this in its name" : "Nothing is unfinished"}
          action={
            <Button
              size="s"
              onClick={() => {
                setText("");
                setUnfinished(false);
              }}
            >
              Show all {choice.all} tasks
            </Button>
          }
        />
      ) : view === "table" ? (
        <Table project={project} graph={graph} />
      ) : (
        <Picture key={project} project={project} graph={graph} selected={selected} onSelect={setSelected} />
      )}
    </section>
  );
}

function rowsOf(tasks: Record<string, { task: TaskRow }>, project: string): TaskRow[] {
  const rows: TaskRow[] = [];
  for (const { task } of Object.values(tasks)) if (task.project_id === project) rows.push(task);
  return rows;
}

function Picture(props: {
  project: string;
  graph: Graph;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
}) {
  const { laid, isBusy, problem } = useLayout(props.graph);
  if (!laid) {
    return problem ? (
      <Failure error={new Error(problem)} what="The graph could not be laid out" />
    ) : (
      <Loading what="Laying the graph out" />
    );
  }
  return <Plane {...props} laid={laid} isBusy={isBusy} />;
}

function Plane(props: {
  project: string;
  laid: Laid;
  isBusy: boolean;
  selected: string | undefined;
  onSelect: (id: string | undefined) => void;
}) {
  const { laid, selected, onSelect } = props;
  const { graph, placed } = laid;
  const [ref, view] = useSize<HTMLDivElement>();
  const places = useMemo(() => {
    const places = new Map<string, Point>();
    for (const [index, node] of graph.nodes.entries())
      places.set(node.id, placed.nodes[index] ?? { x: 0, y: 0 });
    return places;
  }, [graph, placed]);
  const { camera, layer, move, jump } = useCamera(placed, view);
  const [focused, setFocused] = useState<string>();
  const links = useMemo(() => linksOf(graph), [graph]);

  // Drawing many tasks takes a while: it is cut into pieces, and moving goes before.
  const region = useDeferredValue(useRegion(camera, view));
  const wanted = useMemo(() => {
    return graph.nodes.filter((node) => {
      const at = places.get(node.id);
      return at !== undefined && isWithin(at, region);
    });
  }, [graph, places, region]);
  const drawn = useGradually(wanted);

  const reveal = (id: string) => {
    const at = places.get(id);
    if (at) move((now) => revealing(now, { ...at, width: NODE_WIDTH, height: NODE_HEIGHT }, view));
  };
  const reach = (id: string | undefined) => {
    if (id === undefined) return;
    setFocused(id);
    reveal(id);
    requestAnimationFrame(() => {
      for (const node of ref.current?.querySelectorAll<HTMLElement>("[data-task]") ?? []) {
        if (node.dataset.task === id) node.focus({ preventScroll: true });
      }
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = { x: view.width / 2, y: view.height / 2 };
    if (event.key.startsWith("Arrow")) {
      const from = graph.nodes.findIndex((node) => node.id === focused);
      const next = neighbour(placed.nodes, from, event.key);
      reach(graph.nodes[next]?.id ?? focused);
    } else if (event.key === "+" || event.key === "=") move((now) => zoomAt(now, 1.4, middle));
    else if (event.key === "-") move((now) => zoomAt(now, 1 / 1.4, middle));
    else if (event.key === "0") jump(fitted(placed, view));
    else if (event.key === "Escape" && selected !== undefined) onSelect(undefined);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const pointer = usePan(ref, move);
  const { onSelect: choose } = { onSelect };
  const select = useCallback((id: string) => choose(id), [choose]);
  const tabStop = focused !== undefined && places.has(focused) ? focused : (selected ?? graph.nodes[0]?.id);
  const chosen = selected !== undefined ? graph.nodes.find((node) => node.id === selected) : undefined;

  return (
    <div className={styles.stage}>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a frame and a legend */}
      <div
        className={styles.plane}
        ref={ref}
        role="group"
        aria-label="Graph of tasks: arrow keys go from task to task, plus and minus zoom, 0 shows everything"
        onKeyDown={onKeyDown}
        data-busy={props.isBusy || undefined}
        {...pointer}
      >
        <div className={styles.layer} ref={layer}>
          <Edges graph={graph} places={places} size={placed} selected={selected} />
          {drawn.map((node) => (
            <NodeButton
              key={node.id}
              node={node}
              project={props.project}
              x={places.get(node.id)?.x ?? 0}
              y={places.get(node.id)?.y ?? 0}
              isTabStop={node.id === tabStop}
              isSelected={node.id === selected}
              isAside={
                selected !== undefined && node.id !== selected && !isLinked(links.get(selected), node.id)
              }
              waits={links.get(node.id)?.dependsOn.length ?? 0}
              onSelect={select}
              onFocus={setFocused}
            />
          ))}
        </div>
      </div>
      <div className={styles.tools}>
        <IconButton label="Zoom in (+)" onClick={() => move((now) => zoomAt(now, 1.4, middleOf(view)))}>
          <ZoomIn size={15} />
        </IconButton>
        <IconButton label="Zoom out (-)" onClick={() => move((now) => zoomAt(now, 1 / 1.4, middleOf(view)))}>
          <ZoomOut size={15} />
        </IconButton>
        <IconButton label="Show everything (0)" onClick={() => jump(fitted(placed, view))}>
          <Maximize2 size={14} />
        </IconButton>
      </div>
      <Legend graph={graph} />
      {chosen && (
        <Details
          project={props.project}
          node={chosen}
          links={links.get(chosen.id)}
          onClose={() => onSelect(undefined)}
          onReach={(id) => {
            onSelect(id);
            reach(id);
          }}
        />
      )}
    </div>
  );
}

function middleOf(view: Size): Point {
  return { x: view.width / 2, y: view.height / 2 };
}

function isWithin(at: Point, region: Point & Size): boolean {
  return (
    at.x + NODE_WIDTH >= region.x &&
    at.x <= region.x + region.width &&
    at.y + NODE_HEIGHT >= region.y &&
    at.y <= region.y + region.height
  );
}

function isLinked(links: Links | undefined, id: string): boolean {
  if (!links) return false;
  return [links.dependsOn, links.neededBy, links.children, links.parents].some((ids) => ids.includes(id));
}

const NodeButton = memo(function NodeButton(props: {
  node: Node;
  project: string;
  x: number;
  y: number;
  isTabStop: boolean;
  isSelected: boolean;
  isAside: boolean;
  waits: number;
  onSelect: (id: string) => void;
  onFocus: (id: string) => void;
}) {
  const { node } = props;
  const { tone, text } = lookOf(node.isMissing ? "unknown" : node.status);
  const state = node.isMissing ? "not there" : text;
  const more = node.queue !== undefined ? `place ${node.queue}` : node.agent;
  const waits = props.waits > 0 ? `, depends on ${props.waits}` : "";
  return (
    <button
      type="button"
      className={styles.node}
      data-task={node.id}
      data-status={node.status}
      data-missing={node.isMissing || undefined}
      data-aside={props.isAside || undefined}
      aria-pressed={props.isSelected}
      aria-label={`${node.label} ${state}${more ? ` · ${more}` : ""}${waits}`}
      title={node.id}
      tabIndex={props.isTabStop ? 0 : -1}
      style={
        {
          left: props.x,
          top: props.y,
          "--tone": `var(--${tone})`,
          "--tone-bg": `var(--${tone}-bg)`,
        } as object
      }
      onClick={() => props.onSelect(node.id)}
      onDoubleClick={() => go({ project: props.project, task: node.id })}
      onFocus={() => props.onFocus(node.id)}
    >
      <StatusGlyph status={node.isMissing ? "unknown" : node.status} size={16} />
      <span className={styles.words}>
        {/* The space parts the words where only their text counts. */}
        <b>{node.label}</b>{" "}
        <small>
          {state}
          {more && ` · ${more}`}
        </small>
      </span>
    </button>
  );
});

/** The lines: what is depended on is drawn through, what was launched is dashed. */
const Edges = memo(function Edges(props: {
  graph: Graph;
  places: ReadonlyMap<string, Point>;
  size: Size;
  selected: string | undefined;
}) {
  const { graph, places, selected } = props;
  const paths = useMemo(() => {
    const depends = graph.edges.filter((edge) => edge.kind === "depends");
    return {
      child: pathsOf(
        graph.edges.filter((edge) => edge.kind === "child"),
        places,
        false,
      ),
      free: pathsOf(
        depends.filter((edge) => !edge.isBlocking),
        places,
        true,
      ),
      blocking: pathsOf(
        depends.filter((edge) => edge.isBlocking),
        places,
        true,
      ),
    };
  }, [graph, places]);
  const own = useMemo(() => {
    if (selected === undefined) return undefined;
    return pathsOf(
      graph.edges.filter((edge) => edge.from === selected || edge.to === selected),
      places,
      false,
    );
  }, [graph, places, selected]);
  return (
    <svg className={styles.edges} width={props.size.width} height={props.size.height} aria-hidden>
      <title>Lines between tasks</title>
      <g data-aside={selected !== undefined || undefined}>
        <path className={styles.child} d={paths.child.lines} />
        <path className={styles.free} d={paths.free.lines} />
        <path className={styles.freeHead} d={paths.free.heads} />
        <path className={styles.blocking} d={paths.blocking.lines} />
        <path className={styles.blockingHead} d={paths.blocking.heads} />
      </g>
      {own && <path className={styles.own} d={own.lines} />}
    </svg>
  );
});

function Legend({ graph }: { graph: Graph }) {
  const has = (test: (edge: Graph["edges"][number]) => boolean) => graph.edges.some(test);
  return (
    <ul className={styles.legend} aria-label="Lines">
      {has((edge) => edge.kind === "depends" && !edge.isBlocking) && (
        <li>
          <i data-line="free" />
          must be done before
        </li>
      )}
      {has((edge) => edge.isBlocking) && (
        <li>
          <i data-line="blocking" />
          holds up
        </li>
      )}
      {has((edge) => edge.kind === "child") && (
        <li>
          <i data-line="child" />
          has launched
        </li>
      )}
    </ul>
  );
}

/** What is known of the task that was chosen. */
function Details(props: {
  project: string;
  node: Node;
  links: Links | undefined;
  onClose: () => void;
  onReach: (id: string) => void;
}) {
  const { node, links } = props;
  const groups = [
    { name: "Depends on", ids: links?.dependsOn ?? [] },
    { name: "Needed by", ids: links?.neededBy ?? [] },
    { name: "Launched by", ids: links?.parents ?? [] },
    { name: "Has launched", ids: links?.children ?? [] },
  ].filter((group) => group.ids.length > 0);
  return (
    <aside className={styles.details} aria-label="Chosen task" data-testid="graph-details">
      <header>
        <strong title={node.id}>{node.label}</strong>
        <IconButton label="Close" onClick={props.onClose}>
          <X size={14} />
        </IconButton>
      </header>
      {node.isMissing ? <p>There is no such task here.</p> : <Status status={node.status} />}
      {groups.map((group) => (
        <div key={group.name}>
          <h4>{group.name}</h4>
          <ul>
            {group.ids.slice(0, 8).map((id) => (
              <li key={id}>
                <button type="button" onClick={() => props.onReach(id)} title={id}>
                  {shortTask(id)}
                </button>
              </li>
            ))}
            {group.ids.length > 8 && <li>and {group.ids.length - 8} more</li>}
          </ul>
        </div>
      ))}
      {!node.isMissing && (
        <a className={styles.open} href={href({ project: props.project, task: node.id })}>
          Open the task
        </a>
      )}
    </aside>
  );
}

function Table({ project, graph }: { project: string; graph: Graph }) {
  const links = useMemo(() => linksOf(graph), [graph]);
  const names = (ids: string[] | undefined) => (ids && ids.length > 0 ? ids.map(shortTask).join(", ") : "—");
  return (
    <div className={`${common.scroll} ${styles.table}`}>
      <table className={common.table}>
        <caption className="visually-hidden">The tasks and what connects them</caption>
        <Columns of={["Task", "Status", "Depends on", "Needed by", "Launched by"]} />
        <tbody>
          {graph.nodes.map((node) => (
            <tr key={node.id}>
              <td>
                {node.isMissing ? node.label : <a href={href({ project, task: node.id })}>{node.label}</a>}
              </td>
              <td>{node.isMissing ? "not there" : <Status status={node.status} plain />}</td>
              <td>{names(links.get(node.id)?.dependsOn)}</td>
              <td>{names(links.get(node.id)?.neededBy)}</td>
              <td>{names(links.get(node.id)?.parents)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
