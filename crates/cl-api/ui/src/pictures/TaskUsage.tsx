import { useMemo } from "react";
import { useRuns } from "../api/queries";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { StatusGlyph } from "../parts/Status";
import { Time } from "../parts/Time";
import { href } from "../route/route";
import { useTaskEvidence, useTaskUsage } from "./asks";
import { Columns } from "./Columns";
import common from "./pictures.module.css";
import styles from "./TaskUsage.module.css";
import { type RunUsage, refusedRuns, usageOf } from "./usage/runs";
import { costText, moneyText, tokensText, tokensWhole } from "./words";

export interface TaskUsageProps {
  project: string;
  task: string;
}

/** What a task used: tokens and money, by run. */
export function TaskUsage({ project, task }: TaskUsageProps) {
  const runs = useRuns(project, task);
  const sums = useTaskUsage(project, task);
  const evidence = useTaskEvidence(project, task);
  const refused = useMemo(() => refusedRuns(evidence.data?.evidence ?? []), [evidence.data]);
  const rows = useMemo(() => usageOf(runs.data?.runs ?? [], refused), [runs.data, refused]);
  const most = Math.max(0, ...rows.map((row) => row.cost ?? 0));

  if (runs.error && !runs.data) {
    return (
      <Failure error={runs.error} what="The runs could not be loaded" onRetry={() => void runs.refetch()} />
    );
  }
  if (!runs.data) return <Loading what="Loading the usage" />;
  if (rows.length === 0) {
    return <Empty title="Nothing was used yet">What runs use appears here when they tell it.</Empty>;
  }
  const total = sums.data?.total;
  return (
    <section className={styles.usage} aria-label="Usage" data-testid="task-usage">
      {total && (
        <dl className={styles.totals}>
          <Total name="Cost" value={costText(total.cost_usd, total.runs_without_cost)} />
          <Total
            name="For nothing"
            value={
              total.wasted.runs === 0 ? "—" : costText(total.wasted.cost_usd, total.wasted.runs_without_cost)
            }
            more={`${total.wasted.runs} of ${total.runs} ${total.runs === 1 ? "run" : "runs"}`}
          />
          <Total name="Tokens in" value={tokensWhole(total.input_tokens)} />
          <Total name="Tokens out" value={tokensWhole(total.output_tokens)} />
          <Total
            name="Cached"
            value={tokensWhole(total.cache_read_tokens)}
            more={`${tokensWhole(total.cache_write_tokens)} written`}
          />
        </dl>
      )}
      {sums.error && <Failure inline error={sums.error} />}
      <div className={common.scroll}>
        <table className={common.table}>
          <caption className="visually-hidden">What each run used, the latest first</caption>
          <Columns
            of={[
              "Run",
              "Agent",
              "Began",
              { number: "In" },
              { number: "Out" },
              { number: "Cached" },
              { number: "Turns" },
              { number: "Cost" },
            ]}
          />
          <tbody>
            {rows.map((row) => (
              <Line key={row.run} row={row} project={project} task={task} most={most} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Total({ name, value, more }: { name: string; value: string; more?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
      {more && (
        <dd>
          <small>{more}</small>
        </dd>
      )}
    </div>
  );
}

function Line({ row, project, task, most }: { row: RunUsage; project: string; task: string; most: number }) {
  const number = (count: number | undefined) =>
    count === undefined ? "—" : <span title={tokensWhole(count)}>{tokensText(count)}</span>;
  return (
    <tr>
      <td>
        <a className={styles.run} href={href({ project, task, run: row.run })} title={row.run}>
          <StatusGlyph status={row.status} size={13} label />
          {row.attempt ? `Attempt ${row.attempt}` : row.run}
        </a>
        {row.wasted !== undefined && <small className={styles.wasted}>for nothing: {row.wasted}</small>}
      </td>
      <td>
        {row.agent}
        {row.model && <small className={styles.model}>{row.model}</small>}
      </td>
      <td className={styles.began}>
        <Time at={row.began} />
      </td>
      <td data-number>{number(row.input)}</td>
      <td data-number>{number(row.output)}</td>
      <td data-number>{number(row.cached)}</td>
      <td data-number>{row.turns ?? "—"}</td>
      <td data-number>
        {row.cost === undefined ? "—" : moneyText(row.cost)}
        {most > 0 && (
          <span className={styles.meter} aria-hidden>
            <i
              data-wasted={row.wasted !== undefined || undefined}
              style={{ width: `${((row.cost ?? 0) / most) * 100}%` }}
            />
          </span>
        )}
      </td>
    </tr>
  );
}
