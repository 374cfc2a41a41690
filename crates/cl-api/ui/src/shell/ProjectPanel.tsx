import { Plus } from "lucide-react";
import { lazy, Suspense, useDeferredValue, useMemo } from "react";
import { useProjectStats, useProjects, useTree } from "../api/queries";
import { useConnection, useLive } from "../live/store";
import { Button } from "../parts/Button";
import { Empty, Loading } from "../parts/Empty";
import { StatusGlyph } from "../parts/Status";
import { Time } from "../parts/Time";
import { formatBytes } from "../parts/time";
import { go, href } from "../route/route";
import { taskName } from "../task/policy";
import { mixOf } from "./counts";
import styles from "./Detail.module.css";
import { openDialog } from "./dialogs";
import { MixLine, Problems } from "./Overview";
import { Tabs } from "./Tabs";

const BusPanel = lazy(async () => ({ default: (await import("../bus/BusPanel")).BusPanel }));
const DependencyGraph = lazy(async () => ({
  default: (await import("../pictures/DependencyGraph")).DependencyGraph,
}));
const SpendChart = lazy(async () => ({ default: (await import("../pictures/SpendChart")).SpendChart }));
const ProcessesView = lazy(async () => ({
  default: (await import("../pictures/ProcessesView")).ProcessesView,
}));

const TABS = [
  { id: "overview", text: "Overview" },
  { id: "messages", text: "Messages" },
  { id: "graph", text: "Dependencies" },
  { id: "usage", text: "Spend" },
  { id: "processes", text: "Processes" },
  { id: "problems", text: "Problems" },
];
const FULL = new Set(["messages", "graph"]);

/** A project: how its tasks do, its messages, what waits for what, and what it costs. */
export function ProjectPanel({ project, tab }: { project: string; tab: string | undefined }) {
  const isKnown = useLive((world) => world.projects[project] === true);
  const { complete } = useConnection();
  const tree = useTree(project);
  const problems = tree.data?.problems ?? [];
  const value = TABS.some((each) => each.id === tab) && tab ? tab : "overview";
  if (complete && !isKnown) {
    return (
      <Empty
        title={`There is no project ${project}`}
        action={<Button onClick={() => go({ project: undefined })}>All projects</Button>}
      >
        It may have been deleted, or it belongs to another server.
      </Empty>
    );
  }
  const tabs = TABS.map((each) =>
    each.id === "problems" && problems.length > 0 ? { ...each, note: problems.length } : each,
  );
  return (
    <div className={styles.page} data-testid="project">
      <div className={styles.head}>
        <h1>{project}</h1>
        <div className={styles.actions}>
          <Button size="s" icon={<Plus size={14} />} onClick={() => openDialog("new-task")}>
            New task
          </Button>
        </div>
      </div>
      <Tabs
        label={`Views of ${project}`}
        value={value}
        onChange={(tab) => go({ tab: tab === "overview" ? undefined : tab })}
        tabs={tabs}
        isFull={FULL.has(value)}
      >
        <Suspense fallback={<Loading />}>
          {value === "overview" && <ProjectOverview project={project} />}
          {value === "messages" && <BusPanel project={project} />}
          {value === "graph" && <DependencyGraph project={project} />}
          {value === "usage" && <SpendChart project={project} />}
          {value === "processes" && <ProcessesView project={project} />}
          {value === "problems" && <Problems problems={problems} />}
        </Suspense>
      </Tabs>
    </div>
  );
}

const RECENT = 8;

function ProjectOverview({ project }: { project: string }) {
  const tasks = useDeferredValue(useLive((world) => world.tasks));
  const projects = useProjects();
  const stats = useProjectStats(project);
  const about = projects.data?.find((each) => each.id === project);
  const mine = useMemo(
    () =>
      Object.values(tasks)
        .map(({ task }) => task)
        .filter((task) => task.project_id === project),
    [tasks, project],
  );
  const mix = useMemo(() => mixOf(tasks, project), [tasks, project]);
  const attention = mine.filter(
    (task) =>
      task.status === "failed" ||
      task.suspicious ||
      task.deadlocked_by.length > 0 ||
      task.problems.length > 0,
  );
  const active = mine.filter((task) => task.active);
  const recent = [...mine]
    .sort((a, b) => (b.last_activity ?? "").localeCompare(a.last_activity ?? ""))
    .slice(0, RECENT);
  const line = (task: (typeof mine)[number], note: React.ReactNode) => (
    <li key={task.task_id}>
      <a className={styles.line} href={href({ project, task: task.task_id })}>
        <StatusGlyph status={task.status} label />
        <span title={task.task_id}>{taskName(task.task_id)}</span>
        <small>{note}</small>
      </a>
    </li>
  );
  return (
    <>
      <dl className={styles.facts}>
        <div className={styles.wide}>
          <dt>Tasks</dt>
          <dd>
            <MixLine mix={mix} />
          </dd>
        </div>
        <div>
          <dt>Runs</dt>
          <dd>
            {stats.data ? stats.data.total_runs : "—"}
            {stats.data && (
              <small>
                {stats.data.running_runs} running, {stats.data.completed_runs} completed,{" "}
                {stats.data.failed_runs} failed
                {stats.data.crashed_runs > 0 && `, ${stats.data.crashed_runs} unknown`}
              </small>
            )}
          </dd>
        </div>
        <div>
          <dt>Messages</dt>
          <dd>
            {stats.data ? formatBytes(stats.data.message_bus_total_bytes) : "—"}
            {stats.data && (
              <small>
                {stats.data.message_bus_files} {stats.data.message_bus_files === 1 ? "bus" : "buses"}
              </small>
            )}
          </dd>
        </div>
        <div>
          <dt>Last activity</dt>
          <dd>
            <Time at={about?.last_activity} />
          </dd>
        </div>
        <div className={styles.wide}>
          <dt>Folder</dt>
          <dd className="mono">{about?.project_root ?? "—"}</dd>
        </div>
      </dl>
      {attention.length > 0 && (
        <section className={styles.section}>
          <h2>
            Needs a look <small>{attention.length}</small>
          </h2>
          <ul className={styles.list2}>
            {attention
              .slice(0, RECENT)
              .map((task) =>
                line(
                  task,
                  task.deadlocked_by.length > 0
                    ? "can never begin"
                    : (task.failure?.kind.replaceAll("_", " ") ??
                        (task.suspicious ? "no work seen" : "problem")),
                ),
              )}
          </ul>
        </section>
      )}
      {active.length > 0 && (
        <section className={styles.section}>
          <h2>
            Active <small>{active.length}</small>
          </h2>
          <ul className={styles.list2}>
            {active.slice(0, 20).map((task) => line(task, task.waiting_for ?? task.agent))}
          </ul>
        </section>
      )}
      <section className={styles.section}>
        <h2>Last activity</h2>
        {recent.length === 0 ? (
          <Empty
            title="No tasks yet"
            command={`run-agent task --project ${project} --agent claude --prompt '…'`}
          />
        ) : (
          <ul className={styles.list2}>
            {recent.map((task) => line(task, <Time at={task.last_activity} />))}
          </ul>
        )}
      </section>
    </>
  );
}
