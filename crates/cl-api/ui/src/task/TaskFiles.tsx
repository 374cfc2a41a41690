import { File, FileCode, FileText, FolderOpen } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { useTaskDetail } from "../api/queries";
import { useGrown } from "../live/follow";
import { useTask } from "../live/store";
import { LogViewer } from "../log/LogViewer";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { StatusGlyph } from "../parts/Status";
import { Time } from "../parts/Time";
import { formatBytes } from "../parts/time";
import { href, useRoute } from "../route/route";
import { type FileOf, SMALL, useContent } from "./content";
import styles from "./Tabs.module.css";
import { DownloadLink } from "./TaskOutput";

export interface TaskFilesProps {
  project: string;
  task: string;
  run?: string | undefined;
}

const PROMPT = "TASK.md";
/** So many runs are listed at once. */
const RUNS = 40;
/** Files that grow, and are read as logs are. */
const STREAMS = ["stdout", "stderr"];

/** The files of a task and its runs. */
export function TaskFiles({ project, task, run }: TaskFilesProps) {
  const { file: wanted } = useRoute();
  const { data, error, refetch } = useTaskDetail(project, task);
  const [count, setCount] = useState(RUNS);
  if (error && !data) {
    return <Failure what="The files could not be listed" error={error} onRetry={() => void refetch()} />;
  }
  if (!data) return <Loading what="Loading the files" />;
  const chosen = chosenFile(data, run, wanted);
  const runs = [...data.runs].reverse();
  // A run that was chosen is there, however old it is.
  const listed = runs.filter((it, at) => at < count || it.id === run);
  return (
    <div className={styles.files} data-testid="files">
      <nav className={styles.fileList} aria-label="Files">
        <h4>
          <FolderOpen size={13} aria-hidden /> <span>Task</span>
        </h4>
        <FileLink {...{ project, task }} name={PROMPT} label={PROMPT} isChosen={chosen?.run === undefined} />
        {listed.map((it) => (
          <RunFiles key={it.id} project={project} task={task} of={it} chosen={chosen} />
        ))}
        {runs.length > count && (
          <Button size="s" look="plain" onClick={() => setCount(count + RUNS)}>
            {runs.length - count} older runs
          </Button>
        )}
      </nav>
      <div className={styles.viewer}>
        {chosen && <Viewer key={`${chosen.run} ${chosen.name}`} file={{ project, task, ...chosen }} />}
      </div>
    </div>
  );
}

/** Returns the file that is shown: the one asked for if it is there, else the run's answer or first file. */
export function chosenFile(
  detail: Pick<Schemas["TaskDetail"], "runs">,
  run: string | undefined,
  wanted: string | undefined,
): { run: string | undefined; name: string; size: number | undefined } {
  const of = detail.runs.find((it) => it.id === run);
  const files = of?.files ?? [];
  if (!of || wanted === PROMPT) return { run: undefined, name: PROMPT, size: undefined };
  const file =
    files.find((it) => it.name === wanted) ?? files.find((it) => it.name === "output.md") ?? files[0];
  // One that is asked for and not there yet may come.
  return { run: of.id, name: file?.name ?? wanted ?? "stdout", size: file?.size ?? 0 };
}

function RunFiles(props: {
  project: string;
  task: string;
  of: Schemas["Run"];
  chosen: ReturnType<typeof chosenFile>;
}) {
  const { of, chosen } = props;
  return (
    <section aria-label={`Run ${of.id}`}>
      <h4>
        <StatusGlyph status={of.status} size={13} label />
        <span className="truncate" title={of.id}>
          {of.agent} · <Time at={of.start_time} as="clock" />
        </span>
      </h4>
      {(of.files ?? []).map((file) => (
        <FileLink
          key={file.name}
          project={props.project}
          task={props.task}
          run={of.id}
          name={file.name}
          label={file.label || file.name}
          size={file.size ?? 0}
          isChosen={chosen.run === of.id && chosen.name === file.name}
        />
      ))}
      {(of.files ?? []).length === 0 && <span className={styles.faint}>No files yet</span>}
    </section>
  );
}

function FileLink(props: {
  project: string;
  task: string;
  run?: string;
  name: string;
  label: string;
  size?: number;
  isChosen: boolean;
}) {
  const Icon = STREAMS.includes(props.name) ? FileCode : props.name.endsWith(".md") ? FileText : File;
  const { project, task, run, name } = props;
  return (
    <a
      className={styles.file}
      href={href({ project, task, run, tab: "files", file: name })}
      aria-current={props.isChosen}
      title={name}
    >
      <Icon size={14} aria-hidden />
      <span className="truncate">{props.label}</span>
      {props.size !== undefined && <span className={styles.size}>{formatBytes(props.size)}</span>}
    </a>
  );
}

type Chosen = FileOf & { size: number | undefined };

/** Shows a file: as a log where it grows or is large, else as text. */
function Viewer({ file }: { file: Chosen }) {
  const { project, task, run, name } = file;
  if (run !== undefined && (STREAMS.includes(name) || (file.size ?? 0) > SMALL)) {
    return <LogViewer project={project} task={task} run={run} file={name} />;
  }
  return <TextFile file={file} />;
}

function TextFile({ file }: { file: Chosen }) {
  const { project, task, run, name } = file;
  const state = useTask(project, task);
  const grown = useGrown(run === undefined ? undefined : { project, task, run, file: name });
  const { data, error, refetch } = useContent(file, [
    grown?.size,
    grown?.epoch,
    file.size,
    state?.task.status,
  ]);
  if (data === undefined) {
    return error ? (
      <Failure what={`${name} could not be loaded`} error={error} onRetry={() => void refetch()} />
    ) : (
      <Loading what={`Loading ${name}`} />
    );
  }
  if (data === null) return <Empty title={`There is no ${name} yet`} icon={<File size={20} />} />;
  return (
    <>
      <div className={styles.bar}>
        <b className="mono">{name}</b>
        <span className={styles.faint}>
          {formatBytes(data.size_bytes)} · <Time at={data.modified} />
          {data.masked && " · secrets are masked"}
          {data.lossy && " · bytes that are no text are replaced"}
        </span>
        <span className={styles.grow} />
        <Copy text={data.content} what="the text" />
        <DownloadLink file={file} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div className={styles.scroll} tabIndex={0}>
        <pre className={styles.text}>{data.content}</pre>
        {data.truncated && (
          <p className={styles.faint}>
            The first {formatBytes(data.next_offset ?? data.content.length)} are shown. Download it to read
            all.
          </p>
        )}
      </div>
    </>
  );
}
