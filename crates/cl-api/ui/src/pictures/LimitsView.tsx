import { AlarmClock } from "lucide-react";
import { useState } from "react";
import { toast } from "sonner";
import { api, Problem, type Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { Time } from "../parts/Time";
import { formatDate, parseTime, useNow } from "../parts/time";
import { href } from "../route/route";
import { useLimits } from "./asks";
import styles from "./Strip.module.css";
import { sameItems, useSettled } from "./settled";
import { accountText, degradedUntil, limited, lookOfWindow, windowText } from "./strip/model";
import { countdownText, failureText, shortTask } from "./words";

export interface LimitsViewProps {
  /** Within a popover: less room, and no empty state of its own. */
  compact?: boolean;
}

/** Usage limits of agents and when they end, agents that are passed over, and the tasks that wait. */
export function LimitsView({ compact = false }: LimitsViewProps) {
  const { data, error, refetch } = useLimits();
  const waiting = useSettled(
    "limited",
    (world) => limited(Object.values(world.tasks).map(({ task }) => task)),
    sameItems,
  );
  const now = useNow();
  if (error && !data) {
    return (
      <Failure
        inline={compact}
        error={error}
        what="The limits could not be loaded"
        onRetry={() => void refetch()}
      />
    );
  }
  if (!data) return <Loading what="Loading the limits" />;
  const isEmpty = data.windows.length === 0 && data.agents.length === 0 && waiting.length === 0;
  if (isEmpty && data.problems.length === 0) {
    return compact ? (
      <p className={styles.none}>Nothing is known of any limit: agents tell of theirs when they come near.</p>
    ) : (
      <Empty title="No limits are known" command="run-agent limits">
        Agents tell of their limits when they come near them.
      </Empty>
    );
  }
  return (
    <div className={styles.limits} data-compact={compact || undefined} data-testid="limits">
      {data.windows.length > 0 && (
        <section>
          <h4>Usage windows</h4>
          <ul>
            {data.windows.map((window) => (
              <WindowLine
                key={`${window.agent}/${window.account}/${window.window}`}
                window={window}
                now={now}
              />
            ))}
          </ul>
        </section>
      )}
      {data.agents.length > 0 && (
        <section>
          <h4>Agents that fail</h4>
          <ul>
            {data.agents.map((agent) => (
              <AgentLine key={`${agent.agent}/${agent.account}`} agent={agent} now={now} />
            ))}
          </ul>
        </section>
      )}
      {waiting.length > 0 && (
        <section>
          <h4>Tasks that wait for a limit</h4>
          <ul>
            {waiting.slice(0, compact ? 20 : 200).map((row) => (
              <WaitingLine key={`${row.project_id}/${row.task_id}`} row={row} now={now} />
            ))}
          </ul>
        </section>
      )}
      {data.problems.map((problem) => (
        <p key={problem} className={styles.problem}>
          {problem}
        </p>
      ))}
    </div>
  );
}

function WindowLine({ window, now }: { window: Schemas["WindowRow"]; now: number }) {
  const look = lookOfWindow(window, now);
  const tone = { ok: "ok", warning: "blocked", closed: "failed", unknown: "none" }[look];
  const words = { ok: "open", warning: "nearly used up", closed: "closed", unknown: "may be open again" }[
    look
  ];
  const used = window.used_percent ?? undefined;
  const opens = parseTime(look === "closed" ? window.closed_until : window.resets_at);
  return (
    <li>
      <div className={styles.what}>
        <b>{accountText(window)}</b>
        <small>{windowText(window.window)}</small>
      </div>
      <div className={styles.gauge} aria-hidden>
        <i
          style={{
            width: `${Math.min(100, used ?? (look === "closed" ? 100 : 0))}%`,
            background: `var(--${tone})`,
          }}
        />
      </div>
      <div className={styles.how}>
        <span style={{ color: `var(--${tone})` }}>
          {words}
          {used !== undefined && ` · ${Math.round(used)} %`}
        </span>
        <small title={opens === undefined ? undefined : formatDate(new Date(opens))}>
          {opens !== undefined && opens > now ? (
            `${look === "closed" ? "opens" : "resets"} ${countdownText(opens, now)}`
          ) : (
            <>
              seen <Time at={window.at} />
            </>
          )}
        </small>
      </div>
    </li>
  );
}

function AgentLine({ agent, now }: { agent: Schemas["HealthRow"]; now: number }) {
  const until = degradedUntil(agent, now);
  return (
    <li>
      <div className={styles.what}>
        <b>{accountText(agent)}</b>
        <small>
          {agent.failures} {agent.failures === 1 ? "failure" : "failures"} in a row
          {agent.last_kind && `, ${failureText(agent.last_kind)}`}
        </small>
      </div>
      <div className={styles.how}>
        <span style={{ color: until === undefined ? "var(--muted)" : "var(--failed)" }}>
          {until === undefined ? "in use" : "passed over"}
        </span>
        <small>
          {until === undefined ? <Time at={agent.last_at} /> : `tried again ${countdownText(until, now)}`}
        </small>
      </div>
    </li>
  );
}

function WaitingLine({ row, now }: { row: Schemas["TaskRow"]; now: number }) {
  const [isBusy, setBusy] = useState(false);
  const wakes = parseTime(row.wake_at);
  const wake = async () => {
    setBusy(true);
    try {
      const path = { project_id: row.project_id, task_id: row.task_id };
      await api.POST("/api/projects/{project_id}/tasks/{task_id}/wake", { params: { path } });
      toast.success(`${shortTask(row.task_id)} was woken`);
    } catch (error) {
      const problem = Problem.of(error);
      toast.error(problem.message, { description: problem.hint });
    } finally {
      setBusy(false);
    }
  };
  return (
    <li>
      <div className={styles.what}>
        <a href={href({ project: row.project_id, task: row.task_id })} title={row.task_id}>
          <b>{shortTask(row.task_id)}</b>
        </a>
        <small>{row.agent ? `${row.project_id} · ${row.agent}` : row.project_id}</small>
      </div>
      <div className={styles.how}>
        <small>{wakes === undefined ? "until it is woken" : `goes on ${countdownText(wakes, now)}`}</small>
      </div>
      <Button
        size="s"
        busy={isBusy}
        icon={<AlarmClock size={13} aria-hidden />}
        onClick={() => void wake()}
        aria-label={`Wake ${shortTask(row.task_id)}`}
      >
        Wake
      </Button>
    </li>
  );
}
