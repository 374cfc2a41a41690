import { test as base, type Page } from "@playwright/test";
import { Api } from "./api";
import { Place } from "./place";
import { Server } from "./server";

/** A place with its server, for one test. */
export class Stage {
  readonly place = new Place();
  readonly api = new Api(() => this.server);
  private running: Server | undefined;
  private logs = "";

  get server(): Server {
    if (!this.running) {
      throw new Error("the server is not started");
    }
    return this.running;
  }

  /** Starts the server; agents and settings stand by now. */
  async serve(more: Record<string, string> = {}): Promise<Server> {
    const port = this.running?.port ?? "0";
    this.logs += this.running?.log() ?? "";
    this.running = await Server.start(this.place, port, more);
    return this.running;
  }

  /** Starts the server unless it runs, logs the page in by a link, and shows what stands behind the `#`. */
  async open(page: Page, hash = ""): Promise<void> {
    const server = this.running ?? (await this.serve());
    // The printed link works once.
    const link = this.isLinkUsed ? await this.api.loginLink() : server.loginLink;
    this.isLinkUsed = true;
    await page.goto(link);
    await page.waitForURL(`${server.origin}/ui/**`);
    if (hash) {
      await this.show(page, hash);
    }
  }

  private isLinkUsed = false;

  /** Shows what stands behind the `#`, as a link in a mail does. */
  async show(page: Page, hash: string): Promise<void> {
    await page.goto(`${this.server.origin}/ui/#${hash}`);
  }

  /** What all servers of this place said. */
  log(): string {
    return this.logs + (this.running?.log() ?? "");
  }

  /** Ends everything. */
  async close(): Promise<void> {
    try {
      await this.running?.stop();
    } finally {
      await this.place.close();
    }
  }
}

/** What the browser said that it should not have. */
export interface Complaints {
  /** Thrown and not caught, refused by the policy of the page, or logged as an error. */
  all(): string[];
}

export const test = base.extend<{ stage: Stage; complaints: Complaints }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner wants the pattern
  stage: async ({}, use, info) => {
    const stage = new Stage();
    try {
      await use(stage);
    } finally {
      if (info.status !== info.expectedStatus) {
        await info.attach("server log", { body: stage.log() || "nothing", contentType: "text/plain" });
      }
      await stage.close();
    }
  },

  /** Every test fails that leaves something in it, unless it takes it out. */
  complaints: [
    async ({ page }, use) => {
      const heard = listen(page);
      await use({ all: () => heard });
      base.expect(heard, "what the browser complained about").toEqual([]);
    },
    { auto: true },
  ],
});

/** Collects what a page complains about; connections that fail while a server is down are no complaint. */
export function listen(page: Page): string[] {
  const heard: string[] = [];
  page.on("pageerror", (error) => heard.push(`thrown: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/^Failed to load resource|net::ERR_/.test(text)) {
      heard.push(`logged: ${text}`);
    }
  });
  return heard;
}

export { expect } from "@playwright/test";
