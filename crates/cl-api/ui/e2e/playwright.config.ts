import { join } from "node:path";
import { defineConfig } from "@playwright/test";
import { out } from "./harness/program";

/** Everything runs in the Chromium of the system; nothing is downloaded. */
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A machine that does much else at once needs more of it. */
const patience = Number(process.env.E2E_PATIENCE ?? 1);

export default defineConfig({
  testDir: ".",
  outputDir: join(out, "results"),
  fullyParallel: true,
  forbidOnly: true,
  retries: 0,
  workers: Number(process.env.E2E_WORKERS ?? 2),
  // Deadlines for what must happen at all; how fast it is belongs to the measurements.
  timeout: 90_000 * patience,
  expect: { timeout: 20_000 * patience },
  reporter: [["list"], ["html", { outputFolder: join(out, "report"), open: "never" }]],
  use: {
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: { mode: "retain-on-failure", screenshots: false, snapshots: true, sources: false },
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "behaviour", testMatch: "*.spec.ts" },
    {
      name: "measurements",
      testMatch: "measure/*.measure.ts",
      fullyParallel: false,
      timeout: 1_200_000 * patience,
    },
  ],
});
