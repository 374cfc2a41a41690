import { Empty } from "../parts/Empty";

export interface ProcessesViewProps {
  project?: string | undefined;
}

/** The processes of runs. */
export function ProcessesView(_: ProcessesViewProps) {
  return <Empty title="Not built yet" />;
}
