/** What the gates said of each claim to be done, put together from their evidence. */

import type { components } from "../../api/schema";

export type Evidence = components["schemas"]["EvidenceRow"];

export interface Claim {
  /** The launch and the number of the claim in it. */
  key: string;
  launch_id: string;
  number: number;
  /** Oldest first. */
  gates: Evidence[];
  verdict: "passed" | "refused";
  /** The gates that refused. */
  refusedBy: string[];
  run_id: string | undefined;
  started_at: string;
  duration_ms: number;
  /** The working tree that was judged, if all gates saw the same. */
  tree: string | undefined;
  /** A gate changed the tree, or it changed between them: what passed is not one state. */
  isMoving: boolean;
  /** Child tasks were still at work. */
  isUnquiet: boolean;
}

/** A gate and how it has judged so far. */
export interface GateRecord {
  name: string;
  run: string;
  passed: number;
  refused: number;
  last: Evidence;
  /** How often in a row it refused in the same way, up to now. */
  alike: number;
}

/** So many refusals in a row that are all alike end a launch. */
export const STALEMATE = 3;

/** Returns the claims, the latest first. */
export function claimsOf(evidence: readonly Evidence[]): Claim[] {
  const groups = new Map<string, Evidence[]>();
  for (const piece of evidence) {
    const key = `${piece.launch_id}#${piece.claim}`;
    const known = groups.get(key);
    if (known) known.push(piece);
    else groups.set(key, [piece]);
  }
  return [...groups].map(([key, gates]) => claimOf(key, gates)).reverse();
}

function claimOf(key: string, gates: Evidence[]): Claim {
  const [first] = gates;
  if (!first) throw new Error("a claim has at least one gate");
  const trees = new Set(gates.flatMap((gate) => [gate.tree, gate.tree_after]));
  const refused = gates.filter((gate) => gate.verdict !== "passed");
  return {
    key,
    launch_id: first.launch_id,
    number: first.claim,
    gates,
    verdict: refused.length === 0 ? "passed" : "refused",
    refusedBy: [...new Set(refused.map((gate) => gate.name))],
    run_id: first.run_id ?? undefined,
    started_at: first.started_at,
    duration_ms: gates.reduce((sum, gate) => sum + gate.duration_ms, 0),
    tree: trees.size === 1 && first.tree !== "none" ? first.tree : undefined,
    isMoving: trees.size > 1,
    isUnquiet: gates.some((gate) => gate.unquiet),
  };
}

/** Returns each gate with its record, those that refused last first. */
export function gatesOf(evidence: readonly Evidence[]): GateRecord[] {
  const records = new Map<string, GateRecord>();
  for (const piece of evidence) {
    const known = records.get(piece.name);
    const isRefusal = piece.verdict !== "passed";
    const isAlike = isRefusal && known !== undefined && areAlike(known.last, piece);
    records.set(piece.name, {
      name: piece.name,
      run: piece.run,
      passed: (known?.passed ?? 0) + (isRefusal ? 0 : 1),
      refused: (known?.refused ?? 0) + (isRefusal ? 1 : 0),
      last: piece,
      alike: isRefusal ? (isAlike ? (known?.alike ?? 0) : 0) + 1 : 0,
    });
  }
  const weight = (record: GateRecord) => (record.last.verdict === "passed" ? 1 : 0);
  return [...records.values()].sort(
    (one, other) => weight(one) - weight(other) || other.last.number - one.last.number,
  );
}

function areAlike(one: Evidence, other: Evidence): boolean {
  return (
    one.verdict !== "passed" &&
    one.launch_id === other.launch_id &&
    one.exit_code === other.exit_code &&
    one.signal === other.signal &&
    one.output_sha256 === other.output_sha256
  );
}

/** Says how a gate ended, in a few words. */
export function endOf(gate: Evidence): string {
  if (gate.signal !== null && gate.signal !== undefined) return `signal ${gate.signal}`;
  if (gate.exit_code !== null && gate.exit_code !== undefined) return `exit ${gate.exit_code}`;
  return gate.duration_ms >= gate.timeout_ms && gate.timeout_ms > 0 ? "timed out" : "not finished";
}

/** Says which tree that is: of what kind, and the beginning of its digest. */
export function treeText(tree: string): string {
  const [kind, digest] = tree.split(":", 2);
  return digest ? `${kind} ${digest.slice(0, 10)}` : tree === "none" ? "no tree" : tree;
}
