import { describe, expect, it } from "vitest";
import { claimsOf, type Evidence, endOf, gatesOf, STALEMATE, treeText } from "./claims";

const piece = (number: number, change: Partial<Evidence> = {}): Evidence => ({
  number,
  name: "tests",
  run: "cargo test",
  cwd: "/srv",
  launch_id: "L",
  claim: number,
  run_id: `run-${number}`,
  verdict: "refused",
  reason: null,
  exit_code: 101,
  signal: null,
  started_at: "2026-02-23T20:49:01Z",
  duration_ms: 100,
  timeout_ms: 60_000,
  tree: "git:aaaaaaaaaaaaaaaa",
  tree_after: "git:aaaaaaaaaaaaaaaa",
  output: `${number}.out`,
  output_bytes: 5,
  output_sha256: "same",
  unquiet: false,
  ...change,
});

describe("claims", () => {
  it("are put together from the gates that judged them, the latest first", () => {
    const claims = claimsOf([
      piece(1, { claim: 1 }),
      piece(2, { claim: 2, verdict: "passed", exit_code: 0 }),
      piece(3, { claim: 2, name: "lint", verdict: "passed", exit_code: 0, duration_ms: 50 }),
    ]);
    expect(claims.map((claim) => [claim.number, claim.verdict, claim.gates.length])).toEqual([
      [2, "passed", 2],
      [1, "refused", 1],
    ]);
    expect(claims[0]).toMatchObject({ duration_ms: 150, tree: "git:aaaaaaaaaaaaaaaa", isMoving: false });
    expect(claims[1]?.refusedBy).toEqual(["tests"]);
  });

  it("of different launches are different", () => {
    expect(claimsOf([piece(1, { claim: 1 }), piece(2, { claim: 1, launch_id: "M" })])).toHaveLength(2);
  });

  it("say when what was judged moved, or was not quiet", () => {
    const [claim] = claimsOf([piece(1, { tree_after: "git:bbbb", unquiet: true })]);
    expect(claim).toMatchObject({ isMoving: true, isUnquiet: true, tree: undefined });
    expect(claimsOf([piece(1, { tree: "none", tree_after: "none" })])[0]?.tree).toBeUndefined();
  });
});

describe("gates", () => {
  it("are counted, those that refuse first", () => {
    const gates = gatesOf([
      piece(1),
      piece(2, { verdict: "passed", exit_code: 0 }),
      piece(3, { name: "lint" }),
      piece(4, { name: "lint", output_sha256: "other" }),
    ]);
    expect(gates.map((gate) => [gate.name, gate.passed, gate.refused, gate.alike])).toEqual([
      ["lint", 0, 2, 1],
      ["tests", 1, 1, 0],
    ]);
  });

  it("that refuse alike are on the way to a stalemate", () => {
    const three = [piece(1), piece(2), piece(3)];
    expect(gatesOf(three)[0]?.alike).toBe(STALEMATE);
    expect(gatesOf([piece(1), piece(2), piece(3, { launch_id: "M" })])[0]?.alike).toBe(1);
    expect(gatesOf([piece(1), piece(2, { verdict: "passed" }), piece(3)])[0]?.alike).toBe(1);
  });

  it("say how they ended", () => {
    expect(endOf(piece(1))).toBe("exit 101");
    expect(endOf(piece(1, { exit_code: null, signal: 9 }))).toBe("signal 9");
    expect(endOf(piece(1, { exit_code: null, duration_ms: 60_000 }))).toBe("timed out");
    expect(endOf(piece(1, { exit_code: null }))).toBe("not finished");
  });

  it("say which tree they saw", () => {
    expect(treeText("git:0123456789abcdef")).toBe("git 0123456789");
    expect(treeText("none")).toBe("no tree");
  });
});
