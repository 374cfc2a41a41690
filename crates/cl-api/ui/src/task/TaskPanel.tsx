import { Empty } from "../parts/Empty";

export interface TaskPanelProps {
  project: string | undefined;
  task: string | undefined;
  run: string | undefined;
}

export function TaskPanel(_: TaskPanelProps) {
  return <Empty title="Select a task" />;
}
