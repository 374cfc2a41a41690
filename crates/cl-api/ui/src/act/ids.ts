/** Rules of ids, as the server has them; it checks them again. */

const SLUG = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const TASK = /^task-\d{8}-\d{6}-([a-z0-9-]+)$/;
const LONGEST_PROJECT = 100;
const SHORTEST_SLUG = 3;
const LONGEST_SLUG = 48;

/** Says what is wrong with the id of a project that is to be made. */
export function projectIdProblem(text: string): string | undefined {
  if (text === "") return "Project ID is required";
  if (/[/\\]/.test(text)) return "A project ID has no slashes: projects cannot be nested";
  if (text.length > LONGEST_PROJECT) return `A project ID has at most ${LONGEST_PROJECT} characters`;
  if (!SLUG.test(text)) {
    return "A project ID has lower-case letters, digits and inner hyphens only, such as my-project";
  }
  return undefined;
}

/** Makes what was typed a part of an id; a hyphen at the end stays, for the next word. */
export function typedSlug(text: string): string {
  const cleaned = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/-{2,}/g, "-")
    .replace(/^-/, "");
  return cleaned.slice(0, LONGEST_SLUG);
}

/** Says what is wrong with the name at the end of a task's id. */
export function slugProblem(slug: string): string | undefined {
  const whole = wholeSlug(slug);
  if (whole === "") return "A name is required";
  if (whole.length < SHORTEST_SLUG) return `The name needs at least ${SHORTEST_SLUG} characters`;
  if (!SLUG.test(whole) || whole.length > LONGEST_SLUG) {
    return "The name has lower-case letters, digits and inner hyphens only";
  }
  return undefined;
}

/** Returns the name without the hyphen that waits for its next word. */
export function wholeSlug(slug: string): string {
  return slug.replace(/-+$/, "");
}

/** Returns the time as it stands in ids: `YYYYMMDD-HHMMSS`, UTC. */
export function stamp(now: Date): string {
  const text = now.toISOString();
  return `${text.slice(0, 10).replaceAll("-", "")}-${text.slice(11, 19).replaceAll(":", "")}`;
}

/** Returns the id of a task of that time and name. */
export function taskId(stamped: string, slug: string): string {
  return `task-${stamped}-${wholeSlug(slug)}`;
}

/** Tells whether a new task may have this id. */
export function isTaskId(text: string): boolean {
  const slug = TASK.exec(text)?.[1];
  return slug !== undefined && slugProblem(slug) === undefined;
}

/** Returns the readable end of a task's id. */
export function shortTaskId(id: string): string {
  return id.replace(/^task-\d{8}-\d{6}-(?=.)/, "");
}

/** Returns letters and digits by chance, for names and keys. */
export function randomText(length: number, random: (bytes: Uint8Array) => Uint8Array = fill): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  const bytes = random(new Uint8Array(length));
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join("");
}

function fill(bytes: Uint8Array): Uint8Array {
  return crypto.getRandomValues(bytes);
}
