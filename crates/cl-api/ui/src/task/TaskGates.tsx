import { useQuery } from "@tanstack/react-query";
import { ChevronRight, CircleCheck, CircleX, ShieldCheck, TriangleAlert } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { request } from "../api/client";
import { useTask } from "../live/store";
import type { TaskRow } from "../live/world";
import { AnsiText } from "../log/AnsiText";
import { Copy } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { Time } from "../parts/Time";
import { formatBytes, formatDuration } from "../parts/time";
import { href } from "../route/route";
import { useEvidence } from "./content";
import {
  type Claim,
  claimsOf,
  type Evidence,
  endOf,
  type GateRecord,
  gatesOf,
  STALEMATE,
  treeText,
} from "./gates/claims";
import styles from "./Tabs.module.css";

export interface TaskGatesProps {
  project: string;
  task: string;
  run?: string | undefined;
}

/** What the gates said of each claim to be done. */
export function TaskGates({ project, task }: TaskGatesProps) {
  const row = useTask(project, task)?.task;
  const { data, error, refetch } = useEvidence(project, task);
  if (error && !data)
    return <Failure what="The evidence could not be loaded" error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="Loading the evidence" />;
  if (data.evidence.length === 0 && data.problems.length === 0) return <NoGates task={task} row={row} />;
  const claims = claimsOf(data.evidence);
  const gates = gatesOf(data.evidence);
  return (
    <div className={styles.page} data-testid="gates">
      <Notices row={row} gates={gates} problems={data.problems} />
      {gates.length > 0 && (
        <section className={styles.section} aria-label="Gates">
          <div className={styles.tally}>
            {gates.map((gate) => (
              <Tally key={gate.name} gate={gate} />
            ))}
          </div>
        </section>
      )}
      {claims.map((claim, at) => (
        <ClaimCard key={claim.key} claim={claim} project={project} task={task} isLatest={at === 0} />
      ))}
    </div>
  );
}

function NoGates({ task, row }: { task: string; row: TaskRow | undefined }) {
  const isDone = row?.done === true;
  return (
    <Empty
      title={isDone ? "DONE was believed without a gate" : "No claim to be done has been judged yet"}
      icon={<ShieldCheck size={20} />}
      command={`run-agent task resume ${task} --gate "cargo test"`}
    >
      A gate is a command that must succeed before an agent’s DONE is believed.
    </Empty>
  );
}

/** What one has to know before reading the evidence. */
function Notices({
  row,
  gates,
  problems,
}: {
  row: TaskRow | undefined;
  gates: GateRecord[];
  problems: string[];
}) {
  const stuck = gates.find((gate) => gate.alike >= STALEMATE);
  const isStalemate = row?.failure?.detail.startsWith("stalemate") || stuck !== undefined;
  return (
    <>
      {isStalemate && (
        <Notice>
          <b>Stalemate.</b>{" "}
          {row?.failure?.detail.startsWith("stalemate")
            ? row.failure.detail.replace(/^stalemate: /, "")
            : `${stuck?.name} refused ${stuck?.alike} times in a row with the same output`}
          . The agent does not get past it: read what it printed below, mend the cause or the gate, and retry.
        </Notice>
      )}
      {row?.suspicious && (
        <Notice>
          <b>Nothing was seen of any work.</b> The claim was believed, but no file changed and no tool was
          used.
        </Notice>
      )}
      {problems.map((problem) => (
        <Notice key={problem}>{problem}</Notice>
      ))}
    </>
  );
}

function Notice({ children }: { children: ReactNode }) {
  return (
    <div className={styles.notice} role="note">
      <TriangleAlert size={15} aria-hidden />
      <div>{children}</div>
    </div>
  );
}

function Verdict({ verdict }: { verdict: string }) {
  const isPassed = verdict === "passed";
  const Icon = isPassed ? CircleCheck : CircleX;
  return (
    <span
      className={styles.verdict}
      style={{ color: isPassed ? "var(--ok)" : "var(--failed)" }}
      data-verdict={verdict}
    >
      <Icon size={14} strokeWidth={2.2} aria-hidden />
      {verdict}
    </span>
  );
}

/** What a gate is called; its command stands for a name where it has none. */
function GateName({ gate }: { gate: { name: string; run: string } }) {
  const isCommand = gate.name === gate.run;
  return (
    <b className={`truncate ${isCommand ? "mono" : ""}`} title={gate.run}>
      {gate.name}
    </b>
  );
}

function Tally({ gate }: { gate: GateRecord }) {
  const times = (count: number) => (count === 1 ? "once" : `${count} times`);
  return (
    <div className={styles.tallyCard}>
      <Verdict verdict={gate.last.verdict} />
      <GateName gate={gate} />
      <span className={styles.faint}>
        {gate.refused > 0 ? `refused DONE ${times(gate.refused)}` : "never refused"}
        {gate.passed > 0 && `, passed ${times(gate.passed)}`}
        {gate.alike > 1 && `; ${gate.alike} alike in a row`}
      </span>
    </div>
  );
}

interface ClaimCardProps {
  claim: Claim;
  project: string;
  task: string;
  isLatest: boolean;
}

function ClaimCard({ claim, project, task, isLatest }: ClaimCardProps) {
  return (
    <section className={styles.card} data-testid="claim" aria-label={`Claim ${claim.number}`}>
      <header className={styles.claimHead}>
        <Verdict verdict={claim.verdict} />
        <b>{claim.verdict === "passed" ? "DONE was believed" : "DONE was refused"}</b>
        <span className={styles.faint}>claim {claim.number}</span>
        {claim.run_id && (
          <a className={styles.faint} href={href({ project, task, run: claim.run_id, tab: "log" })}>
            run {claim.run_id}
          </a>
        )}
        <span className={styles.grow} />
        {claim.isUnquiet && <span className={styles.faint}>child tasks were still at work</span>}
        <span className={styles.faint}>
          {claim.isMoving
            ? "the tree changed meanwhile"
            : claim.tree
              ? `tree ${treeText(claim.tree)}`
              : "no tree"}
        </span>
        <span className={styles.faint}>
          <Time at={claim.started_at} />
        </span>
      </header>
      {claim.gates.map((gate) => (
        <GateRow
          key={gate.number}
          gate={gate}
          project={project}
          task={task}
          startsOpen={isLatest && gate.verdict !== "passed"}
        />
      ))}
    </section>
  );
}

function GateRow(props: { gate: Evidence; project: string; task: string; startsOpen: boolean }) {
  const { gate } = props;
  const [isOpen, setOpen] = useState(props.startsOpen);
  const id = useId();
  return (
    <div className={styles.gate}>
      <button
        type="button"
        className={styles.gateHead}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
      >
        <ChevronRight size={14} aria-hidden />
        <Verdict verdict={gate.verdict} />
        {gate.name !== gate.run && <b>{gate.name}</b>}
        <span className={styles.command} title={gate.run}>
          {gate.run}
        </span>
        <span className={styles.facts}>
          <span>{endOf(gate)}</span>
          <span>{shortTime(gate.duration_ms)}</span>
          <span>{formatBytes(gate.output_bytes)}</span>
        </span>
      </button>
      {isOpen && (
        <div className={styles.gateBody} id={id}>
          <dl className={styles.about}>
            {gate.reason && (
              <>
                <dt>Why</dt>
                <dd>{gate.reason}</dd>
              </>
            )}
            <dt>Folder</dt>
            <dd className="mono">{gate.cwd}</dd>
            <dt>Tree</dt>
            <dd className="mono">
              {gate.tree}
              {gate.tree_after !== gate.tree && ` → ${gate.tree_after}`}
            </dd>
            <dt>Started</dt>
            <dd>
              <Time at={gate.started_at} as="date" />
            </dd>
            <dt>Time limit</dt>
            <dd>{formatDuration(gate.timeout_ms / 1000)}</dd>
          </dl>
          <Output {...props} />
        </div>
      )}
    </div>
  );
}

/** How much of the end of what a gate printed is shown. */
const TAIL = 64 * 1024;

/** What a gate printed; its end, where it is long. */
function Output({ gate, project, task }: { gate: Evidence; project: string; task: string }) {
  const path = `api/projects/${encodeURIComponent(project)}/tasks/${encodeURIComponent(task)}/evidence/${gate.number}/output`;
  const from = Math.max(0, gate.output_bytes - TAIL);
  const { data, error, refetch } = useQuery({
    // What a gate has printed never changes.
    queryKey: ["fixed", "evidence", project, task, gate.launch_id, gate.number],
    enabled: gate.output_bytes > 0,
    queryFn: async ({ signal }) => {
      const headers: Record<string, string> = from > 0 ? { Range: `bytes=${from}-` } : {};
      return (await request(path, { signal, headers })).text();
    },
  });
  if (gate.output_bytes === 0) return <span className={styles.faint}>It printed nothing.</span>;
  if (error) return <Failure inline error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Loading what="Loading the output" />;
  return (
    <div className={styles.section}>
      <span className={styles.faint}>
        {from > 0 ? `The last ${formatBytes(TAIL)} of ${formatBytes(gate.output_bytes)}` : "What it printed"}{" "}
        <Copy text={data} what="the output" />
      </span>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className={styles.output} tabIndex={0} data-testid="gate-output">
        <AnsiText text={data.replaceAll("\r\n", "\n")} />
      </pre>
    </div>
  );
}

/** Gates are often quicker than a second. */
function shortTime(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : formatDuration(ms / 1000);
}
