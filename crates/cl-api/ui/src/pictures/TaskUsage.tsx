import { Empty } from "../parts/Empty";

export interface TaskUsageProps {
  project: string;
  task: string;
}

/** What a task used: tokens and money, by run. */
export function TaskUsage(_: TaskUsageProps) {
  return <Empty title="Not built yet" />;
}
