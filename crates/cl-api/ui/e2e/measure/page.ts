import type { CDPSession, Page } from "@playwright/test";

/** Writes down in the page when something was first drawn there, in milliseconds since it began to load. */
export async function noteFirst(page: Page, selector: string): Promise<void> {
  await page.addInitScript((wanted) => {
    const notes = { first: 0 };
    Object.assign(window, { notes });
    const look = () => {
      if (!document.querySelector(wanted)) {
        requestAnimationFrame(look);
        return;
      }
      // It is in the page; what follows this frame comes after it was drawn.
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          notes.first = performance.now();
        };
        channel.port2.postMessage(null);
      });
    };
    look();
  }, selector);
}

/** Returns what `noteFirst` wrote down. */
export async function firstNoted(page: Page): Promise<number> {
  const handle = await page.waitForFunction(
    () => (window as unknown as { notes: { first: number } }).notes.first,
  );
  return handle.jsonValue();
}

/** Writes down how long it takes from the next press of a button until the log holds one of these texts. */
export async function noteOpening(page: Page, texts: string[]): Promise<void> {
  await page.evaluate((wanted) => {
    const notes = { took: 0 };
    Object.assign(window, { notes });
    const begin = () => {
      const began = performance.now();
      const look = () => {
        const shown =
          document.querySelector("[data-testid=log-lines], [data-testid=log-agent]")?.textContent ?? "";
        if (wanted.some((text) => shown.includes(text))) {
          notes.took = performance.now() - began;
        } else {
          requestAnimationFrame(look);
        }
      };
      look();
    };
    addEventListener("pointerdown", begin, { capture: true, once: true });
  }, texts);
}

/** Returns what `noteOpening` wrote down. */
export async function openingTook(page: Page): Promise<number> {
  const handle = await page.waitForFunction(
    () => (window as unknown as { notes: { took: number } }).notes.took,
  );
  return handle.jsonValue();
}

/** Starts to look for the longest time between two frames. */
export async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(() => {
    const frames = { last: performance.now(), longest: 0 };
    Object.assign(window, { frames });
    const look = () => {
      const now = performance.now();
      frames.longest = Math.max(frames.longest, now - frames.last);
      frames.last = now;
      requestAnimationFrame(look);
    };
    look();
  });
}

/** Returns the longest time between two frames so far, in milliseconds. */
export function longestFrame(page: Page): Promise<number> {
  return page.evaluate(() => (window as unknown as { frames: { longest: number } }).frames.longest);
}

/** The heap of a page in MB, once what it no longer holds was thrown away. */
export async function heap(session: CDPSession): Promise<number> {
  await session.send("Performance.enable");
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  return (metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Number.NaN) / 1e6;
}
