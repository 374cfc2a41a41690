import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import {
  busKey,
  type Connection,
  emptyWorld,
  type Grown,
  type TaskState,
  taskKey,
  type World,
} from "./world";

/** What the one connection has told; changed by `live/client.ts` alone. */
export const live = createStore<World>()(() => emptyWorld());

/** A part of what is known; drawn anew only when that part is another one. */
export function useLive<T>(select: (world: World) => T): T {
  return useStore(live, select);
}

/** How it stands with the connection. */
export function useConnection(): Connection {
  return useLive((world) => world.connection);
}

/** A task as it is now; `undefined` where there is none, or not yet. */
export function useTask(project: string | undefined, task: string | undefined): TaskState | undefined {
  return useLive((world) =>
    project !== undefined && task !== undefined ? world.tasks[taskKey(project, task)] : undefined,
  );
}

/** The newest message of the bus of a task or project. When it changes, fetch what follows the last one shown. */
export function useNewestMessage(project: string, task?: string): string | undefined {
  return useLive((world) => world.newest[busKey(project, task)]);
}

/** What is known of a followed file; see `useGrown`. */
export function grownOf(world: World, key: string): Grown | undefined {
  return world.grown[key];
}
