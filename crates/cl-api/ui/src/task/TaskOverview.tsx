import { lazy, Suspense } from "react";
import { useRuns, useTaskDetail } from "../api/queries";
import { useLive, useTask } from "../live/store";
import { type RunRow, type TaskRow, taskKey } from "../live/world";
import { Copy } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { lookOf, Status, StatusGlyph } from "../parts/Status";
import { Duration, Time } from "../parts/Time";
import { go, href } from "../route/route";
import styles from "../shell/Detail.module.css";
import { MixLine } from "../shell/Overview";
import { policyOf, runMix, runName, taskName } from "./policy";

const Timeline = lazy(async () => ({ default: (await import("../pictures/Timeline")).Timeline }));

/** A task at a glance: its state, why it is so, its runs, and what belongs to it. */
export function TaskOverview({
  project,
  task,
  run,
}: {
  project: string;
  task: string;
  run: string | undefined;
}) {
  const state = useTask(project, task);
  const runs = useRuns(project, task);
  const row = state?.task;
  if (!row) return <Loading what="Loading the task" />;
  const known = runs.data?.runs ?? [];
  // What the connection told last is newer than what was fetched.
  const all = known.map((each) => (each.run_id === state.run?.run_id ? state.run : each));
  const shown = all.find((each) => each.run_id === (run ?? row.latest_run));
  return (
    <>
      <Glance row={row} runs={all} latest={state.run} />
      {row.problems.length > 0 && (
        <section className={styles.section}>
          <h2>What could not be read</h2>
          <ul className={styles.problems}>
            {row.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </section>
      )}
      <Relatives row={row} />
      {all.length > 0 && (
        <section className={styles.section}>
          <h2>Timeline</h2>
          <Suspense fallback={<Loading />}>
            <Timeline project={project} task={task} />
          </Suspense>
        </section>
      )}
      <section className={styles.section}>
        <h2>
          Runs <small>{all.length > 0 && all.length}</small>
        </h2>
        {runs.isPending ? (
          <Loading what="Loading the runs" />
        ) : !runs.data ? (
          <Failure error={runs.error} inline onRetry={() => void runs.refetch()} />
        ) : all.length === 0 ? (
          <Empty title="No runs yet">{policyOf(row).text}.</Empty>
        ) : (
          <Runs project={project} task={task} runs={all} current={run ?? row.latest_run ?? undefined} />
        )}
      </section>
      {shown && <RunMetadata run={shown} runs={all} project={project} task={task} />}
    </>
  );
}

function Glance({
  row,
  runs,
  latest,
}: {
  row: TaskRow;
  runs: readonly RunRow[];
  latest: RunRow | undefined;
}) {
  const policy = policyOf(row);
  const mix = runMix(runs);
  const claim = row.claim;
  const run = latest ?? runs.find((each) => each.run_id === row.latest_run);
  return (
    <dl className={styles.facts} data-testid="glance">
      <div>
        <dt>Status</dt>
        <dd>
          <Status status={row.status} plain />
          {row.suspicious && <small className={styles.bad}>done, but nothing was seen of any work</small>}
          {row.owner !== "none" && row.owner !== "alive" && (
            <small>owner: {String(row.owner).replaceAll("_", " ")}</small>
          )}
        </dd>
      </div>
      <div>
        <dt>Restart policy</dt>
        <dd>
          {policy.text}
          {policy.detail && <small>{policy.detail}</small>}
        </dd>
      </div>
      <div>
        <dt>Runs</dt>
        <dd>
          {mix.length > 0 ? (
            <MixLine mix={{ total: row.runs, parts: mix }} />
          ) : row.runs > 0 ? (
            row.runs
          ) : (
            <span className={styles.muted}>No runs yet</span>
          )}
          {row.attempts !== null && row.attempts !== undefined && row.attempts > 0 && (
            <small>
              {row.attempts} {row.attempts === 1 ? "attempt" : "attempts"} in this launch
            </small>
          )}
        </dd>
      </div>
      <div>
        <dt>Agent</dt>
        <dd>
          {row.agent ?? "—"}
          {run?.model && <small>{run.model}</small>}
        </dd>
      </div>
      <div>
        <dt>Started</dt>
        <dd>
          <Time at={run?.started} as="date" />
          {run && (
            <small>
              <Duration from={run.started} to={run.ended} running={run.status === "running"} />
              {run.phase && run.status === "running" && ` · ${run.phase}`}
            </small>
          )}
        </dd>
      </div>
      <div>
        <dt>Last activity</dt>
        <dd>
          <Time at={row.last_activity} />
        </dd>
      </div>
      <div>
        <dt>Gates</dt>
        <dd>
          {claim ? (
            <>
              {claim.gates === 0 ? "none for this task" : `${claim.passed} of ${claim.gates} passed`}
              <small>claim {claim.number}</small>
            </>
          ) : (
            <span className={styles.muted}>{row.done ? "DONE stands" : "No claim to be done yet"}</span>
          )}
        </dd>
      </div>
      <div>
        <dt>Run</dt>
        <dd className="mono truncate" title={row.latest_run ?? undefined}>
          {row.latest_run ?? "—"}
        </dd>
      </div>
      {row.failure && (
        <div className={styles.wide}>
          <dt>Last failure</dt>
          <dd>
            <span className={styles.bad}>{row.failure.kind.replaceAll("_", " ")}</span>
            {row.failure.detail && <small>{row.failure.detail}</small>}
            {row.failure.retry_at && (
              <small>
                may be over <Time at={row.failure.retry_at} />
              </small>
            )}
          </dd>
        </div>
      )}
    </dl>
  );
}

function Relatives({ row }: { row: TaskRow }) {
  const detail = useTaskDetail(row.project_id, row.task_id);
  const thread = detail.data?.thread_parent;
  const groups: [string, { project: string; task: string }[]][] = [
    ["Waits for", row.depends_on.map((task) => ({ project: row.project_id, task }))],
    ["Launched by", row.parent ? [{ project: row.parent.project_id, task: row.parent.task_id }] : []],
    ["Answers a message of", thread ? [{ project: thread.project_id, task: thread.task_id }] : []],
    ["Children", unique(row.children.map((child) => ({ project: child.project_id, task: child.task_id })))],
  ];
  return groups.map(
    ([title, tasks]) =>
      tasks.length > 0 && (
        <section key={title} className={styles.section}>
          <h2>
            {title} <small>{tasks.length > 1 && tasks.length}</small>
          </h2>
          <ul className={styles.list2}>
            {tasks.map((each) => (
              <Relative
                key={`${each.project}/${each.task}`}
                {...each}
                isBlocking={title === "Waits for" && row.blocked_by.includes(each.task)}
              />
            ))}
          </ul>
        </section>
      ),
  );
}

function unique(tasks: { project: string; task: string }[]): { project: string; task: string }[] {
  return [...new Map(tasks.map((each) => [taskKey(each.project, each.task), each])).values()];
}

function Relative({ project, task, isBlocking }: { project: string; task: string; isBlocking: boolean }) {
  const status = useLive((world) => world.tasks[taskKey(project, task)]?.task.status);
  return (
    <li>
      <a className={styles.line} href={href({ project, task })}>
        <StatusGlyph status={status ?? "unknown"} label />
        <span title={task}>{taskName(task)}</span>
        <small>
          {status === undefined ? "not here" : lookOf(status).text}
          {isBlocking && " · must be done first"}
        </small>
      </a>
    </li>
  );
}

function Runs(props: {
  project: string;
  task: string;
  runs: readonly RunRow[];
  current: string | undefined;
}) {
  const { project, task, runs, current } = props;
  return (
    <div className={styles.frame}>
      <table className={styles.table} data-testid="runs">
        <thead>
          <tr>
            <th>Run</th>
            <th>Status</th>
            <th>Agent</th>
            <th>Started</th>
            <th>Took</th>
            <th>Exit</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {[...runs].reverse().map((run) => (
            <tr
              key={run.run_id}
              aria-current={run.run_id === current}
              onClick={() => go({ run: run.run_id })}
            >
              <td>
                <a href={href({ project, task, run: run.run_id })} title={run.run_id}>
                  {runName(run)}
                </a>
              </td>
              <td>
                <Status status={run.status} plain />
              </td>
              <td>{run.agent ?? "—"}</td>
              <td>
                <Time at={run.started} as="date" />
              </td>
              <td>
                <Duration from={run.started} to={run.ended} running={run.status === "running"} />
              </td>
              <td>{run.exit_code ?? "—"}</td>
              <td className={styles.bad} title={run.failure?.detail}>
                {run.failure?.kind.replaceAll("_", " ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** All that is recorded of a run. */
function RunMetadata(props: { run: RunRow; runs: readonly RunRow[]; project: string; task: string }) {
  const { run, project, task } = props;
  const nameOf = (id: string) => runName(props.runs.find((each) => each.run_id === id) ?? { run_id: id });
  const link = (id: string) => (
    <a href={href({ project, task, run: id })} title={id}>
      {nameOf(id)}
    </a>
  );
  const facts: [string, React.ReactNode][] = [
    ["Agent", [run.agent, run.agent_version].filter(Boolean).join(" ") || "—"],
    ["Model", run.model ?? "—"],
    ["Exit code", run.exit_code ?? "—"],
    ["Started", <Time key="t" at={run.started} as="date" />],
    ["Ended", <Time key="t" at={run.ended} as="date" />],
    ["Process", run.pid ? `${run.pid}${run.pid_alive ? "" : ", gone"}` : "—"],
    ["Restarted from", run.previous_run_id ? link(run.previous_run_id) : "—"],
    ["Launched by run", run.parent_run_id ? <code key="c">{run.parent_run_id}</code> : "—"],
    ["Session", run.session_id ? <code key="c">{run.session_id}</code> : "—"],
  ];
  return (
    <section className={styles.section} data-testid="run-metadata">
      <h2>
        {runName(run)} <small className="mono">{run.run_id}</small>
        <Copy text={run.run_id} what="the id of the run" />
      </h2>
      {run.problem && <p className={styles.warn}>{run.problem}</p>}
      <dl className={styles.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        {run.failure && (
          <div className={styles.wide}>
            <dt>Failure</dt>
            <dd>
              <span className={styles.bad}>{run.failure.kind.replaceAll("_", " ")}</span>
              {run.failure.detail && <small>{run.failure.detail}</small>}
            </dd>
          </div>
        )}
        <div className={styles.wide}>
          <dt>Folder</dt>
          <dd className="mono">{run.path}</dd>
        </div>
      </dl>
    </section>
  );
}
