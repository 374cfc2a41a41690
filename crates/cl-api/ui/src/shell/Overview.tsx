import { FolderPlus, TriangleAlert } from "lucide-react";
import { lazy, Suspense, useDeferredValue, useMemo } from "react";
import { useProjects, useStatus } from "../api/queries";
import { useLive } from "../live/store";
import { Button } from "../parts/Button";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { lookOf, StatusGlyph } from "../parts/Status";
import { Time } from "../parts/Time";
import { LimitsView } from "../pictures/LimitsView";
import { go, href } from "../route/route";
import { type Mix, mixes } from "./counts";
import styles from "./Detail.module.css";
import { openDialog } from "./dialogs";
import { Tabs } from "./Tabs";

const SpendChart = lazy(async () => ({ default: (await import("../pictures/SpendChart")).SpendChart }));
const ProcessesView = lazy(async () => ({
  default: (await import("../pictures/ProcessesView")).ProcessesView,
}));

const VIEWS = [
  { id: "projects", text: "Projects" },
  { id: "usage", text: "Spend" },
  { id: "limits", text: "Limits" },
  { id: "processes", text: "Processes" },
  { id: "problems", text: "Problems" },
];

/** Everything below the root: its projects, what it costs, what holds it up. */
export function Overview({ view }: { view: string | undefined }) {
  const { data: status } = useStatus();
  const problems = status?.readiness?.problems ?? [];
  const value = VIEWS.some((each) => each.id === view) && view ? view : "projects";
  const tabs = VIEWS.map((each) =>
    each.id === "problems" && problems.length > 0 ? { ...each, note: problems.length } : each,
  );
  return (
    <div className={styles.page} data-testid="overview">
      <div className={styles.head}>
        <h1>All projects</h1>
        <div className={styles.actions}>
          <Button size="s" icon={<FolderPlus size={14} />} onClick={() => openDialog("new-project")}>
            New project
          </Button>
        </div>
      </div>
      <Tabs
        label="Views of everything"
        value={value}
        onChange={(view) => go({ view: view === "projects" ? undefined : view })}
        tabs={tabs}
      >
        <Suspense fallback={<Loading />}>
          {value === "projects" && <Projects />}
          {value === "usage" && <SpendChart />}
          {value === "limits" && <LimitsView />}
          {value === "processes" && <ProcessesView />}
          {value === "problems" && <Problems problems={problems} />}
        </Suspense>
      </Tabs>
    </div>
  );
}

function Projects() {
  const projects = useProjects();
  // Counting may wait until there is time; typing and clicking may not.
  const tasks = useDeferredValue(useLive((world) => world.tasks));
  const all = useMemo(() => mixes(tasks), [tasks]);
  if (projects.isPending) return <Loading what="Loading projects" />;
  if (!projects.data) return <Failure error={projects.error} onRetry={() => void projects.refetch()} />;
  if (projects.data.length === 0) {
    return (
      <Empty
        title="No projects yet"
        command="run-agent task --project demo --agent claude --prompt 'Say hello'"
        action={
          <Button look="primary" onClick={() => openDialog("new-project")}>
            New project
          </Button>
        }
      >
        A project is a folder that agents work in. Make one here, or start a first task on the command line:
      </Empty>
    );
  }
  return (
    <div className={styles.cards}>
      {projects.data.map((project) => (
        <a
          key={project.id}
          className={styles.card}
          href={href({ project: project.id })}
          data-testid="project-card"
        >
          <h2>{project.id}</h2>
          <MixLine mix={all.get(project.id)} />
          <small title={project.project_root ?? undefined}>
            {project.last_activity ? <Time at={project.last_activity} /> : "nothing yet"}
            {project.project_root && ` · ${project.project_root}`}
          </small>
        </a>
      ))}
    </div>
  );
}

/** How many tasks have each status. */
export function MixLine({
  mix,
  what = ["task", "tasks"],
}: {
  mix: Mix | undefined;
  what?: [string, string];
}) {
  if (!mix || mix.total === 0) return <div className={styles.mix}>No {what[1]} yet</div>;
  return (
    <div className={styles.mix}>
      {mix.parts.map(({ status, count }) => (
        <span key={status}>
          <StatusGlyph status={status} size={13} />
          {count} {lookOf(status).text}
        </span>
      ))}
    </div>
  );
}

/** What could not be read or is slower than it should be. */
export function Problems({ problems }: { problems: readonly string[] }) {
  if (problems.length === 0) {
    return <Empty title="No problems">Every file below the root could be read.</Empty>;
  }
  return (
    <div className={styles.section}>
      <h2>
        <TriangleAlert size={15} className={styles.warn} aria-hidden /> What could not be read
        <small>Nothing else is hidden by it.</small>
      </h2>
      <ul className={styles.problems} data-testid="problems">
        {problems.map((problem) => (
          <li key={problem}>{problem}</li>
        ))}
      </ul>
    </div>
  );
}
