import { expect, it } from "vitest";
import { evidence, failed, run } from "../testdata";
import { refusedRuns, usageOf } from "./runs";

const used = (cost: number | null) => ({
  input_tokens: 100,
  output_tokens: 20,
  cache_read_tokens: 3,
  cache_write_tokens: 4,
  cost_usd: cost,
  turns: 2,
});

it("lists the latest run first and says what led nowhere", () => {
  const refused = run(2, 2, 3, { usage: used(null) });
  const runs = [run(1, 0, 1, { usage: used(0.5), ...failed("stall") }), refused, run(3, 4, 5)];
  const rows = usageOf(
    runs,
    refusedRuns([evidence(1, 3, { verdict: "refused", run_id: refused.run_id }), evidence(2, 3)]),
  );
  expect(rows.map((row) => [row.attempt, row.cost, row.cached, row.wasted])).toEqual([
    [3, undefined, undefined, undefined],
    [2, undefined, 7, "a gate refused"],
    [1, 0.5, 7, "silent for too long"],
  ]);
});
