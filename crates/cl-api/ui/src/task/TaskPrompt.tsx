import { useState } from "react";
import { useRuns } from "../api/queries";
import { useTask } from "../live/store";
import type { RunRow } from "../live/world";
import { Choice } from "../parts/Choice";
import { Copy } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { Markdown } from "../parts/Markdown";
import { formatBytes } from "../parts/time";
import { type FileOf, useContent } from "./content";
import { difference, isSame, type Line } from "./prompt/difference";
import styles from "./Tabs.module.css";
import { DownloadLink } from "./TaskOutput";

export interface TaskPromptProps {
  project: string;
  task: string;
  run?: string | undefined;
}

type View = "text" | "changes" | "rendered";

/** What the agent was asked. */
export function TaskPrompt({ project, task, run }: TaskPromptProps) {
  const { data: listing } = useRuns(project, task);
  const [view, setView] = useState<View>("text");
  const [isOfTask, setOfTask] = useState(false);
  const runs = listing?.runs ?? [];
  const at = runs.findIndex((it) => it.run_id === run);
  const chosen = isOfTask ? undefined : runs[at];
  const attempt = at < 0 ? undefined : (runs[at]?.attempt ?? at + 1);
  const before = at > 0 ? runs[at - 1] : undefined;
  const file: FileOf = chosen
    ? { project, task, run: chosen.run_id, name: "prompt" }
    : { project, task, name: "TASK.md" };
  const status = useTask(project, task)?.task.status;
  const { data, error, refetch } = useContent(file, chosen ? undefined : status);
  return (
    <div className={styles.whole} data-testid="prompt">
      <div className={styles.bar}>
        <Choice
          label="Prompt of"
          value={chosen ? "attempt" : "task"}
          options={[
            { id: "task", label: "Task" },
            ...(attempt === undefined ? [] : [{ id: "attempt" as const, label: `Attempt ${attempt}` }]),
          ]}
          onChange={(of) => setOfTask(of === "task")}
        />
        <select
          className={styles.select}
          aria-label="Show as"
          value={view}
          onChange={(event) => setView(event.target.value as View)}
        >
          <option value="text">As it is</option>
          <option value="rendered">Rendered</option>
          <option value="changes" disabled={!chosen}>
            {before ? `Changes since attempt ${before.attempt ?? at}` : "Changes since the task’s prompt"}
          </option>
        </select>
        <span className={styles.grow} />
        {data && (
          <>
            <span className={styles.faint}>{formatBytes(data.size_bytes)}</span>
            <Copy text={data.content} what="the prompt" />
            <DownloadLink file={file} />
          </>
        )}
      </div>
      {data === undefined && !error && <Loading what="Loading the prompt" />}
      {data === undefined && error && (
        <Failure what="The prompt could not be loaded" error={error} onRetry={() => void refetch()} />
      )}
      {data === null && (
        <Empty title="There is no prompt yet">It is written before the agent is started.</Empty>
      )}
      {data && view === "changes" && (
        <Changes project={project} task={task} before={before} text={data.content} isOfTask={!chosen} />
      )}
      {data && view !== "changes" && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <div className={styles.scroll} tabIndex={0}>
          {view === "rendered" ? (
            <div className={styles.reading}>
              <Markdown text={data.content} />
            </div>
          ) : (
            <pre className={styles.text}>{data.content}</pre>
          )}
        </div>
      )}
    </div>
  );
}

/** What is different from the prompt before. */
function Changes(props: {
  project: string;
  task: string;
  before: RunRow | undefined;
  text: string;
  isOfTask: boolean;
}) {
  const { project, task, before } = props;
  const file: FileOf = before
    ? { project, task, run: before.run_id, name: "prompt" }
    : { project, task, name: "TASK.md" };
  const { data, error, refetch } = useContent(file, undefined);
  if (props.isOfTask)
    return <Empty title="Nothing stands before it">Choose an attempt to see what changed for it.</Empty>;
  if (error)
    return (
      <Failure what="The prompt before could not be loaded" error={error} onRetry={() => void refetch()} />
    );
  if (data === undefined) return <Loading what="Loading the prompt before" />;
  const lines = difference(data?.content ?? "", props.text);
  if (lines === undefined) return <Empty title="The prompts are too long to be compared here" />;
  if (isSame(lines)) return <Empty title="Nothing has changed">Both attempts were asked the same.</Empty>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className={styles.scroll} tabIndex={0}>
      <div className={styles.diff} data-testid="prompt-changes">
        {lines.map((line, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
          <DiffLine key={at} line={line} />
        ))}
      </div>
    </div>
  );
}

const SIGNS = { same: " ", added: "+", removed: "−" };

function DiffLine({ line }: { line: Line }) {
  if (line.kind === "gap") return <div className={styles.gap}>{line.count} equal lines</div>;
  return (
    <div className={styles.line} data-kind={line.kind}>
      <span>{SIGNS[line.kind]}</span>
      <span>{line.text}</span>
    </div>
  );
}
