import { counter, release } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { numbersOf, Ui } from "./harness/ui";

const LINES = 1200;
/** So many are there before the reload, however slow the machine is. */
const EARLY = 400;

test("a reload in the middle of a run loses and doubles nothing", async ({ stage, page }) => {
  counter(stage.place, "counter", 300, LINES, EARLY);
  await stage.serve();
  const id = await stage.api.launch("counting", "counter", {
    cwd: stage.place.work,
    policy: { max_attempts: 1 },
  });
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=log`);
  const ui = new Ui(page);
  await expect(ui.log).toContainText("line 000000");
  release(stage.place, id, "more");
  await page.reload();
  await expect(page).toHaveURL(new RegExp(`/t/${id}.*tab=log`));
  await expect(ui.tab(/log/i)).toHaveAttribute("aria-selected", "true");
  await expect(ui.log).toContainText(`line ${String(LINES).padStart(9, "0")}`);
  expect(await numbersOf(ui)).toEqual(Array.from({ length: LINES }, (_, index) => index + 1));
});

test("back and forward go through what was selected", async ({ stage, page }) => {
  counter(stage.place, "counter", 300, 10);
  await stage.serve();
  const more = { cwd: stage.place.work, policy: { max_attempts: 1 } };
  const first = await stage.api.launch("first", "counter", more);
  const second = await stage.api.launch("second", "counter", more);
  await stage.open(page, `/p/${PROJECT}/t/${first}`);
  const ui = new Ui(page);
  await expect(ui.row("first")).toHaveAttribute("aria-selected", "true");
  await ui.row("second").click();
  await expect(page).toHaveURL(new RegExp(second));
  await ui.openTab(/messages/i);
  await page.goBack();
  await expect(ui.tab(/overview/i)).toHaveAttribute("aria-selected", "true");
  await page.goBack();
  await expect(ui.row("first")).toHaveAttribute("aria-selected", "true");
  await page.goForward();
  await expect(ui.row("second")).toHaveAttribute("aria-selected", "true");
});
