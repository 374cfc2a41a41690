import { Empty } from "../parts/Empty";

export interface BusPanelProps {
  project: string;
  /** Without it, the bus of the project. */
  task?: string | undefined;
}

/** The messages of a task or project. */
export function BusPanel(_: BusPanelProps) {
  return <Empty title="Not built yet" />;
}
