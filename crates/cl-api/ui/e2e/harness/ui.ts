import { expect, type Locator, type Page } from "@playwright/test";

/** What a user sees, by role and name: the one place that knows how the page is built. */
export class Ui {
  constructor(readonly page: Page) {}

  get tree(): Locator {
    return this.page.getByRole("tree");
  }

  /** The row of a task or run in the tree, by a part of its name. */
  row(name: string | RegExp): Locator {
    return this.tree.getByRole("treeitem").filter({ hasText: name }).first();
  }

  /** What is shown of the selection. */
  get detail(): Locator {
    return this.page.getByRole("main");
  }

  tab(name: string | RegExp): Locator {
    return this.page.getByRole("tab", { name });
  }

  async openTab(name: string | RegExp): Promise<void> {
    await this.tab(name).click();
    await expect(this.tab(name)).toHaveAttribute("aria-selected", "true");
  }

  /** The status of what is selected. */
  get status(): Locator {
    return this.detail.getByTestId("status").first();
  }

  /** The lines or items of a log that are in the page; the others are not. */
  get log(): Locator {
    return this.page.getByTestId(/^log-(lines|agent)$/);
  }

  /** The button that jumps to the end of a log and stays there. */
  get follow(): Locator {
    return this.page.getByRole("button", { name: /follow/i });
  }

  get bus(): Locator {
    return this.page.getByTestId("bus");
  }

  message(text: string | RegExp): Locator {
    return this.bus.getByRole("article").filter({ hasText: text });
  }

  /** Where a message is written. */
  get composer(): Locator {
    return this.bus.getByRole("textbox", { name: /message/i });
  }

  get dialog(): Locator {
    return this.page.getByRole("dialog");
  }

  /** What is told in a corner for a moment. */
  toast(text: string | RegExp): Locator {
    return this.page.locator("[data-sonner-toast]").filter({ hasText: text });
  }

  /** Told while the server is not there. */
  get offline(): Locator {
    return this.page.getByTestId("offline");
  }

  async newTask(): Promise<Locator> {
    await this.page
      .getByRole("button", { name: /new task/i })
      .first()
      .click();
    await expect(this.dialog).toBeVisible();
    return this.dialog;
  }
}

/**
 * Scrolls a log from its beginning to its end and returns the numbers of the lines `line 000000001 …`
 * in the order in which they were met, each once for each place where it stands.
 */
export async function numbersOf(ui: Ui): Promise<number[]> {
  await ui.log.press("Home");
  return ui.log.evaluate(async (log) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const places = new Map<string, number>();
    const look = () => {
      for (const line of log.querySelectorAll<HTMLElement>("[data-at]")) {
        const number = /line (\d{9}) /.exec(line.textContent ?? "")?.[1];
        if (number !== undefined) {
          places.set(line.dataset.at ?? "", Number(number));
        }
      }
    };
    let still = 0;
    // Parts that are not there yet are fetched: a place that does not change for long is the end.
    while (still < 30) {
      // The page needs some frames to show a place, and to fetch what it lacks there.
      for (let frames = 0; frames < 4; frames += 1) {
        await frame();
        look();
      }
      const before = log.scrollTop;
      log.scrollTop += log.clientHeight / 2;
      still = log.scrollTop === before ? still + 1 : 0;
    }
    return [...places].sort((a, b) => Number(a[0]) - Number(b[0])).map(([, number]) => number);
  });
}
