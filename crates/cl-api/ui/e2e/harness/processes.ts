import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** A process whose environment or command line names a place. */
export interface Found {
  pid: number;
  command: string;
}

/** Lists the processes that belong to a place: whatever they are, they have its folder in their environment. */
export function processesOf(folder: string): Found[] {
  const found: Found[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) {
      continue;
    }
    const command = read(`/proc/${pid}/cmdline`);
    if (command && (command.includes(folder) || read(`/proc/${pid}/environ`).includes(folder))) {
      found.push({ pid, command: command.replaceAll("\0", " ").trim() });
    }
  }
  return found;
}

/** Kills what belongs to a place, by number, until nothing is left. */
export async function endAllOf(folder: string): Promise<void> {
  for (let round = 0; round < 500; round++) {
    const left = processesOf(folder);
    if (left.length === 0) {
      return;
    }
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    await pause(10);
  }
  throw new Error(`still alive: ${JSON.stringify(processesOf(folder))}`);
}

/** What a process has used of a core so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return "";
  }
}

/** The processes below `pid` whose program has `name` in its path. */
export function familyOf(pid: number, name: string): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    const stat = read(`/proc/${entry}/stat`);
    if (stat) {
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(entry), Number(fields[1]));
    }
  }
  const below = (child: number): boolean => {
    const parent = parents.get(child);
    return parent !== undefined && parent > 1 && (parent === pid || below(parent));
  };
  return [...parents.keys()].filter((child) => below(child) && read(`/proc/${child}/cmdline`).includes(name));
}
