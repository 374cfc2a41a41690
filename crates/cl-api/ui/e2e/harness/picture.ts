import { join } from "node:path";
import type { Page } from "@playwright/test";
import { out } from "./program";

const WIDTHS = [900, 1600];
const THEMES = ["light", "dark"] as const;

/** Keeps a picture of the page as it is. */
export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(out, "pictures", `${name}.png`) });
}

/** Keeps pictures of a state in both themes and at both widths. */
export async function pictures(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 1000 });
      await page.screenshot({
        path: join(out, "pictures", `${name}-${theme}-${width}.png`),
        animations: "disabled",
      });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  if (before) {
    await page.setViewportSize(before);
  }
}
