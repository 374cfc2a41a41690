import { quick, steady } from "./agents";
import { PROJECT } from "./harness/api";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

const TASKS = 40;
/** Posted one after the other, 20 ms apart: 50 changes a second, each of which makes another task the latest. */
const POSTS = 200;
const APART = 20;

/** What is under the pointer in every frame, and every shift of the layout. */
interface Watch {
  rows: string[];
  scrolls: number[];
  shifts: number[];
}

test("under 50 changes a second no row moves below the pointer", async ({ stage, page }) => {
  test.slow();
  quick(stage.place);
  steady(stage.place);
  await stage.serve();
  const ids: string[] = [];
  for (let number = 0; number < TASKS; number++) {
    ids.push(
      await stage.api.launch(`bed-${String(number).padStart(2, "0")}`, "quick", { cwd: stage.place.work }),
    );
  }
  const selected = await stage.api.launch("selected", "steady", { cwd: stage.place.work });
  for (const id of ids) {
    await stage.api.reaches(id, /completed|all_finished/);
  }
  await page.setViewportSize({ width: 1440, height: 500 });
  await stage.open(page, `/p/${PROJECT}/t/${selected}`);
  const ui = new Ui(page);
  await expect(ui.row("selected")).toHaveAttribute("aria-selected", "true");
  const summary = ui.tree.getByText(/more tasks/);
  if (await summary.count()) {
    await summary.first().click();
  }
  // Somewhere in the middle of what is scrolled.
  await ui.tree.hover();
  await page.mouse.wheel(0, 300);
  await expect
    .poll(() => ui.tree.evaluate((tree) => (tree.closest("[data-scroll]") ?? tree).scrollTop))
    .toBeGreaterThan(0);
  const box = await ui.tree.boundingBox();
  if (!box) {
    throw new Error("the tree has no box");
  }
  const x = box.x + box.width / 2;
  const y = Math.min(box.y + 200, 400);
  await page.mouse.move(x, y);
  await page.evaluate(
    ([x = 0, y = 0]) => {
      const watch: Watch = { rows: [], scrolls: [], shifts: [] };
      Object.assign(window, { watch });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          const shift = entry as PerformanceEntry & { value: number; hadRecentInput: boolean };
          if (!shift.hadRecentInput) {
            watch.shifts.push(shift.value);
          }
        }
      }).observe({ type: "layout-shift" });
      const look = () => {
        const row = document.elementFromPoint(x, y)?.closest("[role=treeitem]");
        const tree = document.querySelector("[role=tree]");
        const top = Math.round(row?.getBoundingClientRect().top ?? -1);
        watch.rows.push(`${row?.getAttribute("data-key")} at ${top}`);
        watch.scrolls.push((tree?.closest("[data-scroll]") ?? tree)?.scrollTop ?? -1);
        requestAnimationFrame(look);
      };
      look();
    },
    [x, y],
  );

  const posted: Promise<unknown>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const id = ids[posted.length % ids.length] ?? "";
      posted.push(stage.api.post(id, "PROGRESS", `Change ${posted.length}.`));
      if (posted.length === POSTS) {
        clearInterval(timer);
        resolve();
      }
    }, APART);
  });
  await Promise.all(posted);
  // The last change has reached the page.
  const last = await stage.api.launch("last", "steady", { cwd: stage.place.work });
  await stage.api.reaches(last, "running");
  const watch = await page.evaluate(() => (window as unknown as { watch: Watch }).watch);
  expect(watch.rows.length).toBeGreaterThan(20);
  expect([...new Set(watch.rows)], "what was under the pointer").toHaveLength(1);
  expect(watch.rows[0]).toMatch(/^task-/);
  expect([...new Set(watch.scrolls)], "where the tree was scrolled to").toHaveLength(1);
  const shifted = watch.shifts.reduce((sum, shift) => sum + shift, 0);
  test.info().annotations.push({ type: "layout shift", description: `${shifted} in ${POSTS} changes` });
  expect(shifted, "layout shift").toBeLessThan(0.01);
  await expect(ui.row("selected")).toHaveAttribute("aria-selected", "true");

  // As soon as the pointer is elsewhere, the order is that of the server.
  await page.mouse.move(box.x + box.width + 300, y);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  // It stands above what is scrolled to, and rows far from that are not drawn.
  await ui.tree.evaluate((tree) => (tree.closest("[data-scroll]") ?? tree).scrollTo({ top: 0 }));
  await expect(ui.row("last")).toBeAttached();
});
