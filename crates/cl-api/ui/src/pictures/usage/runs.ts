/** What the runs of a task used, as its usage tab shows it. Pure. */

import type { Schemas } from "../../api/client";
import { failureText } from "../words";

type RunRow = Schemas["RunRow"];

export interface RunUsage {
  run: string;
  attempt: number | undefined;
  agent: string;
  model: string | undefined;
  status: string;
  began: string | undefined;
  input: number | undefined;
  output: number | undefined;
  cached: number | undefined;
  cost: number | undefined;
  turns: number | undefined;
  /** Why it led nowhere, where it did. */
  wasted: string | undefined;
}

/** What each run used, the latest first; `refused` are the runs whose claims gates refused. */
export function usageOf(runs: readonly RunRow[], refused: ReadonlySet<string>): RunUsage[] {
  const rows = runs.map((run): RunUsage => {
    const used = run.usage ?? undefined;
    return {
      run: run.run_id,
      attempt: run.attempt ?? undefined,
      agent: run.agent ?? "unknown",
      model: run.model ?? undefined,
      status: run.status,
      began: run.started ?? undefined,
      input: used?.input_tokens,
      output: used?.output_tokens,
      cached: used && used.cache_read_tokens + used.cache_write_tokens,
      cost: used?.cost_usd ?? undefined,
      turns: used?.turns ?? undefined,
      wasted: wastedBy(run, refused),
    };
  });
  return rows.reverse();
}

function wastedBy(run: RunRow, refused: ReadonlySet<string>): string | undefined {
  if (run.failure) return failureText(run.failure.kind);
  if (run.status === "failed") return "failed";
  return refused.has(run.run_id) ? "a gate refused" : undefined;
}

/** The runs whose claims gates have refused. */
export function refusedRuns(evidence: readonly Schemas["EvidenceRow"][]): Set<string> {
  const runs = new Set<string>();
  for (const piece of evidence) if (piece.verdict !== "passed" && piece.run_id) runs.add(piece.run_id);
  return runs;
}
