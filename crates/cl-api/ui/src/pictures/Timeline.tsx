import { Empty } from "../parts/Empty";

export interface TimelineProps {
  project: string;
  task: string;
}

/** The attempts of a task on a time axis. */
export function Timeline(_: TimelineProps) {
  return <Empty title="Not built yet" />;
}
