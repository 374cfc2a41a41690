import { Empty } from "../parts/Empty";

export interface TaskOutputProps {
  project: string;
  task: string;
  run?: string | undefined;
}

/** What the agent gave as its answer. */
export function TaskOutput(_: TaskOutputProps) {
  return <Empty title="Not built yet" />;
}
