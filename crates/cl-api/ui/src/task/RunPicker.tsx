import type { RunRow } from "../live/world";
import styles from "./Tabs.module.css";

/** Returns the runs, the latest first. */
export function latestFirst(runs: readonly RunRow[] | undefined): RunRow[] {
  return [...(runs ?? [])].reverse();
}

/** Returns how a run is called: which attempt, of which agent. */
export function runName(run: RunRow, at: number): string {
  const attempt = run.attempt ?? at + 1;
  return `Attempt ${attempt}${run.agent ? ` · ${run.agent}` : ""} · ${run.status}`;
}

/** Chooses one of the runs of a task. */
export function RunPicker(props: {
  /** Oldest first, as they are listed. */
  runs: readonly RunRow[];
  value: string;
  onChange: (run: string) => void;
  label: string;
  /** What can be chosen besides runs, by value. */
  others?: [string, string][];
}) {
  return (
    <select
      className={styles.select}
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.target.value)}
    >
      {(props.others ?? []).map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
      {latestFirst(props.runs).map((run, at) => (
        <option key={run.run_id} value={run.run_id}>
          {runName(run, props.runs.length - 1 - at)}
        </option>
      ))}
    </select>
  );
}
