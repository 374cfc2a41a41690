import type { Told } from "./connection";
import { busKey, type Change, type Grown, type TaskState, taskKey, type World } from "./world";

/** What a told snapshot has named so far; what it does not name by its end is gone. */
export interface Naming {
  projects: Set<string>;
  tasks: Set<string>;
}

/**
 * Makes of a world and what was told the world that is now. What has not changed stays the same
 * object, so that nothing of it is drawn anew; a batch without news returns the very same world.
 */
export function apply(world: World, told: readonly Told[], naming: { current: Naming | undefined }): World {
  const next = new Draft(world);
  for (const each of told) {
    switch (each.type) {
      case "connection":
        next.set("connection", each.connection);
        break;
      case "begin":
        naming.current = { projects: new Set(), tasks: new Set() };
        break;
      case "change":
        change(next, each.change, naming.current);
        break;
      case "ready":
        forget(next, naming.current);
        naming.current = undefined;
        break;
      case "grown": {
        const known: Grown | undefined = next.world.grown[each.key];
        // It may have been replaced while nobody listened.
        const isNamedOther = known?.identity !== undefined && known.identity !== each.identity;
        const isOther = known !== undefined && (each.isNew || each.size < known.size || isNamedOther);
        const epoch = (known?.epoch ?? 0) + (isOther ? 1 : 0);
        const { identity, modified } = each;
        const about = { ...(identity && { identity }), ...(modified && { modified }) };
        next.put("grown", each.key, { size: each.size, epoch, ...about });
        break;
      }
    }
  }
  return next.world;
}

type Tables = "projects" | "tasks" | "newest" | "grown";

/** Copies what changes, once. */
class Draft {
  world: World;
  readonly #from: World;

  constructor(from: World) {
    this.#from = from;
    this.world = from;
  }

  set<K extends keyof World>(name: K, value: World[K]): void {
    if (same(this.world[name], value)) return;
    if (this.world === this.#from) this.world = { ...this.#from };
    this.world[name] = value;
  }

  put<K extends Tables>(table: K, key: string, value: World[K][string]): void {
    if (same(this.world[table][key], value)) return;
    (this.#own(table) as Record<string, World[K][string]>)[key] = value;
  }

  remove(table: Tables, key: string): void {
    if (key in this.world[table]) delete this.#own(table)[key];
  }

  #own<K extends Tables>(table: K): World[K] {
    if (this.world === this.#from) this.world = { ...this.#from };
    if (this.world[table] === this.#from[table]) this.world[table] = { ...this.#from[table] };
    return this.world[table];
  }
}

function change(next: Draft, told: Change, naming: Naming | undefined): void {
  const { project_id: project, task_id: task } = told;
  if (project === null) return;
  switch (told.what) {
    case "project":
      naming?.projects.add(project);
      next.put("projects", project, true);
      break;
    case "project_gone":
      next.remove("projects", project);
      for (const key of Object.keys(next.world.tasks)) {
        if (key.startsWith(`${project}/`)) next.remove("tasks", key);
      }
      break;
    case "task": {
      if (task === null || told.task === null) return;
      const key = taskKey(project, task);
      naming?.tasks.add(key);
      const known: TaskState | undefined = next.world.tasks[key];
      // A snapshot tells no runs; the one that is known counts as long as it is the latest.
      const kept = known?.run?.run_id === told.task.latest_run ? known?.run : undefined;
      const run = told.run ?? kept;
      next.put("tasks", key, {
        task: same(known?.task, told.task) && known ? known.task : told.task,
        run: known && same(known.run, run) ? known.run : run,
      });
      break;
    }
    case "task_gone":
      if (task !== null) next.remove("tasks", taskKey(project, task));
      break;
    case "bus":
      if (told.msg_id !== null) next.put("newest", busKey(project, task ?? undefined), told.msg_id);
      break;
    case "reset":
      break;
  }
}

function forget(next: Draft, naming: Naming | undefined): void {
  if (!naming) return;
  for (const key of Object.keys(next.world.projects)) {
    if (!naming.projects.has(key)) next.remove("projects", key);
  }
  for (const key of Object.keys(next.world.tasks)) {
    if (!naming.tasks.has(key)) next.remove("tasks", key);
  }
}

/** Whether two values of JSON say the same. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => key in right && same(left[key], right[key]))
  );
}
