import { Empty } from "../parts/Empty";

export interface TaskFilesProps {
  project: string;
  task: string;
  run?: string | undefined;
}

/** The files of a task and its runs. */
export function TaskFiles(_: TaskFilesProps) {
  return <Empty title="Not built yet" />;
}
