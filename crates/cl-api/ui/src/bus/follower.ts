/**
 * Keeps the messages of one bus up to date: exactly once and in order.
 *
 * The live connection says that a bus has a new message; what is new is then asked for behind the
 * last one that is known, until nothing follows. If that place is unknown (the bus was archived or
 * replaced), the last page is taken instead, so what is shown is empty only if the bus is.
 * One question is under way at a time; what is told meanwhile leads to one more.
 */

import {
  type Item,
  type Messages,
  NONE,
  newestOf,
  oldestOf,
  startedAgain,
  withNewer,
  withOlder,
} from "./messages";

export interface Page {
  messages: Item[];
  has_more?: boolean | undefined;
}

/** Reads a page; throws with `status` 404 if the place is unknown. */
export type ReadPage = (asked: {
  after?: string;
  before?: string;
  limit?: number;
  signal: AbortSignal;
}) => Promise<Page>;

export type BusState =
  | { state: "loading"; messages: Messages }
  | { state: "failed"; messages: Messages; error: unknown }
  | { state: "ready"; messages: Messages };

/** How many messages the first look takes. */
export const FIRST_PAGE = 500;
/** How many pages in a row are taken; what follows then is taken at the next change. */
const MOST_PAGES = 50;

export class BusFollower {
  #now: BusState = { state: "loading", messages: NONE };
  #wanted = false;
  #working = false;
  #olderWorking = false;
  #ended = new AbortController();
  readonly #read: ReadPage;
  readonly #told: (now: BusState) => void;

  constructor(read: ReadPage, told: (now: BusState) => void) {
    this.#read = read;
    this.#told = told;
  }

  get now(): BusState {
    return this.#now;
  }

  /** Ends everything; nothing is told afterwards. */
  end(): void {
    this.#ended.abort();
  }

  /** Something may be new: catches up, once. */
  async look(): Promise<void> {
    this.#wanted = true;
    if (this.#working) return;
    this.#working = true;
    try {
      while (this.#wanted && !this.#ended.signal.aborted) {
        this.#wanted = false;
        await this.#catchUp();
      }
    } finally {
      this.#working = false;
    }
  }

  /** The newest message is this one, as the live connection says; asks only if it is not known. */
  async hear(newest: string | undefined): Promise<void> {
    if (newest !== undefined && this.#now.state === "ready" && this.#now.messages.byId.has(newest)) return;
    await this.look();
  }

  /** Reads one page further into the past; returns false if that failed. */
  async readOlder(): Promise<boolean> {
    const before = oldestOf(this.#now.messages);
    if (before === undefined || !this.#now.messages.hasOlder || this.#olderWorking) return true;
    this.#olderWorking = true;
    try {
      const page = await this.#read({ before, limit: FIRST_PAGE, signal: this.#ended.signal });
      this.#put(withOlder(this.#now.messages, page.messages, page.has_more === true));
      return true;
    } catch (error) {
      if (isUnknown(error)) await this.#startAgain();
      return isUnknown(error);
    } finally {
      this.#olderWorking = false;
    }
  }

  async #catchUp(): Promise<void> {
    try {
      const after = newestOf(this.#now.messages);
      if (after === undefined) await this.#startAgain();
      else await this.#readFrom(after);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.#set({ state: "failed", messages: this.#now.messages, error });
    }
  }

  async #readFrom(first: string): Promise<void> {
    let after = first;
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      let page: Page;
      try {
        page = await this.#read({ after, signal: this.#ended.signal });
      } catch (error) {
        if (!isUnknown(error)) throw error;
        return this.#startAgain();
      }
      this.#put(withNewer(this.#now.messages, page.messages));
      const last = page.messages.at(-1)?.msg_id;
      if (page.has_more !== true || last === undefined || last === after) return;
      after = last;
    }
    this.#wanted = true;
  }

  async #startAgain(): Promise<void> {
    const page = await this.#read({ limit: FIRST_PAGE, signal: this.#ended.signal });
    this.#put(startedAgain(this.#now.messages, page.messages, page.has_more === true));
  }

  #put(messages: Messages): void {
    if (this.#now.state === "ready" && this.#now.messages === messages) return;
    this.#set({ state: "ready", messages });
  }

  #set(now: BusState): void {
    if (this.#ended.signal.aborted) return;
    this.#now = now;
    this.#told(now);
  }
}

function isUnknown(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { status?: unknown }).status === 404;
}
