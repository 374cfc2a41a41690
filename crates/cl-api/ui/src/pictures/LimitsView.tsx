import { Empty } from "../parts/Empty";

export interface LimitsViewProps {
  /** Filled by nothing: it is about the server. */
  compact?: boolean;
}

/** Usage limits of agents, and when they end. */
export function LimitsView(_: LimitsViewProps) {
  return <Empty title="Not built yet" />;
}
