import { RotateCw } from "lucide-react";
import type { Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { Status } from "../parts/Status";
import { formatBytes, formatClock, formatDuration } from "../parts/time";
import { href } from "../route/route";
import { useProcesses } from "./asks";
import { Columns } from "./Columns";
import styles from "./ProcessesView.module.css";
import common from "./pictures.module.css";
import { shortTask, waitText } from "./words";

export interface ProcessesViewProps {
  project?: string | undefined;
}

/** The processes of tasks, and what they are doing. */
export function ProcessesView({ project }: ProcessesViewProps) {
  const { data, error, isFetching, dataUpdatedAt, refetch } = useProcesses(project);
  if (error && !data) {
    return <Failure error={error} what="The processes could not be listed" onRetry={() => void refetch()} />;
  }
  if (!data) return <Loading what="Listing the processes" />;
  if (data.processes.length === 0) {
    return (
      <Empty title="No processes" command="run-agent ps">
        Supervisors, agents and what they have started appear here while they run.
      </Empty>
    );
  }
  const { totals } = data;
  return (
    <section className={styles.processes} aria-label="Processes" data-testid="processes">
      <div className={styles.bar}>
        <span>
          {totals.processes} processes of {totals.tasks} {totals.tasks === 1 ? "task" : "tasks"},{" "}
          {formatBytes(totals.rss_bytes)}, {formatDuration(totals.cpu_ms / 1000)} of processor time
        </span>
        <span className={styles.grow} />
        <small>as of {formatClock(new Date(dataUpdatedAt))}</small>
        <Button
          size="s"
          busy={isFetching}
          icon={<RotateCw size={13} aria-hidden />}
          onClick={() => void refetch()}
        >
          Look again
        </Button>
      </div>
      <div className={common.scroll}>
        <table className={common.table}>
          <caption className="visually-hidden">The processes of each task</caption>
          <Columns
            of={[
              "Process",
              { number: "Pid" },
              "State",
              { number: "CPU" },
              { number: "Memory" },
              { number: "Age" },
            ]}
          />
          {groupsOf(data).map((group) => (
            <Group key={`${group.project}/${group.task}`} group={group} />
          ))}
        </table>
      </div>
    </section>
  );
}

interface TaskGroup {
  project: string;
  task: string;
  activity: Schemas["ps.TaskActivity"] | undefined;
  rows: Schemas["ProcessRow"][];
}

/** The processes of each task, in the order of the answer. */
export function groupsOf(data: Schemas["Processes"]): TaskGroup[] {
  const activities = new Map(data.tasks.map((task) => [`${task.project}/${task.task}`, task]));
  const groups = new Map<string, TaskGroup>();
  for (const row of data.processes) {
    const key = `${row.project}/${row.task}`;
    const group = groups.get(key);
    if (group) group.rows.push(row);
    else
      groups.set(key, { project: row.project, task: row.task, activity: activities.get(key), rows: [row] });
  }
  return [...groups.values()];
}

function Group({ group }: { group: TaskGroup }) {
  const { activity } = group;
  const doing = activity?.activity;
  const waits = doing?.waiting_for ? ` for ${waitText(doing.waiting_for)}` : "";
  return (
    <tbody>
      <tr className={styles.task}>
        <th colSpan={6} scope="rowgroup">
          <a href={href({ project: group.project, task: group.task })} title={group.task}>
            {shortTask(group.task)}
          </a>
          <small>{group.project}</small>
          {activity && <Status status={activity.status} plain />}
          {doing && (
            <small>
              {doing.state}
              {waits}
            </small>
          )}
          {activity && activity.owner !== "alive" && (
            <small className={styles.wrong}>owner {activity.owner}</small>
          )}
        </th>
      </tr>
      {group.rows.map((row) => (
        <tr key={row.pid}>
          <td>
            <span className={styles.command} style={{ paddingLeft: Math.min(row.level, 12) * 14 }}>
              <b>{row.role}</b>
              <code title={row.command || row.name}>{row.command || row.name}</code>
              {row.adopted && <small>taken in</small>}
              {row.note && <small className={styles.wrong}>{row.note}</small>}
            </span>
          </td>
          <td data-number>{row.pid}</td>
          <td>{row.state}</td>
          <td data-number>{row.cpu_percent.toFixed(1)} %</td>
          <td data-number>{formatBytes(row.rss_bytes)}</td>
          <td data-number>{formatDuration(row.age_seconds)}</td>
        </tr>
      ))}
    </tbody>
  );
}
