import type { Page } from "@playwright/test";
import { steady } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

const PROMPT = "Plant the tulips that nobody may forget.";

async function type(page: Page): Promise<void> {
  const dialog = await new Ui(page).newTask();
  await dialog.getByLabel(/modifier|name/i).fill("tulips");
  await dialog.getByLabel(/prompt/i).fill(PROMPT);
}

test("a draft survives the end of the tab and of the server, and makes one task", async ({
  stage,
  page,
  context,
}) => {
  steady(stage.place);
  await stage.serve();
  await stage.api.ask("POST", "/api/projects", { project_id: PROJECT, project_root: stage.place.work });
  await stage.open(page, `/p/${PROJECT}`);
  await type(page);
  // The tab dies, without a chance to tidy up.
  const died = page.waitForEvent("crash");
  const session = await context.newCDPSession(page);
  session.send("Page.crash").catch(() => undefined);
  await died;
  await page.close();

  const again = await context.newPage();
  await stage.show(again, `/p/${PROJECT}`);
  const ui = new Ui(again);
  const dialog = await ui.newTask();
  await dialog.getByRole("button", { name: /restore/i }).click();
  await expect(dialog.getByLabel(/prompt/i)).toHaveValue(PROMPT);

  await stage.server.kill();
  await dialog.getByRole("button", { name: /create|start/i }).click();
  await expect(dialog.getByRole("alert").first()).toBeVisible();
  await expect(dialog.getByLabel(/prompt/i)).toHaveValue(PROMPT);

  await stage.serve();
  await dialog.getByRole("button", { name: /retry|try again/i }).click();
  await expect(dialog).toBeHidden();
  await expect(ui.row("tulips")).toBeVisible();
  expect((await stage.api.get(`/api/projects/${PROJECT}/tasks`)).items).toHaveLength(1);

  // It is gone only now.
  const fresh = await ui.newTask();
  await expect(fresh.getByRole("button", { name: /restore/i })).toHaveCount(0);
  await expect(fresh.getByLabel(/prompt/i)).toHaveValue("");
});

test("an answer that is lost makes no second task", async ({ stage, page }) => {
  steady(stage.place);
  await stage.serve();
  await stage.api.ask("POST", "/api/projects", { project_id: PROJECT, project_root: stage.place.work });
  await stage.open(page, `/p/${PROJECT}`);
  await type(page);
  const keys: (string | undefined)[] = [];
  let isLost = true;
  await page.route("**/api/v1/tasks", async (route) => {
    if (route.request().method() !== "POST") {
      return route.fallback();
    }
    keys.push(route.request().headers()["idempotency-key"]);
    if (!isLost) {
      return route.continue();
    }
    // The server has it, the page never hears of that.
    await route.fetch();
    await route.abort("connectionreset");
  });
  const ui = new Ui(page);
  await ui.dialog.getByRole("button", { name: /create|start/i }).click();
  await expect(ui.dialog.getByRole("alert").first()).toBeVisible();
  isLost = false;
  await ui.dialog.getByRole("button", { name: /retry|try again/i }).click();
  await expect(ui.dialog).toBeHidden();
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBeTruthy();
  expect(keys[1]).toBe(keys[0]);
  expect((await stage.api.get(`/api/projects/${PROJECT}/tasks`)).items).toHaveLength(1);
});

test("a draft is discarded when somebody says so", async ({ stage, page }) => {
  steady(stage.place);
  await stage.serve();
  await stage.api.ask("POST", "/api/projects", { project_id: PROJECT, project_root: stage.place.work });
  await stage.open(page, `/p/${PROJECT}`);
  await type(page);
  await page.reload();
  const ui = new Ui(page);
  const dialog = await ui.newTask();
  await dialog.getByRole("button", { name: /discard/i }).click();
  await expect(dialog.getByLabel(/prompt/i)).toHaveValue("");
  await page.reload();
  const again = await ui.newTask();
  await expect(again.getByRole("button", { name: /restore/i })).toHaveCount(0);
});
