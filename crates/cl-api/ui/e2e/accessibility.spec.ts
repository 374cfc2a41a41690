import type { Page } from "@playwright/test";
import { asker, GREETING_GATE, greeter, parent, quick, release, steady, stumbler } from "./agents";
import { PROJECT } from "./harness/api";
import { seriousViolations } from "./harness/axe";
import { pictures } from "./harness/picture";
import { expect, type Stage, test } from "./harness/stage";
import { Ui } from "./harness/ui";

/** A project in which everything there is to see has happened. */
async function garden(stage: Stage): Promise<{ greeting: string; top: string; colours: string }> {
  for (const add of [greeter, steady, quick, asker, stumbler, parent]) {
    add(stage.place);
  }
  await stage.serve();
  const cwd = stage.place.work;
  const greeting = await stage.api.launch("greeting", "greeter", { cwd, policy: { gates: [GREETING_GATE] } });
  release(stage.place, greeting, "claim");
  const top = await stage.api.launch("top", "parent", { cwd });
  const colours = await stage.api.launch("colours", "asker", { cwd });
  const stumbling = await stage.api.launch("stumbling", "stumbler", { cwd, policy: { max_attempts: 2 } });
  await stage.api.launch("waits", "quick", { cwd, depends_on: [top] });
  await stage.api.launch("easy", "quick", { cwd });
  await stage.api.post(colours, "FACT", "Green is `#00ff00`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
  await stage.api.post(null, "DECISION", "The gate will be painted.");
  await stage.api.reaches(stumbling, "failed");
  await expect
    .poll(async () => (await stage.api.task(greeting)).runs.length, { message: "attempts of the greeter" })
    .toBe(2);
  return { greeting, top, colours };
}

async function check(page: Page, name: string): Promise<void> {
  await pictures(page, name);
  const found: string[] = [];
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await expect(page.locator(`html[data-theme=${theme}]`)).toBeAttached();
    found.push(...(await seriousViolations(page)).map((text) => `${name}, ${theme}: ${text}`));
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  expect(found).toEqual([]);
}

test("no main view has a serious violation, in either theme", async ({ stage, page }) => {
  test.slow();
  const { greeting, top, colours } = await garden(stage);
  await stage.open(page, `/p/${PROJECT}`);
  const ui = new Ui(page);
  await expect(ui.row("greeting")).toBeVisible();
  await test.step("project", () => check(page, "project"));
  const tabs = [
    ["overview", "overview"],
    ["log", "log"],
    ["output", "output"],
    ["prompt", "prompt"],
    ["messages", "messages"],
    ["gates", "gates"],
    ["files", "files"],
    ["usage", "usage"],
  ] as const;
  await stage.show(page, `/p/${PROJECT}/t/${greeting}`);
  for (const [tab, name] of tabs) {
    await test.step(name, async () => {
      await ui.openTab(new RegExp(tab, "i"));
      await expect(page.getByRole("tabpanel")).toBeVisible();
      await expect(page.getByRole("status").filter({ hasText: "Loading" })).toHaveCount(0);
      await check(page, name);
    });
  }
  await test.step("question", async () => {
    await stage.show(page, `/p/${PROJECT}/t/${colours}?tab=messages`);
    await expect(ui.message("Which colour").first()).toBeVisible();
    await check(page, "question");
  });
  await test.step("parent", async () => {
    await stage.show(page, `/p/${PROJECT}/t/${top}`);
    await expect(ui.row("top")).toHaveAttribute("aria-selected", "true");
    await check(page, "parent");
  });
  const places = [
    ...["messages", "graph", "usage", "processes", "problems"].map((tab) => [
      "project",
      `/p/${PROJECT}?tab=${tab}`,
    ]),
    ...["projects", "usage", "limits", "processes"].map((view) => ["root", `/?view=${view}`]),
  ];
  for (const [of, hash = ""] of places) {
    const name = `${of}-${hash.slice(hash.indexOf("=") + 1)}`;
    await test.step(name, async () => {
      await stage.show(page, hash);
      await expect(page.getByRole("tabpanel")).toBeVisible();
      await expect(page.getByRole("status").filter({ hasText: "Loading" })).toHaveCount(0);
      await check(page, name);
    });
  }
  await test.step("new task", async () => {
    await stage.show(page, `/p/${PROJECT}`);
    await ui.newTask();
    await check(page, "new-task");
    await page.keyboard.press("Escape");
  });
  await test.step("palette", async () => {
    await page.keyboard.press("Control+k");
    await expect(ui.dialog).toBeVisible();
    await check(page, "palette");
    await page.keyboard.press("Escape");
  });
  await test.step("shortcuts", async () => {
    await page.keyboard.press("?");
    await expect(ui.dialog).toBeVisible();
    await check(page, "shortcuts");
    await page.keyboard.press("Escape");
  });
});

test("an empty root says what to type", async ({ stage, page }) => {
  await stage.open(page);
  await expect(page.getByTestId("empty").filter({ hasText: "run-agent task" }).first()).toBeVisible();
  await check(page, "empty");
});

test("a page without login is readable, too", async ({ stage, page }) => {
  await stage.serve();
  await stage.show(page, "/");
  await expect(page.getByText("conductor open").first()).toBeVisible();
  await check(page, "login");
});

test("everything is reached by the keyboard", async ({ stage, page }) => {
  const { greeting } = await garden(stage);
  await stage.open(page, `/p/${PROJECT}`);
  const ui = new Ui(page);
  await expect(ui.row("greeting")).toBeVisible();
  const focused = () =>
    page.evaluate(() => document.activeElement?.closest("[role]")?.getAttribute("role") ?? "");
  const tabTo = async (role: string) => {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press("Tab");
      if ((await focused()) === role) {
        return;
      }
    }
    throw new Error(`no ${role} is reached by Tab`);
  };

  // The tree is one stop; arrows, Home and End move in it, Enter selects.
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await tabTo("tree");
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  const count = await ui.tree.getByRole("treeitem").count();
  for (let step = 0; step < count; step++) {
    const name = await page.evaluate(() => {
      const active = document.activeElement;
      const tree = active?.closest("[role=tree]");
      const id = tree?.getAttribute("aria-activedescendant");
      return (id ? document.getElementById(id) : active)?.textContent ?? "";
    });
    if (name.includes("greeting")) {
      break;
    }
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(greeting));

  // So are the tabs; Enter shows the one that has the focus.
  await tabTo("tab");
  const seen = new Set<string>();
  for (let step = 0; step < 8; step++) {
    seen.add((await page.getByRole("tab", { selected: true }).textContent()) ?? "");
    const focusedTab = page.locator("[role=tab]:focus");
    await page.keyboard.press("ArrowRight");
    await expect(focusedTab).toHaveAttribute("aria-selected", "false");
    await page.keyboard.press("Enter");
    await expect(focusedTab).toHaveAttribute("aria-selected", "true");
  }
  expect(seen.size).toBe(8);

  // What can be done with a task is a button, and a dialog keeps the focus until it is closed.
  const stop = ui.detail.getByRole("button", { name: /^stop/i });
  await stop.focus();
  await page.keyboard.press("Enter");
  await expect(ui.dialog).toBeVisible();
  for (let presses = 0; presses < 6; presses++) {
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null)).toBe(true);
  }
  await page.keyboard.press("Escape");
  await expect(stop).toBeFocused();

  // The palette goes anywhere.
  await page.keyboard.press("Control+k");
  await page.keyboard.type("colours");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/task-\d{8}-\d{6}-colours/);
  await expect(ui.dialog).toBeHidden();
});

test("what has the focus shows it, and motion can be reduced", async ({ stage, page }) => {
  await garden(stage);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await stage.open(page, `/p/${PROJECT}`);
  const ui = new Ui(page);
  await expect(ui.row("greeting")).toBeVisible();
  const unmarked: string[] = [];
  for (let presses = 0; presses < 25; presses++) {
    await page.keyboard.press("Tab");
    const bare = await page.evaluate(() => {
      const active = document.activeElement;
      if (!active || active === document.body) {
        return null;
      }
      const marked = [active, active.parentElement, ...active.querySelectorAll("*")].some((element) => {
        if (!element) return false;
        const style = getComputedStyle(element);
        return (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
      });
      return marked ? null : active.outerHTML.slice(0, 200);
    });
    if (bare) {
      unmarked.push(bare);
    }
  }
  expect(unmarked, "focused without a mark").toEqual([]);
  const moving = await page.evaluate(
    () => document.getAnimations().filter((animation) => animation.playState === "running").length,
  );
  expect(moving, "animations in spite of reduced motion").toBe(0);
});
