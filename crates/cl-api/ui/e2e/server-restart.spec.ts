import { counter, release, steady } from "./agents";
import { PROJECT } from "./harness/api";
import { pictures } from "./harness/picture";
import { expect, test } from "./harness/stage";
import { numbersOf, Ui } from "./harness/ui";

const LINES = 2000;
/** So many are there before the server is killed, however slow the machine is. */
const EARLY = 600;

test("the server is killed and comes back below the open page", async ({ stage, page }) => {
  counter(stage.place, "counter", 400, LINES, EARLY);
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("counting", "counter", {
    cwd: stage.place.work,
    policy: { max_attempts: 1 },
  });
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=log`);
  const ui = new Ui(page);
  await expect(ui.log).toContainText("line 000000");
  // A reload would lose it.
  await page.evaluate(() => Object.assign(window, { stillTheSame: true }));

  await stage.server.kill();
  release(stage.place, id, "more");
  await expect(ui.offline).toBeVisible();
  // What was known is still shown.
  await expect(ui.row("counting")).toBeVisible();
  await pictures(page, "offline");

  await stage.serve();
  await expect(ui.offline).toBeHidden();
  await expect(ui.log).toContainText(`line ${String(LINES).padStart(9, "0")}`);
  expect(await numbersOf(ui)).toEqual(Array.from({ length: LINES }, (_, index) => index + 1));

  // What happens after that is told, too.
  await stage.api.launch("afterwards", "steady", { cwd: stage.place.work });
  await expect(ui.row("afterwards").locator("[data-status=running]").first()).toBeVisible();
  expect(await page.evaluate(() => "stillTheSame" in window)).toBe(true);
});

test("messages of the time without a server are there afterwards, once and in order", async ({
  stage,
  page,
}) => {
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("talk", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=messages`);
  const ui = new Ui(page);
  let posted = 0;
  const post = async (count: number) => {
    for (let more = 0; more < count; more++) {
      await stage.api.post(id, "DECISION", `number ${++posted}.`);
    }
  };
  await post(3);
  await expect(ui.message(/number \d+\./)).toHaveCount(3);
  await ui.bus.getByLabel("Only of type").selectOption("DECISION");
  await stage.server.kill();
  await expect(ui.offline).toBeVisible();
  await stage.serve();
  // Some come while the page is still waiting, some when it is back.
  await post(3);
  await expect(ui.offline).toBeHidden();
  await post(2);
  await expect(ui.message(`number ${posted}.`)).toHaveCount(1);
  await expect(ui.message(/number \d+\./)).toHaveCount(posted);
  const texts = await ui.message(/number \d+\./).allInnerTexts();
  const numbers = texts.map((text) => Number(/number (\d+)\./.exec(text)?.[1]));
  // The newest comes first.
  expect(numbers).toEqual(Array.from({ length: posted }, (_, index) => posted - index));
});
