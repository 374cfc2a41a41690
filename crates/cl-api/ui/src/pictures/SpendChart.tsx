import { useMemo, useState } from "react";
import type { Schemas } from "../api/client";
import { Choice, type View, ViewChoice } from "../parts/Choice";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { useTrend } from "./asks";
import common from "./pictures.module.css";
import styles from "./SpendChart.module.css";
import { colourOf, Plot } from "./spend/Plot";
import {
  bucketText,
  lines,
  MEASURES,
  type Measure,
  ownZone,
  RANGES,
  type RangeId,
  type Stack,
  stack,
  valueText,
} from "./spend/trend";
import { costText, moneyText, tokensText } from "./words";

export interface SpendChartProps {
  /** Without it, of everything. */
  project?: string | undefined;
}

type By = "agent" | "model" | "task" | "project";

/** Tokens and money over time. */
export function SpendChart({ project }: SpendChartProps) {
  const [range, setRange] = useState<RangeId>("week");
  const [by, setBy] = useState<By>("agent");
  const [chosen, setMeasure] = useState<Measure>();
  const [view, setView] = useState<View>("picture");
  const { days, bucket } = RANGES.find((each) => each.id === range) ?? RANGES[1];
  const timeZone = useMemo(ownZone, []);
  const { data, error, isPlaceholderData, refetch } = useTrend({ project, by, bucket, days, timeZone });
  // Agents that tell no cost still tell tokens.
  const measure = chosen ?? (data && (data.total.cost_usd ?? undefined) === undefined ? "tokens" : "cost");
  const stacked = useMemo(() => data && stack(data, measure), [data, measure]);

  const ways = [
    { id: "agent" as const, label: "Agent" },
    { id: "model" as const, label: "Model" },
    { id: "task" as const, label: "Task" },
    ...(project === undefined ? [{ id: "project" as const, label: "Project" }] : []),
  ];
  return (
    <section className={styles.spend} aria-label="Spend and tokens" data-testid="spend-chart">
      <div className={styles.bar}>
        <Choice label="How long" value={range} options={RANGES} onChange={setRange} />
        <Choice label="Add up by" value={by} options={ways} onChange={setBy} />
        <span className={styles.grow} />
        <Choice label="What is measured" value={measure} options={MEASURES} onChange={setMeasure} />
        <ViewChoice picture="Chart" value={view} onChange={setView} />
      </div>
      {error && !data && (
        <Failure error={error} what="The usage could not be loaded" onRetry={() => void refetch()} />
      )}
      {!error && !data && <Loading what="Adding up" />}
      {data && stacked && (
        <div className={styles.content} data-old={isPlaceholderData || undefined}>
          <Totals total={data.total} />
          {data.rows.length === 0 ? (
            <Empty title="No run began in this time">
              What runs use appears here when they end, or earlier where their agents tell.
            </Empty>
          ) : view === "picture" ? (
            <Picture trend={data} stacked={stacked} measure={measure} />
          ) : (
            <Table trend={data} stacked={stacked} measure={measure} />
          )}
          {data.problems.map((problem) => (
            <p key={problem} className={styles.note}>
              {problem}
            </p>
          ))}
        </div>
      )}
    </section>
  );
}

function Totals({ total }: { total: Schemas["UsageRow"] }) {
  const wasted = total.wasted;
  const tokens = [total.input_tokens, total.output_tokens].filter(
    (count) => count !== null && count !== undefined,
  );
  return (
    <dl className={styles.totals}>
      <div>
        <dt>Cost</dt>
        <dd title={costText(total.cost_usd, total.runs_without_cost)}>
          {total.runs === 0 ? "$0.00" : moneyText(total.cost_usd)}
        </dd>
        {total.runs_without_cost > 0 && (
          <dd className={styles.more}>{total.runs_without_cost} runs told none</dd>
        )}
      </div>
      <div>
        <dt>For nothing</dt>
        <dd>{wasted.runs === 0 ? "$0.00" : moneyText(wasted.cost_usd)}</dd>
        <dd className={styles.more}>
          {wasted.runs} {wasted.runs === 1 ? "run" : "runs"}
        </dd>
      </div>
      <div>
        <dt>Tokens</dt>
        <dd>
          {tokens.length === 0
            ? total.runs === 0
              ? "0"
              : "unknown"
            : tokensText(tokens.reduce((a, b) => a + b, 0))}
        </dd>
        {tokens.length > 0 && (
          <dd className={styles.more}>
            {tokensText(total.input_tokens)} in, {tokensText(total.output_tokens)} out
          </dd>
        )}
      </div>
      <div>
        <dt>Runs</dt>
        <dd>{total.runs}</dd>
      </div>
    </dl>
  );
}

interface PictureProps {
  trend: Schemas["UsageTrend"];
  stacked: Stack;
  measure: Measure;
}

function Picture({ trend, stacked, measure }: PictureProps) {
  const [place, setPlace] = useState<number>();
  const name = MEASURES.find((each) => each.id === measure)?.label ?? measure;
  const at = place === undefined ? undefined : trend.buckets[place];
  const known = stacked.rows.map((row) => row.total).filter((total) => total !== undefined);
  const sum = known.reduce((all, total) => all + total, 0);
  return (
    <div className={styles.picture}>
      <Plot
        stack={stacked}
        measure={measure}
        bucket={trend.bucket}
        onPoint={setPlace}
        label={`${name} by ${trend.bucket}, ${valueText(sum, measure)} in all. The table says the same in numbers.`}
      />
      <div className={styles.keys}>
        <p className={styles.when}>
          {at === undefined ? "In all" : bucketText(Date.parse(at), trend.bucket, trend.time_zone)}
        </p>
        <ul>
          {stacked.rows.map((row, index) => {
            const value = place === undefined ? row.total : (row.values[place] ?? 0);
            return (
              <li key={row.name} data-none={!value || undefined}>
                <i style={{ background: colourOf(index) }} />
                <span title={row.name}>{row.name}</span>
                <b>{valueText(value, measure)}</b>
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}

function Table({ trend, stacked, measure }: PictureProps) {
  const shown = useMemo(() => lines(stacked), [stacked]);
  const sums = stacked.rows.map((row) => row.total);
  const known = sums.filter((total) => total !== undefined);
  return (
    <div className={`${common.scroll} ${styles.table}`}>
      <table className={common.table}>
        <caption className="visually-hidden">
          {MEASURES.find((each) => each.id === measure)?.label} by {trend.bucket}, the latest first
        </caption>
        <thead>
          <tr>
            <th scope="col">{trend.bucket === "hour" ? "Hour" : "Day"}</th>
            {stacked.rows.map((row) => (
              <th scope="col" key={row.name} data-number>
                {row.name}
              </th>
            ))}
            <th scope="col" data-number>
              Sum
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((line) => (
            <tr key={line.at}>
              <td>{bucketText(line.at, trend.bucket, trend.time_zone)}</td>
              {line.cells.map((value, index) => (
                <td key={stacked.rows[index]?.name} data-number>
                  {value === undefined ? "—" : valueText(value, measure)}
                </td>
              ))}
              <td data-number>{valueText(line.sum, measure)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">In all</th>
            {sums.map((total, index) => (
              <td key={stacked.rows[index]?.name} data-number>
                {total === undefined ? "—" : valueText(total, measure)}
              </td>
            ))}
            <td data-number>
              {known.length === 0
                ? "—"
                : valueText(
                    known.reduce((a, b) => a + b, 0),
                    measure,
                  )}
            </td>
          </tr>
        </tfoot>
      </table>
    </div>
  );
}
