import { closeSync, cpSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "@playwright/test";
import { counter, quick, steady } from "../agents";
import { PROJECT } from "../harness/api";
import { median, report } from "../harness/figures";
import { cpuSeconds, familyOf } from "../harness/processes";
import { expect, type Stage, test } from "../harness/stage";
import { Ui } from "../harness/ui";
import { firstNoted, heap, longestFrame, noteFirst, noteOpening, openingTook, watchFrames } from "./page";

// Figures, not verdicts: `cargo xtask e2e --performance` compares them with their goals.

const MINUTES = Number(process.env.E2E_MINUTES ?? 1);
const GIB = 2 ** 30;
const ROUNDS = 5;
/** How long an idle page is watched, in milliseconds. */
const IDLE = Math.min(MINUTES, 2) * 30_000;

/** Puts the root of 1 000 tasks into a place. */
function manyTasks(stage: Stage): void {
  const from = process.env.E2E_SHOWN;
  if (!from) {
    throw new Error("E2E_SHOWN names no root: start this with cargo xtask e2e --performance");
  }
  cpSync(from, stage.place.root, { recursive: true });
}

/** The time until rows of the tree are drawn, in a browser that never saw the page. */
async function firstPaint(stage: Stage, browser: Browser, hash: string): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  try {
    // Logged in without having loaded the page.
    await context.request.get(await stage.api.loginLink(), { maxRedirects: 0 });
    expect(await context.cookies()).toHaveLength(1);
    const page = await context.newPage();
    await noteFirst(page, "[role=tree] [role=treeitem]");
    await stage.show(page, hash);
    return await firstNoted(page);
  } finally {
    await context.close();
  }
}

test("first paint with 1 000 tasks", async ({ stage, browser }) => {
  manyTasks(stage);
  await stage.serve();
  // The server knows its root by now.
  await expect
    .poll(async () => (await stage.api.get("/api/projects/bench/tree")).rows.length)
    .toBeGreaterThan(0);
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    took.push(await firstPaint(stage, browser, "/p/bench"));
  }
  report({ group: "U1", name: "first paint with 1 000 tasks", value: median(took), unit: "ms", goal: 500 });
});

test("opening a log of 1 GiB", async ({ stage, page, context }) => {
  quick(stage.place);
  await stage.serve();
  const id = await stage.api.launch("long", "quick", { cwd: stage.place.work });
  await stage.api.reaches(id, /completed|all_finished/);
  const runs = join(stage.place.root, PROJECT, id, "runs");
  const run = readdirSync(runs).find((name) => !name.startsWith(".")) ?? "";
  const file = openSync(join(runs, run, "agent-stdout.txt"), "a");
  const line = `${"what a busy agent says ".repeat(4)}\n`;
  const block = Buffer.from(line.repeat(Math.floor((8 * 2 ** 20) / line.length)));
  for (let written = 0; written < GIB; written += block.length) {
    writeSync(file, block);
  }
  writeSync(file, "the very end\n");
  closeSync(file);

  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await stage.show(page, `/p/${PROJECT}/t/${id}`);
    await page.reload();
    await expect(ui.tab(/log/i)).toBeVisible();
    await noteOpening(page, ["what a busy agent says", "the very end"]);
    await ui.tab(/log/i).click();
    took.push(await openingTook(page));
  }
  report({ group: "U1", name: "opening a log of 1 GiB", value: median(took), unit: "ms", goal: 500 });
  const held = await heap(await context.newCDPSession(page));
  report({ group: "U1", name: "JS heap with a log of 1 GiB open", value: held, unit: "MB", goal: 150 });
});

test(`5 000 lines a second for ${MINUTES} min`, async ({ stage, page, context }) => {
  counter(stage.place, "noisy", 5000);
  await stage.serve();
  const id = await stage.api.launch("noisy", "noisy", { cwd: stage.place.work });
  await stage.api.reaches(id, "running");
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=log`);
  const ui = new Ui(page);
  await expect(ui.log).toContainText("line 0");
  const session = await context.newCDPSession(page);
  const newest = async () => {
    const text = (await ui.log.textContent()) ?? "";
    return Math.max(0, ...[...text.matchAll(/line (\d{9}) /g)].map((found) => Number(found[1])));
  };
  await watchFrames(page);
  let largest = 0;
  let seen = 0;
  const end = Date.now() + MINUTES * 60_000;
  while (Date.now() < end) {
    // The measurement lasts as long as it was asked to.
    await page.waitForTimeout(5000);
    largest = Math.max(largest, await heap(session));
    await expect.poll(newest, { message: "the log goes on" }).toBeGreaterThan(seen);
    seen = await newest();
  }
  const frame = (await longestFrame(page)).toFixed(0);
  report({
    group: "U1",
    name: `largest JS heap in ${MINUTES} min at 5 000 lines/s (${seen} lines, longest frame ${frame} ms)`,
    value: largest,
    unit: "MB",
    goal: 150,
  });
});

test("idle, with nothing running", async ({ stage, page }) => {
  manyTasks(stage);
  quick(stage.place);
  await stage.serve();
  const id = await stage.api.launch("easy", "quick", { cwd: stage.place.work });
  await stage.api.reaches(id, /completed|all_finished/);
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  await expect(ui.status).toHaveAttribute("data-status", /completed|all_finished/);
  // What a page asks for; the server looks after itself by asking for its health.
  const counted = () =>
    stage.api.metric("conductor_api_request_duration_seconds_count", /path="\/(api|ui)\b/);
  // What was begun is over when nothing is asked any more.
  await expect(async () => {
    const before = await counted();
    await page.waitForTimeout(1000);
    expect((await counted()) - before).toBeLessThanOrEqual(1);
  }).toPass();
  const browser = familyOf(process.pid, "chrom");
  expect(browser.length, "processes of the browser").toBeGreaterThan(1);
  const usage = () => browser.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

  const urls: string[] = [];
  page.on("request", (request) => urls.push(new URL(request.url()).pathname));
  const asked = await counted();
  const [used, served, began] = [usage(), cpuSeconds(stage.server.pid), Date.now()];
  await page.waitForTimeout(IDLE);
  const seconds = (Date.now() - began) / 1000;
  const [usedLater, servedLater] = [usage(), cpuSeconds(stage.server.pid)];
  const requests = (await counted()) - asked;
  report({
    group: "U2",
    name: ["requests of an idle page", ...urls].join(" "),
    value: (requests * 60) / seconds,
    unit: "/min",
    goal: 0,
  });
  const percent = (value: number) => (100 * value) / seconds;
  report({
    group: "U2",
    name: "CPU of an idle browser",
    value: percent(usedLater - used),
    unit: "%",
    goal: 1,
  });
  report({
    group: "U2",
    name: "CPU of the server meanwhile",
    value: percent(servedLater - served),
    unit: "%",
    goal: 1,
  });
});

test("ten tabs of one browser", async ({ stage, page, context }) => {
  steady(stage.place);
  await stage.serve();
  await stage.api.launch("first", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}`);
  const tabs = [page];
  while (tabs.length < 10) {
    const tab = await context.newPage();
    await stage.show(tab, `/p/${PROJECT}`);
    tabs.push(tab);
  }
  for (const tab of tabs) {
    await expect(new Ui(tab).row("first")).toBeVisible();
  }
  const streams = await stage.api.metric("conductor_sse_clients");
  report({ group: "U2", name: "event streams of ten tabs", value: streams, unit: "", goal: 1 });
  await stage.api.launch("second", "steady", { cwd: stage.place.work });
  let live = 0;
  for (const tab of tabs) {
    await expect(new Ui(tab).row("second")).toBeVisible();
    live++;
  }
  report({
    group: "U2",
    name: "tabs of ten that are not live",
    value: tabs.length - live,
    unit: "",
    goal: 0,
  });
});
