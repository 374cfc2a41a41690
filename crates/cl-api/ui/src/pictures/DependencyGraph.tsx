import { Empty } from "../parts/Empty";

export interface DependencyGraphProps {
  project: string;
}

/** What waits for what in a project. */
export function DependencyGraph(_: DependencyGraphProps) {
  return <Empty title="Not built yet" />;
}
