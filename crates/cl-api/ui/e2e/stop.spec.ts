import { steady } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

test("a run is stopped after a question, and nothing of it is left", async ({ stage, page }) => {
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("endless", "steady", { cwd: stage.place.work });
  await stage.api.reaches(id, "running");
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  await expect(ui.status).toHaveAttribute("data-status", "running");
  const others = [stage.server.pid];

  await ui.detail.getByRole("button", { name: /^stop/i }).click();
  await expect(ui.dialog).toContainText("endless");
  // Escape leaves it as it is.
  await page.keyboard.press("Escape");
  await expect(ui.dialog).toBeHidden();
  expect((await stage.api.task(id)).status).toBe("running");

  await ui.detail.getByRole("button", { name: /^stop/i }).click();
  await ui.dialog.getByRole("button", { name: /^stop/i }).click();
  await expect(ui.status).toHaveAttribute("data-status", "stopped");
  const left = () => stage.place.processes().filter(({ pid }) => !others.includes(pid));
  await expect.poll(left, { message: "what the stopped run left" }).toEqual([]);

  // It can be taken up again.
  await ui.detail
    .getByRole("button", { name: /resume/i })
    .first()
    .click();
  await ui.dialog.getByRole("button", { name: /resume/i }).click();
  await expect(ui.status).toHaveAttribute("data-status", "running");
});

test("nothing in the page deletes anything", async ({ stage, page }) => {
  steady(stage.place);
  await stage.serve();
  const id = await stage.api.launch("endless", "steady", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  await expect(ui.status).toHaveAttribute("data-status", "running");
  await expect(page.getByRole("button", { name: /delete|remove|collect/i })).toHaveCount(0);
  const refused = await page.evaluate(async (path) => {
    const answer = await fetch(path, { method: "DELETE", headers: { "x-conductor-client": "web-ui" } });
    return answer.status;
  }, `/api/projects/${PROJECT}/tasks/${id}`);
  expect(refused).toBe(403);
});
