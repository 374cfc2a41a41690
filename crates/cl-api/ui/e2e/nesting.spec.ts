import { parent, release, stumbler } from "./agents";
import { PROJECT, taskId } from "./harness/api";
import { pictures } from "./harness/picture";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

test("children stand below their parent", async ({ stage, page }) => {
  parent(stage.place);
  await stage.serve();
  const top = await stage.api.launch("top", "parent", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${top}`);
  const ui = new Ui(page);
  await expect(ui.row("top")).toHaveAttribute("aria-level", "1");
  for (const name of ["roots", "leaves"]) {
    await expect(ui.row(name)).toHaveAttribute("aria-level", "2");
  }
  await pictures(page, "children");

  // Left closes it, right opens it again.
  await ui.row("top").click();
  await page.keyboard.press("ArrowLeft");
  await expect(ui.row("roots")).toHaveCount(0);
  await page.keyboard.press("ArrowRight");
  await expect(ui.row("roots")).toBeVisible();

  for (const name of ["roots", "leaves"]) {
    release(stage.place, taskId(name), "end");
  }
  await expect(ui.status).toHaveAttribute("data-status", /completed|all_finished/);
});

test("a run that was restarted stands below the one that replaced it", async ({ stage, page }) => {
  stumbler(stage.place);
  await stage.serve();
  const id = await stage.api.launch("stumbling", "stumbler", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}`);
  const ui = new Ui(page);
  await expect.poll(async () => (await stage.api.task(id)).runs.length).toBe(3);
  const runs: { id: string }[] = (await stage.api.task(id)).runs;
  // The newest on top, and each one below the one that replaced it; what has ended is opened by hand.
  const row = (at: number) => ui.tree.locator(`[data-key="${runs.at(at)?.id}"]`);
  await expect(row(-1)).toHaveAttribute("aria-level", "2");
  await expect(row(-2)).toHaveAttribute("aria-level", "3");
  // One that was seen at work has been opened by then.
  if ((await row(-2).getAttribute("aria-expanded")) === "false") {
    await row(-2).getByTestId("tree-toggle").click();
  }
  await expect(row(-3)).toHaveAttribute("aria-level", "4");
  release(stage.place, id, "end");
  await expect(ui.status).toHaveAttribute("data-status", /completed|all_finished/);
});
