import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

test("what an agent says is followed in a window of any size", async ({ stage, page }) => {
  const says = Array.from({ length: 60 }, (_, at) => ({ say: `Sentence ${at} of many.` }));
  stage.place.scripted("speaker", { dialect: "claude", steps: [...says, { hang: true }] });
  await stage.serve();
  const id = await stage.api.launch("speech", "speaker", { cwd: stage.place.work });
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=log`);
  const ui = new Ui(page);
  await expect(page.getByTestId("log-agent")).toBeVisible();
  const last = ui.log.getByText("Sentence 59 of many.");
  await expect(last).toBeInViewport();
  for (const [width, height] of [
    [1440, 500],
    [950, 450],
    [1600, 1100],
    [1600, 420],
  ] as const) {
    await page.setViewportSize({ width, height });
    await expect(last, `at ${width}×${height}`).toBeInViewport();
    await expect(ui.log).toHaveAttribute("data-following", "true");
  }
});
