import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("../../../../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? `${top}/target`;

/** Where screenshots, traces, reports and figures are kept. */
export const out = process.env.E2E_OUT ?? `${target}/e2e`;

/** Returns the path of a built binary: `E2E_BINARIES` names their folder. */
export function program(name: "conductor" | "run-agent"): string {
  const path = `${process.env.E2E_BINARIES ?? `${target}/release`}/${name}`;
  if (!existsSync(path)) {
    throw new Error(`${path} is not there: build it with cargo xtask e2e`);
  }
  return path;
}
