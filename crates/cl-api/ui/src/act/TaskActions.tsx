import { Empty } from "../parts/Empty";

export interface TaskActionsProps {
  project: string;
  task: string;
  /** The run that is selected, if one is. */
  run?: string | undefined;
}

/** What can be done with a task: stop, cancel, resume, wake, unblock. */
export function TaskActions(_: TaskActionsProps) {
  return <Empty title="Not built yet" />;
}
