/** Between the one connection and the tabs: each tab has a port, and says which files it follows. */
import { apply, type Naming } from "./apply";
import type { Told } from "./connection";
import { emptyWorld, type FileKey, type World } from "./world";

/** What a tab says. */
export type FromTab =
  | { type: "hello"; tab: string }
  | { type: "follow"; files: FileKey[] }
  | { type: "wake" }
  | { type: "ping" }
  | { type: "bye" };

/** What a tab is told. */
export type ToTab = { type: "world"; world: World } | { type: "told"; told: Told[] } | { type: "pong" };

/** A way to a tab. */
export interface Port {
  post(message: ToTab): void;
}

/** What the hub wants of the connection. */
export interface Line {
  follow(files: FileKey[]): void;
  wake(): void;
}

/** What comes within this is told together, so that tabs draw once. In milliseconds. */
const GATHER = 40;

export class Hub {
  #world: World = emptyWorld();
  readonly #naming: { current: Naming | undefined } = { current: undefined };
  readonly #tabs = new Map<Port, FileKey[]>();
  #line: Line | undefined;
  #news: Told[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Says which connection is the one. */
  connect(line: Line): void {
    this.#line = line;
  }

  get tabs(): number {
    return this.#tabs.size;
  }

  /** Takes what the connection tells. */
  take(told: Told[]): void {
    this.#world = apply(this.#world, told, this.#naming);
    this.#news.push(...told);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER);
  }

  /** Takes what a tab says. */
  hear(port: Port, message: FromTab): void {
    switch (message.type) {
      case "hello":
        // What is not yet told is in the world that it gets.
        this.#flush();
        this.#tabs.set(port, this.#tabs.get(port) ?? []);
        port.post({ type: "world", world: this.#world });
        // Half a snapshot is told; the tab hears the rest and keeps what came before.
        if (this.#naming.current) port.post({ type: "told", told: [{ type: "begin" }, ...this.#named()] });
        this.#line?.wake();
        break;
      case "follow":
        this.#tabs.set(port, message.files);
        this.#follow();
        break;
      case "wake":
        this.#line?.wake();
        break;
      case "ping":
        port.post({ type: "pong" });
        break;
      case "bye":
        this.leave(port);
        break;
    }
  }

  /** A tab is no more. */
  leave(port: Port): void {
    if (this.#tabs.delete(port)) this.#follow();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#news.length === 0) return;
    const told = this.#news;
    this.#news = [];
    for (const port of this.#tabs.keys()) port.post({ type: "told", told });
  }

  #follow(): void {
    const files = [...new Set([...this.#tabs.values()].flat())];
    const kept = new Set(files);
    const gone = Object.keys(this.#world.grown).filter((key) => !kept.has(key));
    if (gone.length > 0) {
      const grown = { ...this.#world.grown };
      for (const key of gone) delete grown[key];
      this.#world = { ...this.#world, grown };
    }
    this.#line?.follow(files);
  }

  /** Tells again what the snapshot that is being told has named, so that a newcomer does not forget it. */
  #named(): Told[] {
    const naming = this.#naming.current;
    if (!naming) return [];
    const change = (of: string, task: boolean): Told[] => {
      const state = task ? this.#world.tasks[of] : undefined;
      const [project = of] = of.split("/", 1);
      if (task && !state) return [];
      const version = 0;
      return [
        {
          type: "change",
          change: {
            what: task ? "task" : "project",
            version,
            project_id: project,
            task_id: state?.task.task_id ?? null,
            task: state?.task ?? null,
            run: state?.run ?? null,
            msg_id: null,
          },
        },
      ];
    };
    return [
      ...[...naming.projects].flatMap((key) => change(key, false)),
      ...[...naming.tasks].flatMap((key) => change(key, true)),
    ];
  }
}
