import { Empty } from "../parts/Empty";

export interface LogViewerProps {
  project: string;
  task: string;
  run: string;
  /** `stdout`, `stderr`, `output.md`, …; the user changes it by `go({ file })`. */
  file: string;
}

/** A file of a run, read in parts, and followed while it grows. */
export function LogViewer(_: LogViewerProps) {
  return <Empty title="Not built yet" />;
}
