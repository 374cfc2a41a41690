import { CircleHelp, Search, Settings } from "lucide-react";
import { Popover } from "radix-ui";
import { useStatus } from "../api/queries";
import { useConnection } from "../live/store";
import { IconButton } from "../parts/Button";
import { Duration } from "../parts/Time";
import { StripItems } from "../pictures/StripItems";
import { href } from "../route/route";
import { openDialog } from "./dialogs";
import styles from "./Strip.module.css";

const MAC = typeof navigator !== "undefined" && /Mac/.test(navigator.platform);

/** The strip on top: where one is, how the server does, and what is going on. */
export function Strip() {
  return (
    <header className={styles.strip}>
      <a className={styles.name} href={href({})}>
        <img src="./icon.svg" width={20} height={20} alt="" />
        Conductor Loop
      </a>
      <ServerState />
      <button type="button" className={styles.find} onClick={() => openDialog("palette")} data-testid="find">
        <Search size={14} aria-hidden />
        <span>Find a task or command</span>
        <kbd>{MAC ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <div className={styles.items}>
        <StripItems />
      </div>
      <IconButton label="Keyboard shortcuts" onClick={() => openDialog("shortcuts")}>
        <CircleHelp size={16} />
      </IconButton>
      <IconButton label="Settings" onClick={() => openDialog("settings")}>
        <Settings size={16} />
      </IconButton>
    </header>
  );
}

const PHASES = {
  live: ["Live", "ok"],
  connecting: ["Connecting", "waiting"],
  waiting: ["Offline", "failed"],
  refused: ["Refused", "failed"],
  unauthorised: ["Logged out", "failed"],
} as const;

function ServerState() {
  const { phase } = useConnection();
  const { data: status, dataUpdatedAt } = useStatus();
  const readiness = status?.readiness;
  const isLoading = readiness ? !readiness.index_built : false;
  const problems = readiness?.problems ?? [];
  const [text, tone] =
    phase !== "live"
      ? PHASES[phase]
      : isLoading
        ? (["Reading files", "waiting"] as const)
        : problems.length > 0
          ? (["Live, degraded", "partial"] as const)
          : PHASES.live;
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <button type="button" className={styles.state} data-testid="server-state" data-phase={phase}>
          <span
            className={styles.dot}
            style={{ background: `var(--${tone})` }}
            data-tone={tone}
            aria-hidden
          />
          {text}
          {status && <span className={styles.version}>v{status.version.split("-", 1)[0]}</span>}
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.popover} align="start" sideOffset={6} collisionPadding={8}>
          <h3>Server</h3>
          {status ? (
            <dl>
              <dt>Version</dt>
              <dd>{status.version}</dd>
              <dt>Up for</dt>
              <dd>
                <Duration
                  from={new Date(dataUpdatedAt - status.uptime_seconds * 1000).toISOString()}
                  running
                />
              </dd>
              <dt>Runs</dt>
              <dd>{status.active_runs_count} active</dd>
              {readiness && (
                <>
                  <dt>Submissions</dt>
                  <dd>{readiness.waiting} waiting to be launched</dd>
                  <dt>Changes</dt>
                  <dd>{readiness.read_only ? "none: it only reads" : "allowed"}</dd>
                  {readiness.polling && (
                    <>
                      <dt>Files</dt>
                      <dd>looked at again and again: the system has no more watches</dd>
                    </>
                  )}
                </>
              )}
              <dt>Agents</dt>
              <dd>{status.configured_agents.join(", ") || "none configured"}</dd>
            </dl>
          ) : (
            <p>Nothing is known of it yet.</p>
          )}
          {problems.length > 0 && (
            <ul>
              {problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
