/** What has to be fetched again when something has changed. */
import type { QueryClient } from "@tanstack/react-query";
import { onTold } from "./client";
import { Coalescer } from "./coalesce";
import type { Told } from "./connection";
import { type TaskRow, taskKey, type World } from "./world";

/** In milliseconds; see the budgets in docs/dev/web-ui.md. */
const TREE = 250;
const TASK = 500;
const WIDE = 2000;

/** What the shape and order of a tree hang on; all else is shown from the store. */
export function shapeOf(task: TaskRow): string {
  const { runs, latest_run, status, active, queue_position, parent, blocked_by } = task;
  return JSON.stringify([runs, latest_run, status, active, queue_position, parent?.task_id, blocked_by]);
}

/** What was told concerns: whose tree has another shape, which tasks are others, and whether anything is. */
export interface Concerned {
  trees: Set<string>;
  tasks: Set<string>;
  projects: Set<string>;
  /** There are other projects than before. */
  list: boolean;
}

/** Keeps what trees hang on, and says what a batch concerns. */
export class Watcher {
  readonly #shapes = new Map<string, string>();
  readonly #projects = new Set<string>();
  #isSnapshot = false;

  look(told: readonly Told[]): Concerned {
    const concerned: Concerned = { trees: new Set(), tasks: new Set(), projects: new Set(), list: false };
    for (const each of told) {
      if (each.type === "begin") this.#isSnapshot = true;
      if (each.type === "ready") this.#isSnapshot = false;
      if (each.type !== "change") continue;
      const { what, project_id: project, task_id: id, task } = each.change;
      if (project === null) continue;
      if (what === "project" || what === "project_gone") {
        const isNews = (what === "project") !== this.#projects.has(project);
        if (what === "project") this.#projects.add(project);
        else this.#projects.delete(project);
        // All that a snapshot tells is fetched again at its end anyway.
        if (isNews && !this.#isSnapshot) concerned.list = true;
        continue;
      }
      if (id === null || what === "bus") continue;
      const key = taskKey(project, id);
      const shape = task ? shapeOf(task) : undefined;
      const isOther = shape !== this.#shapes.get(key);
      if (shape === undefined) this.#shapes.delete(key);
      else this.#shapes.set(key, shape);
      if (this.#isSnapshot) continue;
      concerned.tasks.add(key);
      concerned.projects.add(project);
      if (isOther) concerned.trees.add(project);
    }
    return concerned;
  }
}

/** Has queries fetched again as the one connection tells of changes. */
export function startRefresh(queries: QueryClient): () => void {
  const watcher = new Watcher();
  let resets = 0;
  const again = (queryKey: unknown[]) => queries.invalidateQueries({ queryKey });
  const trees = new Coalescer(TREE, (project) => again(["tree", project]));
  const tasks = new Coalescer(TASK, (key) => again(["task", ...key.split("/")]));
  const projects = new Coalescer(WIDE, (project) => again(["project", project]));
  const root = new Coalescer(WIDE, () => again(["root"]));
  const list = new Coalescer(TREE, () => again(["root", "projects"]));
  const take = (told: readonly Told[], world: World) => {
    if (world.connection.resets !== resets) {
      resets = world.connection.resets;
      // Also the first time: what was fetched before may be older than what was told first.
      const asked = queries.getQueryCache().findAll({ fetchStatus: "fetching" });
      void queries.invalidateQueries({ predicate: (query) => query.state.fetchStatus !== "fetching" });
      // What is on its way is shown as it comes, and asked for once more.
      for (const query of asked) {
        const { queryKey, promise } = query;
        void Promise.resolve(promise)
          .catch(() => {})
          .then(() => queries.invalidateQueries({ queryKey, exact: true }));
      }
    }
    const concerned = watcher.look(told);
    for (const project of concerned.trees) trees.ask(project);
    for (const key of concerned.tasks) tasks.ask(key);
    for (const project of concerned.projects) projects.ask(project);
    if (concerned.projects.size > 0) root.ask("");
    if (concerned.list) list.ask("");
  };
  return onTold(take);
}
