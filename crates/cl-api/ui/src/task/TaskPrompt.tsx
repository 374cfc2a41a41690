import { Empty } from "../parts/Empty";

export interface TaskPromptProps {
  project: string;
  task: string;
  run?: string | undefined;
}

/** What the agent was asked. */
export function TaskPrompt(_: TaskPromptProps) {
  return <Empty title="Not built yet" />;
}
