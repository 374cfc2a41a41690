import { Empty } from "../parts/Empty";

export interface SpendChartProps {
  /** Without it, of everything. */
  project?: string | undefined;
}

/** Tokens and money over time. */
export function SpendChart(_: SpendChartProps) {
  return <Empty title="Not built yet" />;
}
