import { asker, steady } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

test("a message is posted, and seen in every tab and by programs", async ({ stage, page, context }) => {
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("talk", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=messages`);
  const ui = new Ui(page);
  const other = await context.newPage();
  await stage.show(other, `/p/${PROJECT}/t/${id}?tab=messages`);

  await ui.composer.fill("Mind the **tulips**.");
  await ui.bus.getByRole("button", { name: /^(post|send)/i }).click();
  await expect(ui.message("Mind the tulips.")).toHaveCount(1);
  await expect(ui.composer).toHaveValue("");
  await expect(new Ui(other).message("Mind the tulips.")).toHaveCount(1);
  const found = (await stage.api.messages(id)).filter((message) => message.body === "Mind the **tulips**.");
  expect(found).toHaveLength(1);
  expect(found[0].type).toBe("USER");

  // What others post arrives by itself, once and in order.
  for (const number of [1, 2, 3]) {
    await stage.api.post(id, "PROGRESS", `Row ${number} is watered.`);
  }
  await expect(ui.message(/Row \d is watered/)).toHaveCount(3);
  const order = await ui.message(/Row \d is watered/).allInnerTexts();
  const numbers = order.map((text) => Number(/Row (\d)/.exec(text)?.[1]));
  expect(numbers).toEqual([3, 2, 1]);
});

test("a question is answered in place, and the agent goes on", async ({ stage, page }) => {
  asker(stage.place);
  await stage.serve();
  const id = await stage.api.launch("colours", "asker", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=messages`);
  const ui = new Ui(page);
  const question = ui.message("Which colour shall the gate have?");
  await expect(question.first()).toBeVisible();
  await question
    .first()
    .getByRole("button", { name: /^answer$/i })
    .click();
  await page.getByRole("textbox", { name: /answer/i }).fill("Paint it green.");
  await page.keyboard.press("Control+Enter");
  await expect(ui.message("Paint it green.").first()).toBeVisible();
  await expect(ui.message("painted it green").first()).toBeVisible();
  await expect(ui.status).toHaveAttribute("data-status", /completed|all_finished/);
  const answer = (await stage.api.messages(id)).find((message) => message.type === "ANSWER");
  const asked = (await stage.api.messages(id)).find((message) => message.type === "QUESTION");
  expect(JSON.stringify(answer.parents)).toContain(asked.msg_id);
});
