import { Empty } from "../parts/Empty";

export interface TaskGatesProps {
  project: string;
  task: string;
  run?: string | undefined;
}

/** What the gates said of each claim to be done. */
export function TaskGates(_: TaskGatesProps) {
  return <Empty title="Not built yet" />;
}
