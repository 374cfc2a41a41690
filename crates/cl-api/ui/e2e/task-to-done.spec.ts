import { existsSync } from "node:fs";
import { join } from "node:path";
import { GREETING_GATE, greeter, release } from "./agents";
import { PROJECT } from "./harness/api";
import { picture } from "./harness/picture";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

test("a task is created, watched through a failed gate, and done", async ({ stage, page }) => {
  greeter(stage.place);
  stage.place.configure({ defaults: { agent: "greeter" } });
  await stage.serve();
  await stage.api.ask("POST", "/api/projects", { project_id: PROJECT, project_root: stage.place.work });
  await stage.open(page, `/p/${PROJECT}`);
  const ui = new Ui(page);

  const dialog = await ui.newTask();
  await dialog.getByLabel(/modifier|name/i).fill("greeting");
  await dialog.getByLabel(/prompt/i).fill("Write a greeting into greeting.txt.");
  await dialog.getByLabel(/gate/i).first().fill(GREETING_GATE);
  await dialog.getByRole("button", { name: /create|start/i }).click();
  await expect(dialog).toBeHidden();

  // Selected, in the tree, and live without a reload.
  await expect(ui.row("greeting")).toHaveAttribute("aria-selected", "true");
  await expect(page).toHaveURL(/\/t\/task-\d{8}-\d{6}-greeting/);
  const id = /\/t\/([^/?]+)/.exec(page.url())?.[1] ?? "";
  await expect(ui.status).toHaveAttribute("data-status", "running");
  await ui.openTab(/log/i);
  await expect(ui.log).toContainText("I look around first.");
  await picture(page, "live-run");

  // It claims to be done, and the gate refuses.
  release(stage.place, id, "claim");
  await ui.openTab(/gates/i);
  await expect(ui.detail.getByText("DONE was refused")).toBeVisible();
  await expect(ui.detail.getByTestId("gate-output")).toContainText("there is no greeting");
  await picture(page, "gate-refused");
  await expect(ui.status).toHaveAttribute("data-status", "running");

  // The next attempt does the work.
  release(stage.place, id, "work");
  await expect(ui.status).toHaveAttribute("data-status", /completed|all_finished/);
  await expect(ui.row("greeting").locator("[data-status]").first()).toHaveAttribute(
    "data-status",
    /completed|all_finished/,
  );
  expect(existsSync(join(stage.place.work, "greeting.txt"))).toBe(true);
  await expect(ui.detail.getByText("DONE was believed")).toBeVisible();
  await ui.openTab(/output/i);
  await expect(ui.detail.getByRole("heading", { name: "Result" })).toBeVisible();
  await ui.openTab(/overview/i);
  await picture(page, "task-done");
});
