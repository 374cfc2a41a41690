import { Coins, Cpu, Gauge, ListOrdered } from "lucide-react";
import { Popover } from "radix-ui";
import { type ReactNode, useMemo, useState } from "react";
import { useStatus } from "../api/queries";
import { taskKey } from "../live/world";
import { Failure } from "../parts/Failure";
import { Duration } from "../parts/Time";
import { parseTime, useNow } from "../parts/time";
import { href } from "../route/route";
import { useLimits, useTrend } from "./asks";
import { LimitsView } from "./LimitsView";
import styles from "./Strip.module.css";
import { sameItems, useSettled } from "./settled";
import { ownZone } from "./spend/trend";
import { holders, limited, queued, sumOfLimits } from "./strip/model";
import { costText, countdownText, moneyText, shortTask, tokensText } from "./words";

/**
 * The items of the top strip on slots, queue, limits and spend: small buttons, each with a popover.
 * They stand in one row; the strip gives them room and nothing else.
 */
export function StripItems() {
  return (
    <div className={styles.items}>
      <Slots />
      <Queue />
      <Limits />
      <Spend />
    </div>
  );
}

/** A button of the strip and what it opens. */
function Item(props: {
  icon: ReactNode;
  /** What it says, for those who do not see it. */
  label: string;
  value: ReactNode;
  tone?: string;
  testid: string;
  width?: number;
  children: (close: () => void) => ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger asChild>
        <button
          type="button"
          className={styles.item}
          aria-label={props.label}
          title={props.label}
          data-testid={props.testid}
          style={props.tone ? { color: `var(--${props.tone})` } : {}}
        >
          {props.icon}
          <span>{props.value}</span>
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className={styles.popover}
          align="end"
          sideOffset={6}
          collisionPadding={8}
          style={{ width: props.width ?? 360 }}
          data-testid={`${props.testid}-popover`}
        >
          {props.children(() => setOpen(false))}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** How many runs are at work, and which. */
function Slots() {
  const { data, dataUpdatedAt, error, refetch } = useStatus();
  const running = useSettled(
    `slots ${dataUpdatedAt}`,
    ({ tasks }) => holders(data?.running_tasks ?? [], (project, task) => tasks[taskKey(project, task)]?.task),
    (a, b) => JSON.stringify(a) === JSON.stringify(b),
  );
  const limit = data?.max_concurrent_runs ?? undefined;
  const taken = running.filter((run) => run.hasSlot).length;
  const value = data ? (limit === undefined ? running.length : `${taken}/${limit}`) : "–";
  const label =
    limit === undefined
      ? `${running.length === 1 ? "1 run" : `${running.length} runs`} at work, no limit`
      : `${taken} of ${limit} run slots are taken`;
  const isFull = limit !== undefined && taken >= limit;
  return (
    <Item
      icon={<Cpu size={14} aria-hidden />}
      label={label}
      value={value}
      testid="strip-slots"
      {...(running.length > 0 && { tone: isFull ? "queued" : "running" })}
    >
      {(close) => (
        <>
          <Head
            title="Run slots"
            more={limit === undefined ? "no limit is set" : `${taken} of ${limit} taken`}
          />
          {error && !data && <Failure inline error={error} onRetry={() => void refetch()} />}
          {limit !== undefined && limit <= 64 && <Meter taken={taken} limit={limit} />}
          {data && running.length === 0 && <p className={styles.none}>Nothing runs.</p>}
          <ul className={styles.list}>
            {running.map((run) => (
              <li key={run.run}>
                <a
                  href={href({ project: run.project, task: run.task, run: run.run })}
                  onClick={close}
                  title={run.task}
                >
                  <b>{shortTask(run.task)}</b>
                  <small>
                    {run.project} · {run.agent}
                    {!run.hasSlot && " · launched by a run, needs no slot"}
                  </small>
                </a>
                <span className={styles.end}>
                  <Duration from={run.began} running />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Item>
  );
}

function Meter({ taken, limit }: { taken: number; limit: number }) {
  return (
    <div className={styles.meter} aria-hidden>
      {Array.from({ length: limit }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: slots have nothing but their place
        <i key={index} data-taken={index < taken || undefined} />
      ))}
    </div>
  );
}

/** What waits for a slot, in order. */
function Queue() {
  const waiting = useSettled(
    "queue",
    (world) => queued(Object.values(world.tasks).map(({ task }) => task)),
    sameItems,
  );
  const label = waiting.length === 1 ? "1 task is queued" : `${waiting.length} tasks are queued`;
  return (
    <Item
      icon={<ListOrdered size={14} aria-hidden />}
      label={label}
      value={waiting.length}
      testid="strip-queue"
      {...(waiting.length > 0 && { tone: "queued" })}
    >
      {(close) => (
        <>
          <Head title="Queue" more={waiting.length === 0 ? "" : "in the order of arrival"} />
          {waiting.length === 0 && <p className={styles.none}>Nothing is queued.</p>}
          <ol className={styles.list}>
            {waiting.slice(0, MOST_LISTED).map((row) => (
              <li key={`${row.project_id}/${row.task_id}`}>
                <span className={styles.place}>{row.queue_position}</span>
                <a
                  href={href({ project: row.project_id, task: row.task_id })}
                  onClick={close}
                  title={row.task_id}
                >
                  <b>{shortTask(row.task_id)}</b>
                  <small>
                    {row.project_id}
                    {row.agent && ` · ${row.agent}`}
                    {row.blocked_by.length > 0 && ` · first ${row.blocked_by.map(shortTask).join(", ")}`}
                  </small>
                </a>
              </li>
            ))}
          </ol>
          {waiting.length > MOST_LISTED && (
            <p className={styles.none}>and {waiting.length - MOST_LISTED} more</p>
          )}
        </>
      )}
    </Item>
  );
}

const MOST_LISTED = 100;

/** Limits that are closed, and agents that are passed over. */
function Limits() {
  const { data } = useLimits();
  const waiting = useSettled(
    "limited",
    (world) => limited(Object.values(world.tasks).map(({ task }) => task)),
    sameItems,
  );
  const now = useNow("coarse");
  const sum = sumOfLimits(data, now);
  const shut = sum.closed + sum.degraded;
  const words = [
    sum.closed > 0 && `${sum.closed} closed`,
    sum.degraded > 0 && `${sum.degraded} passed over`,
    sum.warning > 0 && `${sum.warning} nearly used up`,
    waiting.length > 0 && `${waiting.length} waiting`,
  ].filter(Boolean);
  const label = words.length === 0 ? "Limits: ok, all open" : `Limits: ${words.join(", ")}`;
  const value = shut > 0 ? shut : sum.warning > 0 ? "!" : "ok";
  const tone = shut > 0 ? "failed" : sum.warning > 0 ? "blocked" : waiting.length > 0 ? "waiting" : undefined;
  return (
    <Item
      icon={<Gauge size={14} aria-hidden />}
      label={label}
      value={
        <>
          {value}
          {sum.next !== undefined && <small aria-hidden> {countdownText(sum.next, now)}</small>}
        </>
      }
      testid="strip-limits"
      width={440}
      {...(tone && { tone })}
    >
      {() => (
        <>
          <Head title="Limits and agents" more={words.join(", ") || "all open"} />
          <LimitsView compact />
        </>
      )}
    </Item>
  );
}

/** What today's runs cost. */
function Spend() {
  const timeZone = useMemo(ownZone, []);
  const { data, error, refetch } = useTrend({ by: "agent", bucket: "hour", days: 1, timeZone });
  const total = data?.total;
  const tokens = sumOf(total?.input_tokens, total?.output_tokens);
  const isMoney = (total?.cost_usd ?? undefined) !== undefined;
  const value = !total
    ? "–"
    : isMoney
      ? moneyText(total.cost_usd)
      : total.runs === 0
        ? "$0.00"
        : tokens === undefined
          ? "–"
          : tokensText(tokens);
  const label = total
    ? `Today: ${costText(total.cost_usd, total.runs_without_cost)}, ${tokens === undefined ? "tokens unknown" : `${tokensText(tokens)} tokens`}`
    : "Spend today";
  return (
    <Item icon={<Coins size={14} aria-hidden />} label={label} value={value} testid="strip-spend">
      {(close) => (
        <>
          <Head title="Today" more={data ? `since ${clock(data.buckets[0])} (${data.time_zone})` : ""} />
          {error && !data && <Failure inline error={error} onRetry={() => void refetch()} />}
          {data && data.rows.length === 0 && <p className={styles.none}>No run has begun today.</p>}
          {data && data.rows.length > 0 && (
            <table className={styles.table}>
              <thead>
                <tr>
                  <th scope="col">Agent</th>
                  <th scope="col">Runs</th>
                  <th scope="col">Tokens</th>
                  <th scope="col">Cost</th>
                </tr>
              </thead>
              <tbody>
                {data.rows.map((row) => (
                  <tr key={row.key ?? ""}>
                    <th scope="row">{row.key ?? "all others"}</th>
                    <td>{row.total.runs}</td>
                    <td>{tokensText(sumOf(row.total.input_tokens, row.total.output_tokens))}</td>
                    <td>{costText(row.total.cost_usd, row.total.runs_without_cost)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {total && total.wasted.runs > 0 && (
            <p className={styles.none}>
              {costText(total.wasted.cost_usd, total.wasted.runs_without_cost)} of it for nothing, in{" "}
              {total.wasted.runs} {total.wasted.runs === 1 ? "run" : "runs"}
            </p>
          )}
          <a className={styles.more} href={href({ view: "usage" })} onClick={close}>
            Spend over time
          </a>
        </>
      )}
    </Item>
  );
}

function sumOf(a: number | null | undefined, b: number | null | undefined): number | undefined {
  return (a ?? b ?? undefined) === undefined ? undefined : (a ?? 0) + (b ?? 0);
}

function clock(text: string | undefined): string {
  const at = parseTime(text);
  return at === undefined
    ? ""
    : new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

function Head({ title, more }: { title: string; more: string }) {
  return (
    <header className={styles.head}>
      <h3>{title}</h3>
      <small>{more}</small>
    </header>
  );
}
