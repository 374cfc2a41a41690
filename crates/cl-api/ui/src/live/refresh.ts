/** What has to be fetched again when something has changed. */
import type { Query, QueryClient } from "@tanstack/react-query";
import type { Schemas } from "../api/client";
import { onTold } from "./client";
import { Coalescer } from "./coalesce";
import type { Told } from "./connection";
import { type RunRow, type TaskRow, taskKey, type World } from "./world";

/** In milliseconds; see the budgets in docs/dev/web-ui.md. */
const TREE = 250;
const TASK = 500;
const WIDE = 2000;
/** Agents tell of their limits while they print, and nothing else says so. */
const LIMITS = 30_000;

/** What the shape and order of a tree hang on; all else is shown from the store. */
export function shapeOf(task: TaskRow): string {
  const { runs, latest_run, status, active, queue_position, parent, blocked_by } = task;
  return JSON.stringify([runs, latest_run, status, active, queue_position, parent?.task_id, blocked_by]);
}

/** All that is known of a task but how far its output has come, which is told every few seconds while it prints. */
function factsOf(task: TaskRow, run: RunRow | null): string {
  return JSON.stringify([{ ...task, last_activity: undefined }, run && { ...run, duration: undefined }]);
}

/** What was told concerns. */
export interface Concerned {
  /** Projects whose tree has another shape. */
  trees: Set<string>;
  /** Tasks of which something else holds than before. */
  tasks: Set<string>;
  /** The projects of these. */
  projects: Set<string>;
  /** Tasks that have only written something: their files are others, and nothing else. */
  written: Set<string>;
  /** Projects in whose buses something was posted. */
  buses: Set<string>;
  /** When something was last written, by project. */
  activity: Map<string, string>;
  /** There are other projects than before. */
  list: boolean;
}

const nothing = (): Concerned => ({
  trees: new Set(),
  tasks: new Set(),
  projects: new Set(),
  written: new Set(),
  buses: new Set(),
  activity: new Map(),
  list: false,
});

/** Keeps what trees hang on, and says what a batch concerns. */
export class Watcher {
  readonly #shapes = new Map<string, string>();
  readonly #facts = new Map<string, string>();
  readonly #projects = new Set<string>();
  #isSnapshot = false;

  look(told: readonly Told[]): Concerned {
    const concerned = nothing();
    for (const each of told) {
      if (each.type === "begin") this.#isSnapshot = true;
      if (each.type === "ready") this.#isSnapshot = false;
      if (each.type !== "change") continue;
      const { what, project_id: project, task_id: id, task, run } = each.change;
      if (project === null) continue;
      if (what === "project" || what === "project_gone") {
        const isNews = (what === "project") !== this.#projects.has(project);
        if (what === "project") this.#projects.add(project);
        else this.#projects.delete(project);
        // All that a snapshot tells is fetched again at its end anyway.
        if (isNews && !this.#isSnapshot) concerned.list = true;
        continue;
      }
      if (what === "bus") {
        if (!this.#isSnapshot) concerned.buses.add(project);
        continue;
      }
      if (id === null) continue;
      const key = taskKey(project, id);
      const isReshaped = put(this.#shapes, key, task ? shapeOf(task) : undefined);
      const isOther = put(this.#facts, key, task ? factsOf(task, run) : undefined);
      if (this.#isSnapshot) continue;
      const at = task?.last_activity;
      if (at && at > (concerned.activity.get(project) ?? "")) concerned.activity.set(project, at);
      if (isOther) {
        concerned.tasks.add(key);
        concerned.projects.add(project);
      } else {
        concerned.written.add(key);
      }
      if (isReshaped) concerned.trees.add(project);
    }
    return concerned;
  }
}

/** Keeps a value, or forgets it; returns whether it is another one. */
function put(map: Map<string, string>, key: string, value: string | undefined): boolean {
  const isOther = map.get(key) !== value;
  if (value === undefined) map.delete(key);
  else map.set(key, value);
  return isOther;
}

/** What is asked of a task that hangs on its files alone. */
const OF_FILES = new Set<unknown>(["detail", "evidence"]);

const isOfFiles = (query: Query) => OF_FILES.has(query.queryKey.at(-1));

/** Has queries fetched again as the one connection tells of changes. */
export function startRefresh(queries: QueryClient): () => void {
  return onTold(refresher(queries));
}

/** Takes what is told, and has fetched again what it concerns. */
export function refresher(queries: QueryClient): (told: readonly Told[], world: World) => void {
  const watcher = new Watcher();
  let resets = 0;
  const again = (queryKey: unknown[]) => queries.invalidateQueries({ queryKey });
  const trees = new Coalescer(TREE, (project) => again(["tree", project]));
  const tasks = new Coalescer(TASK, (key) => again(["task", ...key.split("/")]));
  const files = new Coalescer(WIDE, (key) =>
    queries.invalidateQueries({ queryKey: ["task", ...key.split("/")], predicate: isOfFiles }),
  );
  const projects = new Coalescer(WIDE, (project) => again(["project", project]));
  const stats = new Coalescer(WIDE, (project) => again(["project", project, "stats"]));
  const root = new Coalescer(WIDE, () => again(["root"]));
  const processes = new Coalescer(WIDE, () => again(["root", "ps"]));
  const limits = new Coalescer(LIMITS, () => again(["root", "limits"]));
  const list = new Coalescer(TREE, () => again(["root", "projects"]));
  const active = new Map<string, string>();
  const show = new Coalescer(WIDE, async () => {
    const news = new Map(active);
    active.clear();
    showActivity(queries, news);
  });
  return (told, world) => {
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
    for (const project of concerned.buses) stats.ask(project);
    if (concerned.projects.size > 0) root.ask("");
    if (concerned.list) list.ask("");
    if (concerned.written.size > 0) {
      for (const key of concerned.written) files.ask(key);
      for (const [project, at] of concerned.activity) active.set(project, at);
      processes.ask("");
      limits.ask("");
      show.ask("");
    }
  };
}

const PROJECTS = ["root", "projects"];

/** Writes into the list of projects what the connection has told of them, so that it need not be fetched. */
function showActivity(queries: QueryClient, news: ReadonlyMap<string, string>): void {
  const { data, isInvalidated, fetchStatus } = queries.getQueryState<Schemas["Project"][]>(PROJECTS) ?? {};
  // What is old or on its way is fetched with all that is new.
  if (!data || isInvalidated || fetchStatus === "fetching") return;
  const isLater = ({ id, last_activity }: Schemas["Project"]) => (news.get(id) ?? "") > (last_activity ?? "");
  if (!data.some(isLater)) return;
  queries.setQueryData(
    PROJECTS,
    data.map((project) =>
      isLater(project) ? { ...project, last_activity: news.get(project.id) ?? null } : project,
    ),
  );
}
