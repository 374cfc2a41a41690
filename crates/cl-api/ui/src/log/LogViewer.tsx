import {
  ArrowDownToLine,
  ArrowUp,
  CircleAlert,
  Copy as CopyIcon,
  CornerDownRight,
  Download,
  FileText,
  List,
  Search as SearchIcon,
  WrapText,
  X,
} from "lucide-react";
import {
  type FormEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { toast } from "sonner";
import { base } from "../api/client";
import { useGrown } from "../live/follow";
import { useConnection, useTask } from "../live/store";
import { Button, IconButton } from "../parts/Button";
import { writeClipboard } from "../parts/Copy";
import { Empty, Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { formatBytes, formatClock, formatDate, useNow } from "../parts/time";
import { go, href, useRoute } from "../route/route";
import { AgentLog } from "./AgentLog";
import type { Item } from "./agent/items";
import { BEGINNING, decode, LogDocument } from "./document";
import { exported } from "./exported";
import { agoOf, freshnessOf } from "./freshness";
import { targetOf } from "./goto";
import styles from "./LogViewer.module.css";
import { type LogView, RawLog } from "./RawLog";
import type { Search } from "./search";
import { overHttp } from "./source";
import { placeOfTime } from "./time";
import { isStream, TranscriptReader } from "./transcriptReader";
import { useSearch } from "./useSearch";

export interface LogViewerProps {
  project: string;
  task: string;
  run: string;
  /** `agent` (what the agent said and did), `stdout`, `stderr`, `output.md` or `prompt`; changed by `go({ file })`. */
  file: string;
}

const SHOWN = ["stdout", "stderr", "output.md", "prompt"];
const NONE: readonly Item[] = [];
/** How much is copied at once. */
const MOST_COPIED = 1024 * 1024;

/** A file of a run, read in parts, and followed while it grows. */
export function LogViewer(props: LogViewerProps) {
  const name = props.file === "agent" ? "stdout" : props.file;
  if (!SHOWN.includes(name)) {
    return <Empty title="There is no such file">A run has stdout, stderr, its prompt and output.md.</Empty>;
  }
  return <Viewer key={`${props.project}/${props.task}/${props.run}/${name}`} {...props} name={name} />;
}

function Viewer({ project, task, run, file, name }: LogViewerProps & { name: string }) {
  const folder = `api/projects/${encodeURIComponent(project)}/tasks/${encodeURIComponent(task)}/runs/${encodeURIComponent(run)}/file`;
  const query = `name=${encodeURIComponent(name)}`;
  // Who looks over a shoulder need not see what the agent's own file says.
  const address = new URL(`${folder}/raw?${query}&covered=1`, base).href;
  const row = useTask(project, task)?.task;
  const isRunning = row?.latest_run === run && row.latest_status === "running";
  const place = usePlace();

  const document = useOpened(() => new LogDocument(overHttp(address)), address);
  const presence = document?.presence ?? "unknown";
  // While nothing is connected the whole page says so; it goes on by itself.
  const isConnected = useConnection().staleSince === undefined;
  // What is refused there is not followed: nobody else's connection is put at risk.
  const [isKnown, setKnown] = useState(false);
  useEffect(() => {
    if (presence === "there" || (presence === "missing" && isRunning)) setKnown(true);
  }, [presence, isRunning]);
  const grown = useGrown(isKnown ? { project, task, run, file: name } : undefined);

  const kind = useKind(document, file === "agent" || name === "stdout");
  const isAgent = file === "agent" && kind === "agent";
  const reader = useOpened(
    () => (isAgent ? new TranscriptReader(overHttp(address)) : null),
    isAgent ? address : "",
  );

  useEffect(() => {
    if (!grown) return;
    document?.grown(grown.size, String(grown.epoch));
    reader?.grown(grown.size, String(grown.epoch));
  }, [grown, document, reader]);

  const [isFollowing, setFollowing] = useState(place === null);
  const [isWrapped, setWrapped] = useStored("conductor.log.wrap", true);
  const [isSearching, setSearching] = useState(false);
  const search = useSearch(new URL(`${folder}/search?${query}`, base).href);
  const view = useRef<LogView>(null);

  // What the browser would find is what is in sight.
  useEffect(() => {
    const heard = (event: KeyboardEvent) => {
      const isFind = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "f";
      if (isFind && !window.document.querySelector("[role=dialog]")) {
        event.preventDefault();
        setSearching(true);
      }
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  }, []);

  const items = reader?.items ?? NONE;
  const errors = useMemo(() => countErrors(items), [items]);

  const onPlace = useCallback((at: number) => go({ at: String(at) }, { replace: true }), []);
  const addressOf = useCallback(
    (at: number) => href({ project, task, run, tab: "log", file, at: String(at) }),
    [project, task, run, file],
  );
  const follow = () => {
    if (place !== null) go({ at: undefined }, { replace: true });
    if (isFollowing) view.current?.stay();
    else view.current?.follow();
  };
  const show = (to: string) => go({ file: to, at: undefined }, { replace: true });
  const goTo = (at: number) => view.current?.goTo(at);

  const hit = search.current === null ? undefined : search.search?.hits[search.current];
  const shownAt = hit?.at ?? place;

  const isFile = name === "stdout" || name === "stderr";
  const shown = isAgent ? "agent" : name;
  const label = `${isAgent ? "What the agent said and did" : name} of run ${run}`;

  return (
    <div className={styles.viewer} data-testid="log-viewer">
      <div className={styles.bar} role="toolbar" aria-label="Log">
        {isFile && (
          <fieldset className={styles.tabs}>
            <legend className="visually-hidden">What is shown</legend>
            {(kind === "agent" || name === "stderr") && (
              <Tab isOn={shown === "agent"} name="Agent" onClick={() => show("agent")}>
                Agent
              </Tab>
            )}
            <Tab isOn={shown === "stdout"} name="stdout, raw" onClick={() => show("stdout")}>
              stdout
            </Tab>
            <Tab isOn={shown === "stderr"} name="stderr, raw" onClick={() => show("stderr")}>
              stderr
            </Tab>
          </fieldset>
        )}
        <span className={styles.size} title={`${document?.size ?? 0} bytes`}>
          {document && presence === "there" ? formatBytes(document.size) : ""}
        </span>
        <LastOutput modified={grown?.modified ?? null} isRunning={isRunning} />
        <span className={styles.gap} />
        {isAgent && errors > 0 && (
          <Button
            size="s"
            look="plain"
            icon={<CircleAlert size={14} color="var(--failed)" />}
            onClick={() => view.current?.nextError?.()}
          >
            {errors === 1 ? "1 error" : `${errors} errors`}
          </Button>
        )}
        <IconButton
          label="Search and go to"
          aria-pressed={isSearching}
          className={isSearching ? (styles.on ?? "") : ""}
          onClick={() => setSearching(!isSearching)}
        >
          <SearchIcon size={15} />
        </IconButton>
        {!isAgent && (
          <IconButton
            label={isWrapped ? "Do not wrap long lines" : "Wrap long lines"}
            aria-pressed={isWrapped}
            className={isWrapped ? (styles.on ?? "") : ""}
            onClick={() => setWrapped(!isWrapped)}
          >
            <WrapText size={15} />
          </IconButton>
        )}
        {document && (
          <IconButton label={copyLabel(document.size)} onClick={() => void copyAll(address, document.size)}>
            <CopyIcon size={15} />
          </IconButton>
        )}
        {isAgent && (
          <IconButton label="Export as Markdown" onClick={() => save(exported(items, run), `${run}.md`)}>
            <FileText size={15} />
          </IconButton>
        )}
        <a
          className={styles.download}
          href={address}
          download={`${run}-${name.includes(".") ? name : `${name}.txt`}`}
          aria-label={`Download ${name}`}
          title={`Download ${name}`}
        >
          <Download size={15} />
        </a>
        <Button
          size="s"
          look={isFollowing ? "primary" : "normal"}
          icon={<ArrowDownToLine size={14} />}
          aria-pressed={isFollowing}
          onClick={follow}
          data-testid="log-follow"
        >
          {isFollowing ? "Following" : "Follow"}
        </Button>
      </div>
      {isSearching && document && (
        <SearchBar
          search={search.search}
          current={search.current}
          onSearch={(text) => search.start(text)}
          onCancel={search.cancel}
          onStep={(direction) => {
            const at = search.step(direction);
            if (at !== null) {
              view.current?.stay();
              goTo(at);
            }
          }}
          onHit={(index) => {
            const at = search.choose(index);
            if (at !== null) goTo(at);
          }}
          onGoTo={async (typed) => {
            const target = targetOf(typed, new Date());
            if (!target) return "Type 14:05, 2026-02-23 14:05, 50% or a byte such as @4096.";
            if (target.kind === "byte") goTo(target.at);
            else if (target.kind === "share") goTo(Math.floor(target.share * document.size));
            else {
              const at = await placeOfTime(document, target.time);
              if (at === null) return "No line says that it was written then or later.";
              goTo(at);
            }
            return null;
          }}
          onClose={() => {
            search.cancel();
            search.start("");
            setSearching(false);
          }}
        />
      )}
      <div className={styles.body}>
        {document === null || kind === "unknown" ? (
          presence === "failed" && document ? (
            <Failure
              error={document.failure}
              what="The log could not be read"
              onRetry={() => void document.look()}
            />
          ) : presence === "missing" || (presence === "there" && document?.size === 0) ? (
            <NoOutput name={name} isRunning={isRunning} isMissing={presence === "missing"} task={task} />
          ) : (
            <Loading what="Opening the log" />
          )
        ) : isAgent && reader ? (
          reader.isReady || reader.items.length > 0 ? (
            <AgentLog
              ref={view}
              reader={reader}
              items={reader.items}
              label={label}
              at={shownAt}
              isRunning={isRunning}
              onRaw={(at) => go({ file: "stdout", at: String(at) })}
              onPlace={onPlace}
              onFollowing={setFollowing}
            />
          ) : reader.failure ? (
            <Failure
              error={reader.failure}
              what="The log could not be read"
              onRetry={() => void reader.look()}
            />
          ) : (
            <Loading what="Reading what the agent said" />
          )
        ) : (
          <>
            <RawLog
              ref={view}
              document={document}
              label={label}
              wrap={isWrapped}
              needle={isSearching ? (search.search?.text ?? "") : ""}
              at={shownAt}
              onPlace={onPlace}
              addressOf={addressOf}
              onFollowing={setFollowing}
            />
            {presence === "failed" && isConnected && (
              <div className={styles.notice}>
                <Failure inline error={document.failure} />
                <Button size="s" onClick={() => void document.look()}>
                  Try again
                </Button>
              </div>
            )}
          </>
        )}
      </div>
    </div>
  );
}

function Tab(props: { isOn: boolean; name: string; onClick: () => void; children: ReactNode }) {
  const { isOn, name, onClick, children } = props;
  return (
    <button type="button" className={styles.tab} aria-pressed={isOn} aria-label={name} onClick={onClick}>
      {children}
    </button>
  );
}

/** When something came last, and whether more can be heard of at all. */
function LastOutput({ modified, isRunning }: { modified: string | null; isRunning: boolean }) {
  const connection = useConnection();
  const now = useNow(modified !== null && isRunning ? "second" : "never");
  if (connection.staleSince !== undefined) {
    const since = new Date(connection.staleSince);
    return (
      <span className={`${styles.badge} ${styles.lost}`} data-testid="log-freshness" data-state="lost">
        Not live since {formatClock(since)}
      </span>
    );
  }
  const time = modified === null ? Number.NaN : Date.parse(modified);
  if (Number.isNaN(time)) return null;
  if (!isRunning) {
    return (
      <span className={styles.size} title="When something was written last">
        {formatDate(new Date(time))}
      </span>
    );
  }
  const since = Math.max(0, now - time);
  const state = freshnessOf(since);
  return (
    <span
      className={`${styles.badge} ${styles[state] ?? ""}`}
      title={formatDate(new Date(time))}
      data-testid="log-freshness"
      data-state={state}
    >
      <span className={styles.long}>Last output: </span>
      {agoOf(since)} ago
    </span>
  );
}

function NoOutput(props: { name: string; isRunning: boolean; isMissing: boolean; task: string }) {
  const { name, isRunning, task } = props;
  if (isRunning) {
    return (
      <Empty title="No output yet">
        The run is working and has written nothing to {name} so far. What it writes appears here at once.
      </Empty>
    );
  }
  return (
    <Empty
      title={`Nothing in ${name}`}
      {...(name === "stdout" || name === "stderr" ? { command: `run-agent logs ${task}` } : {})}
    >
      This run has {props.isMissing ? `no ${name}` : `written nothing to ${name}`}.
      {name === "stdout" || name === "stderr" ? " The supervisor's own log may say more:" : ""}
    </Empty>
  );
}

function SearchBar(props: {
  search: Search | null;
  current: number | null;
  onSearch: (text: string) => void;
  onCancel: () => void;
  onStep: (direction: "next" | "previous") => void;
  onHit: (index: number) => void;
  onGoTo: (typed: string) => Promise<string | null>;
  onClose: () => void;
}) {
  const { search, current } = props;
  const [text, setText] = useState(search?.text ?? "");
  const [place, setPlace] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isListed, setListed] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text !== (search?.text ?? "")) props.onSearch(text);
    else props.onStep("next");
  };
  return (
    <search className={styles.search}>
      <form className={styles.find} onSubmit={submit}>
        <input
          ref={field}
          type="search"
          placeholder="Search the whole file"
          aria-label="Search the whole file"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") props.onClose();
            if (event.key === "Enter" && event.shiftKey) {
              event.preventDefault();
              props.onStep("previous");
            }
          }}
        />
        <span className={styles.count} role="status" data-testid="log-hits">
          {search && search.text !== "" ? countOf(search, current) : ""}
        </span>
        {search?.state === "running" && (
          <>
            <progress max={Math.max(1, search.size)} value={search.scanned} aria-label="Searched" />
            <Button size="s" look="plain" onClick={props.onCancel}>
              Stop
            </Button>
          </>
        )}
        <IconButton
          label="Previous hit"
          disabled={!search?.hits.length}
          onClick={() => props.onStep("previous")}
        >
          <ArrowUp size={15} />
        </IconButton>
        <IconButton label="Next hit" disabled={!search?.hits.length} onClick={() => props.onStep("next")}>
          <ArrowUp size={15} className={styles.down} />
        </IconButton>
        <IconButton
          label="List the hits"
          aria-pressed={isListed}
          disabled={!search?.hits.length}
          onClick={() => setListed(!isListed)}
        >
          <List size={15} />
        </IconButton>
      </form>
      <form
        className={styles.goto}
        onSubmit={(event) => {
          event.preventDefault();
          void props.onGoTo(place).then(setProblem, (error: unknown) => setProblem(String(error)));
        }}
      >
        <input
          placeholder="Go to 14:05, 50%, @byte"
          aria-label="Go to a time, a share or a byte"
          value={place}
          aria-invalid={problem !== null}
          onChange={(event) => {
            setPlace(event.target.value);
            setProblem(null);
          }}
        />
        <IconButton label="Go there" type="submit" disabled={place.trim() === ""}>
          <CornerDownRight size={15} />
        </IconButton>
      </form>
      <IconButton label="Close the search" onClick={props.onClose}>
        <X size={15} />
      </IconButton>
      {problem !== null && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      {search?.state === "failed" && <Failure inline error={search.failure} />}
      {isListed && search && (
        <ol className={styles.hits}>
          {search.hits.slice(0, 300).map((hit, index) => (
            <li key={hit.at}>
              <button
                type="button"
                aria-current={index === current || undefined}
                onClick={() => props.onHit(index)}
              >
                <span className={styles.hitAt}>@{hit.at}</span>
                <bdi>{hit.excerpt}</bdi>
              </button>
            </li>
          ))}
          {search.hits.length > 300 && <li className={styles.size}>and {search.hits.length - 300} more</li>}
        </ol>
      )}
    </search>
  );
}

function countOf(search: Search, current: number | null): string {
  const found = `${search.hits.length}${search.state === "full" ? "+" : ""}`;
  const share = search.size > 0 ? Math.floor((search.scanned / search.size) * 100) : 0;
  const place = current === null ? found : `${current + 1} of ${found}`;
  switch (search.state) {
    case "running":
      return `${place} · ${share} %`;
    case "cancelled":
      return `${place} · stopped at ${share} %`;
    default:
      return search.hits.length === 0 ? "not found" : place;
  }
}

/** Makes something that must be closed again, for as long as `key` is the same; draws anew when it changes. */
function useOpened<T extends Opened | null>(open: () => T, key: string): T | null {
  const [opened, setOpened] = useState<{ key: string; it: T } | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is opened depends on the key alone
  useEffect(() => {
    const it = open();
    setOpened({ key, it });
    void it?.look();
    return () => it?.close();
  }, [key]);
  const it = opened?.key === key ? opened.it : null;
  useSyncExternalStore(
    useCallback((heard: () => void) => it?.subscribe(heard) ?? (() => {}), [it]),
    () => it?.version ?? 0,
  );
  return it;
}

interface Opened {
  readonly version: number;
  look(): Promise<void>;
  subscribe(heard: () => void): () => void;
  close(): void;
}

/** Tells what kind of file it is, by its beginning; the same file never becomes another kind. */
function useKind(document: LogDocument | null, matters: boolean): "unknown" | "agent" | "plain" {
  const [known, setKnown] = useState<Kind | null>(null);
  const generation = document?.generation ?? 0;
  const version = document?.version ?? 0;
  const isOpen = known?.generation === generation && known.isSure;
  // biome-ignore lint/correctness/useExhaustiveDependencies: looked at with every version until it is known
  useEffect(() => {
    if (!document || !matters || isOpen || document.size === 0) return;
    let isOver = false;
    void document.load(0, Math.min(BEGINNING, document.size)).then(() => {
      const piece = document.piece(0);
      if (isOver || !piece || document.generation !== generation) return;
      const { text } = document.text(piece, BEGINNING);
      const isWhole = piece.next < document.size || document.size >= BEGINNING || text.endsWith("}");
      const isSure = isWhole || !text.trimStart().startsWith("{");
      setKnown({ generation, kind: isSure && isStream(text) ? "agent" : "plain", isSure });
    });
    return () => {
      isOver = true;
    };
  }, [document, matters, isOpen, generation, version]);
  if (!document || document.size === 0) return "unknown";
  if (!matters) return "plain";
  return known?.generation === generation ? known.kind : "unknown";
}

interface Kind {
  generation: number;
  kind: "agent" | "plain";
  /** The first line is there, so it will not be another kind. */
  isSure: boolean;
}

/** The place that the address names. */
function usePlace(): number | null {
  const { at } = useRoute();
  return at !== undefined && /^\d{1,15}$/.test(at) ? Number(at) : null;
}

function useStored(key: string, usual: boolean): [boolean, (value: boolean) => void] {
  const [value, setValue] = useState(() => localStorage.getItem(key) ?? String(usual));
  return [
    value === "true",
    (next) => {
      setValue(String(next));
      localStorage.setItem(key, String(next));
    },
  ];
}

function countErrors(items: readonly Item[]): number {
  return items.filter(
    (item) =>
      item.kind === "error" ||
      (item.kind === "tool" && item.state === "failed") ||
      (item.kind === "result" && !item.isOk),
  ).length;
}

function copyLabel(size: number): string {
  return size > MOST_COPIED ? `Copy the last ${formatBytes(MOST_COPIED)}` : "Copy the whole file";
}

async function copyAll(address: string, size: number): Promise<void> {
  try {
    const from = Math.max(0, size - MOST_COPIED);
    const { bytes } = await overHttp(address).read(from, Math.max(from + 1, size));
    const text = decode(bytes);
    await writeClipboard(from > 0 ? text.slice(text.indexOf("\n") + 1) : text);
    toast.success(from > 0 ? `Copied the last ${formatBytes(MOST_COPIED)}` : "Copied");
  } catch (error) {
    toast.error("It could not be copied", { description: String(error) });
  }
}

function save(text: string, name: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  const link = window.document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
