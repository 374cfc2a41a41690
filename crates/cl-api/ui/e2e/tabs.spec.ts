import type { Page } from "@playwright/test";
import { steady } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

const TABS = 10;

test("ten tabs of one browser are live on one stream", async ({ stage, page, context }) => {
  test.slow();
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("first", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const tabs: Page[] = [page];
  while (tabs.length < TABS) {
    const tab = await context.newPage();
    await stage.show(tab, `/p/${PROJECT}/t/${id}`);
    tabs.push(tab);
  }
  for (const tab of tabs) {
    await expect(new Ui(tab).row("first")).toBeVisible();
  }
  expect(await stage.api.metric("conductor_sse_clients")).toBe(1);
  await stage.api.launch("second", "steady", { cwd: stage.place.work });
  for (const tab of tabs) {
    await expect(new Ui(tab).row("second").locator("[data-status=running]").first()).toBeVisible();
  }
  // The stream stays while any tab is left, and ends with the last one.
  for (const tab of tabs.slice(1)) {
    await tab.close();
  }
  await stage.api.launch("third", "steady", { cwd: stage.place.work });
  await expect(new Ui(page).row("third")).toBeVisible();
  await page.goto("about:blank");
  await expect.poll(() => stage.api.metric("conductor_sse_clients")).toBe(0);
});

test("without shared workers each tab has a stream of its own", async ({ stage, page }) => {
  steady(stage.place);
  await stage.serve();
  await page.addInitScript(() => Reflect.deleteProperty(window, "SharedWorker"));
  const id = await stage.api.launch("first", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  await expect(ui.row("first").locator("[data-status=running]").first()).toBeVisible();
  await stage.api.launch("second", "steady", { cwd: stage.place.work });
  await expect(ui.row("second").locator("[data-status=running]").first()).toBeVisible();
});
