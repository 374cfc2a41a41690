import { Download, FileText } from "lucide-react";
import { useState } from "react";
import { useRuns, useTaskDetail } from "../api/queries";
import { useGrown } from "../live/follow";
import { useTask } from "../live/store";
import { LogViewer } from "../log/LogViewer";
import { Copy } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { Markdown } from "../parts/Markdown";
import { Time } from "../parts/Time";
import { formatBytes } from "../parts/time";
import { href } from "../route/route";
import { downloadName, type FileOf, rawUrl, useContent } from "./content";
import styles from "./Tabs.module.css";

export interface TaskOutputProps {
  project: string;
  task: string;
  run?: string | undefined;
}

const OUTPUT = "output.md";

/** What the agent gave as its answer in the chosen run, else in the latest. */
export function TaskOutput({ project, task, run }: TaskOutputProps) {
  const { data: listing, error, refetch } = useRuns(project, task);
  const runs = listing?.runs ?? [];
  const chosen = run ?? runs.at(-1)?.run_id;
  if (chosen === undefined && error) {
    return <Failure what="The runs could not be loaded" error={error} onRetry={() => void refetch()} />;
  }
  if (chosen === undefined && !listing) return <Loading what="Loading the runs" />;
  if (chosen === undefined) {
    return (
      <Empty title="No output yet" icon={<FileText size={20} />}>
        The task has not run.
      </Empty>
    );
  }
  return <OneOutput key={chosen} file={{ project, task, run: chosen, name: OUTPUT }} />;
}

function OneOutput({ file }: { file: FileOf & { run: string } }) {
  const [isRaw, setRaw] = useState(false);
  const state = useTask(file.project, file.task);
  const grown = useGrown({ project: file.project, task: file.task, run: file.run, file: file.name });
  const version = [grown?.size, grown?.epoch, state?.task.last_activity, state?.task.status];
  const { data, error, refetch } = useContent(file, version);
  return (
    <div className={styles.whole} data-testid="output">
      {data && (
        <div className={styles.bar}>
          <b className="mono">{file.name}</b>
          <span className={styles.faint}>
            {formatBytes(data.size_bytes)} · <Time at={data.modified} />
            {data.masked && " · secrets are masked"}
          </span>
          <span className={styles.grow} />
          <label className={styles.toggle}>
            <input type="checkbox" checked={isRaw} onChange={() => setRaw(!isRaw)} /> Raw
          </label>
          <Copy text={data.content} what="the output" />
          <DownloadLink file={file} />
        </div>
      )}
      <Shown data={data} error={error} isRaw={isRaw} file={file} onRetry={() => void refetch()} />
    </div>
  );
}

function Shown(props: {
  data: ReturnType<typeof useContent>["data"];
  error: unknown;
  isRaw: boolean;
  file: FileOf & { run: string };
  onRetry: () => void;
}) {
  const { data, file } = props;
  if (data === null) return <NoOutput file={file} />;
  if (data === undefined) {
    return props.error ? (
      <Failure what="The output could not be loaded" error={props.error} onRetry={props.onRetry} />
    ) : (
      <Loading what="Loading the output" />
    );
  }
  // Too long to be read as a page: as a file, piece by piece.
  if (data.truncated)
    return <LogViewer project={file.project} task={file.task} run={file.run} file={file.name} />;
  if (data.content.trim() === "") return <Empty title="The output is empty" icon={<FileText size={20} />} />;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className={styles.scroll} tabIndex={0}>
      {props.isRaw ? (
        <pre className={styles.text}>{data.content}</pre>
      ) : (
        <div className={styles.reading}>
          <Markdown text={data.content} />
        </div>
      )}
    </div>
  );
}

/** This run has none; the latest that has one is named. */
function NoOutput({ file }: { file: FileOf & { run: string } }) {
  const { project, task } = file;
  const { data } = useTaskDetail(project, task);
  const others = data?.runs.filter((it) => it.files?.some((one) => one.name === OUTPUT)) ?? [];
  const other = others.at(-1);
  return (
    <Empty title="This run has left no output" icon={<FileText size={20} />}>
      Agents leave their answer in <code>{OUTPUT}</code>.{" "}
      <a href={href({ project, task, run: file.run, tab: "log" })}>Its log</a> says what it did.
      {other && other.id !== file.run && (
        <>
          {" "}
          <a href={href({ project, task, run: other.id, tab: "output" })}>An earlier run</a> has left one.
        </>
      )}
    </Empty>
  );
}

/** Saves a file. */
export function DownloadLink({ file }: { file: FileOf }) {
  const name = downloadName(file);
  return (
    <a
      className={styles.download}
      href={rawUrl(file)}
      download={name}
      title={`Download ${name}`}
      aria-label="Download"
    >
      <Download size={14} />
    </a>
  );
}
