/**
 * The tab's end of the one connection. It speaks with the shared worker; where there is none, or
 * it does not answer, the same hub runs in the tab itself.
 */
import { apply, type Naming } from "./apply";
import type { Told } from "./connection";
import { onFollow } from "./follow";
import { type FromTab, Hub, type Port, type ToTab } from "./hub";
import { Runner } from "./runner";
import { live } from "./store";
import { emptyWorld, type World } from "./world";

/** A way to a hub, wherever it runs. */
export interface Way {
  say(message: FromTab): void;
  close(): void;
}

/** Opens a way; `hear` gets what the hub says, `broken` is called when it cannot work. */
export type Opener = (hear: (message: ToTab) => void, broken: () => void) => Way;

/**
 * How long a hub may be silent before it is asked, and how long it may take to answer. A machine
 * that is very busy starts a worker late; whoever gives up too soon makes a second stream.
 */
const SILENCE = 45_000;
const ANSWER = 15_000;
/** How many shared workers are tried before the tab does the work itself. */
const WORKERS = 3;

/** Keeps a way to a living hub, and the store up to date with what it says. */
export class Client {
  readonly #ways: Opener[];
  #at = 0;
  #way: Way | undefined;
  #world: World = emptyWorld();
  #naming: { current: Naming | undefined } = { current: undefined };
  #heard = 0;
  #files: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #show: (world: World, told: readonly Told[]) => void;
  readonly #tab: string;

  /** `ways` are tried in this order; the last one is kept whatever happens. */
  constructor(ways: Opener[], show: (world: World, told: readonly Told[]) => void, tab = "tab") {
    this.#ways = ways;
    this.#show = show;
    this.#tab = tab;
  }

  start(): void {
    this.#open();
  }

  follow(files: string[]): void {
    this.#files = files;
    this.#way?.say({ type: "follow", files });
  }

  /** Something suggests that it may work now. */
  wake(): void {
    this.#way?.say({ type: "wake" });
    this.#ask();
  }

  /** The page goes away; it may come back. */
  leave(): void {
    clearTimeout(this.#timer);
    this.#way?.say({ type: "bye" });
  }

  /** The page is there again. */
  comeBack(): void {
    this.#hello();
  }

  #open(): void {
    const at = this.#at;
    const open = this.#ways[at];
    if (!open) return;
    const isCurrent = () => at === this.#at;
    this.#way = open(
      (message) => isCurrent() && this.#hear(message),
      () => isCurrent() && this.#replace(),
    );
    this.#hello();
  }

  #hello(): void {
    this.#way?.say({ type: "hello", tab: this.#tab });
    if (this.#files.length > 0) this.#way?.say({ type: "follow", files: this.#files });
    this.#ask();
  }

  #replace(): void {
    if (this.#at + 1 >= this.#ways.length) return;
    clearTimeout(this.#timer);
    this.#way?.close();
    this.#at += 1;
    this.#open();
  }

  #hear(message: ToTab): void {
    this.#heard += 1;
    this.#watch();
    if (message.type === "world") {
      const resets = this.#world.connection.resets;
      this.#naming.current = undefined;
      const { world } = message;
      // What a new hub knows may have passed this tab by; those who fetch must fetch again.
      const isOther = resets > 0 && resets !== world.connection.resets;
      this.#world = isOther
        ? {
            ...world,
            connection: { ...world.connection, resets: Math.max(resets, world.connection.resets) + 1 },
          }
        : world;
      this.#show(this.#world, []);
    } else if (message.type === "told") {
      this.#world = apply(this.#world, message.told, this.#naming);
      this.#show(this.#world, message.told);
    }
  }

  /** Asks whether the hub lives, once it was silent for long. */
  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), SILENCE);
  }

  #ask(): void {
    clearTimeout(this.#timer);
    const heard = this.#heard;
    this.#way?.say({ type: "ping" });
    this.#timer = setTimeout(() => {
      if (heard === this.#heard) this.#replace();
    }, ANSWER);
  }
}

/** A way to the shared worker; `number` tells it from earlier ones that died. */
function shared(number: number): Opener {
  return (hear, broken) => {
    try {
      const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), {
        type: "module",
        name: `conductor-live-${number}`,
      });
      worker.onerror = broken;
      worker.port.onmessage = ({ data }: MessageEvent<ToTab>) => hear(data);
      return {
        say: (message) => worker.port.postMessage(message),
        close: () => worker.port.close(),
      };
    } catch {
      queueMicrotask(broken);
      return { say: () => {}, close: () => {} };
    }
  };
}

/** The hub in the tab itself. */
export const ownHub: Opener = (hear) => {
  const hub = new Hub();
  const runner = new Runner((told) => hub.take(told));
  hub.connect(runner);
  runner.start();
  const port: Port = { post: hear };
  return {
    say: (message) => hub.hear(port, message),
    close: () => runner.stop(),
  };
};

/** Those who want to hear of each change, besides the store. */
const listeners = new Set<(told: readonly Told[], world: World) => void>();

/** Hears of everything that is told, after the store shows it; returns how to end that. */
export function onTold(heard: (told: readonly Told[], world: World) => void): () => void {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

let client: Client | undefined;

/** Begins to keep the store up to date; once per page. */
export function startLive(): void {
  if (client) return;
  const tab = `conductor-tab-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  const ways =
    typeof SharedWorker === "function" ? Array.from({ length: WORKERS }, (_, at) => shared(at)) : [];
  client = new Client(
    [...ways, ownHub],
    (world, told) => {
      live.setState(world, true);
      for (const heard of listeners) heard(told, world);
    },
    tab,
  );
  const started = client;
  const start = () => {
    started.start();
    onFollow((files) => started.follow(files));
  };
  if ("locks" in navigator) {
    // Held as long as the page lives; see `worker.ts`.
    void navigator.locks
      .request(tab, () => {
        start();
        return new Promise<never>(() => {});
      })
      .catch(() => {});
  } else start();
  addEventListener("pagehide", () => started.leave());
  addEventListener("pageshow", (event) => event.persisted && started.comeBack());
  addEventListener("online", () => started.wake());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) started.wake();
  });
}

/** Tries again at once. */
export function retryNow(): void {
  client?.wake();
}
