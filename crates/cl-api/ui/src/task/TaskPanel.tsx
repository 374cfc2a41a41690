import { ChevronDown, ChevronRight } from "lucide-react";
import { lazy, Suspense } from "react";
import { TaskActions } from "../act/TaskActions";
import { useRuns } from "../api/queries";
import { useConnection, useTask } from "../live/store";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Menu, MenuItem, MenuLabel } from "../parts/Menu";
import { Status, StatusGlyph } from "../parts/Status";
import { Time } from "../parts/Time";
import { go, href, useRoute } from "../route/route";
import styles from "../shell/Detail.module.css";
import { Tabs } from "../shell/Tabs";
import { runName, taskName } from "./policy";
import { TaskOverview } from "./TaskOverview";

const LogViewer = lazy(async () => ({ default: (await import("../log/LogViewer")).LogViewer }));
const BusPanel = lazy(async () => ({ default: (await import("../bus/BusPanel")).BusPanel }));
const TaskGates = lazy(async () => ({ default: (await import("./TaskGates")).TaskGates }));
const TaskFiles = lazy(async () => ({ default: (await import("./TaskFiles")).TaskFiles }));
const TaskOutput = lazy(async () => ({ default: (await import("./TaskOutput")).TaskOutput }));
const TaskPrompt = lazy(async () => ({ default: (await import("./TaskPrompt")).TaskPrompt }));
const TaskUsage = lazy(async () => ({ default: (await import("../pictures/TaskUsage")).TaskUsage }));

const TABS = [
  { id: "overview", text: "Overview" },
  { id: "log", text: "Log" },
  { id: "output", text: "Output" },
  { id: "prompt", text: "Prompt" },
  { id: "messages", text: "Messages" },
  { id: "gates", text: "Gates" },
  { id: "files", text: "Files" },
  { id: "usage", text: "Usage" },
];
/** These fill the room and scroll themselves. */
const FULL = new Set(["log", "output", "prompt", "messages", "gates", "files"]);

export interface TaskPanelProps {
  project: string;
  task: string;
  run: string | undefined;
}

/** A task: its state at a glance, and all that belongs to it in tabs. */
export function TaskPanel({ project, task, run }: TaskPanelProps) {
  const route = useRoute();
  const state = useTask(project, task);
  const { complete } = useConnection();
  const row = state?.task;
  if (!row && complete) {
    return (
      <Empty
        title="There is no such task"
        action={<Button onClick={() => go({ project, task: undefined })}>Back to {project}</Button>}
      >
        <code>{task}</code> is not in {project}. It may have been deleted.
      </Empty>
    );
  }
  const latest = row?.latest_run ?? undefined;
  const shown = run ?? latest;
  const value = TABS.some((tab) => tab.id === route.tab) && route.tab ? route.tab : "overview";
  const claim = row?.claim;
  const tabs = TABS.map((tab) =>
    tab.id === "gates" && claim && claim.gates > 0 ? { ...tab, note: `${claim.passed}/${claim.gates}` } : tab,
  );
  return (
    <div className={styles.page} data-testid="task">
      <div className={styles.head}>
        <div className={styles.crumbs}>
          <a href={href({ project })}>{project}</a>
          <ChevronRight size={12} aria-hidden />
          {row?.parent && (
            <>
              <a href={href({ project: row.parent.project_id, task: row.parent.task_id })}>
                {taskName(row.parent.task_id)}
              </a>
              <ChevronRight size={12} aria-hidden />
            </>
          )}
          <code data-testid="task-id">{task}</code>
          <Copy text={task} what="the id of the task" />
        </div>
        <h1 title={task}>{taskName(task)}</h1>
        {row && <Status status={row.status} />}
        {row?.waiting_for && (
          <span className={styles.muted}>
            waits for {row.waiting_for.replaceAll("_", " ")}
            {row.wake_at && (
              <>
                , wakes <Time at={row.wake_at} />
              </>
            )}
          </span>
        )}
        <div className={styles.actions}>
          <RunPicker project={project} task={task} run={run} latest={latest} />
          <TaskActions project={project} task={task} run={run} />
        </div>
      </div>
      <Tabs
        label="Views of the task"
        value={value}
        onChange={(tab) => go({ tab: tab === "overview" ? undefined : tab })}
        tabs={tabs}
        isFull={FULL.has(value)}
      >
        <Suspense fallback={<Loading />}>
          {value === "overview" && <TaskOverview project={project} task={task} run={run} />}
          {value === "log" &&
            (shown ? (
              <LogViewer key={shown} project={project} task={task} run={shown} file={route.file ?? "agent"} />
            ) : (
              <Empty title="No run yet">The log begins with the first attempt.</Empty>
            ))}
          {value === "output" && <TaskOutput project={project} task={task} run={shown} />}
          {value === "prompt" && <TaskPrompt project={project} task={task} run={shown} />}
          {value === "messages" && <BusPanel project={project} task={task} />}
          {value === "gates" && <TaskGates project={project} task={task} run={run} />}
          {value === "files" && <TaskFiles project={project} task={task} run={shown} />}
          {value === "usage" && <TaskUsage project={project} task={task} />}
        </Suspense>
      </Tabs>
    </div>
  );
}

/** Which run the tabs are about: the latest unless another one is chosen. */
function RunPicker(props: {
  project: string;
  task: string;
  run: string | undefined;
  latest: string | undefined;
}) {
  const runs = useRuns(props.project, props.task);
  const all = runs.data?.runs ?? [];
  if (all.length < 2 && props.run === undefined) return null;
  const chosen = all.find((each) => each.run_id === (props.run ?? props.latest));
  return (
    <Menu
      align="end"
      button={
        <Button size="s" data-testid="run-picker">
          {chosen ? runName(chosen) : "Run"}
          {props.run === undefined && <span className={styles.muted}>latest</span>}
          <ChevronDown size={13} aria-hidden />
        </Button>
      }
    >
      <MenuLabel>Runs</MenuLabel>
      <MenuItem onSelect={() => go({ run: undefined })}>Always the latest</MenuItem>
      {[...all].reverse().map((each) => (
        <MenuItem
          key={each.run_id}
          onSelect={() => go({ run: each.run_id })}
          icon={<StatusGlyph status={each.status} label />}
          note={<Time at={each.started} as="clock" />}
        >
          {runName(each)}
        </MenuItem>
      ))}
    </Menu>
  );
}
