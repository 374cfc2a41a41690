import { steady } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, listen, test } from "./harness/stage";
import { Ui } from "./harness/ui";

test("with a key of one's own the page works by the cookie of the link", async ({ stage, page, context }) => {
  steady(stage.place);
  const key = "test-key-of-the-gardener";
  stage.place.configure({ api: { auth_enabled: true, api_key: key } });
  await stage.serve();
  stage.api.token = () => key;
  const id = await stage.api.launch("guarded", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  await expect(ui.row("guarded")).toBeVisible();
  await expect(ui.status).toHaveAttribute("data-status", "running");
  // No script can read it, and no address shows the link again.
  const cookies = await context.cookies();
  expect(cookies).toHaveLength(1);
  expect(cookies[0]).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(page.url()).not.toContain("code=");
  // Another tab is in, too.
  const other = await context.newPage();
  await stage.show(other, `/p/${PROJECT}`);
  await expect(new Ui(other).row("guarded")).toBeVisible();
});

test("without a login the page says how to get in, and goes on when one is in", async ({
  stage,
  browser,
}) => {
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("guarded", "steady", { cwd: stage.place.work });
  const context = await browser.newContext();
  const page = await context.newPage();
  const heard = listen(page);
  await stage.show(page, `/p/${PROJECT}/t/${id}`);
  await expect(page.getByText("conductor open").first()).toBeVisible();
  await expect(page.getByText("guarded")).toHaveCount(0);
  // The link opens a tab of its own; this one notices by itself or when it is loaded again.
  const other = await context.newPage();
  await stage.open(other);
  await page.reload();
  await expect(new Ui(page).row("guarded")).toBeVisible();
  expect(heard).toEqual([]);
  await context.close();
});

test("a link that was used up says so", async ({ stage, page, browser }) => {
  await stage.open(page);
  const context = await browser.newContext();
  const late = await context.newPage();
  await late.goto(stage.server.loginLink);
  await expect(late.getByText(/conductor open/).first()).toBeVisible();
  expect(await context.cookies()).toEqual([]);
  await context.close();
});
