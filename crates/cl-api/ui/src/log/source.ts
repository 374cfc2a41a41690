/**
 * Where the bytes of a file come from: ranges of it, asked for one by one.
 */

import { Problem } from "../api/client";

/** Some bytes of a file. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** How large the file was when they were read. */
  readonly size: number;
}

/** The bytes of one file. */
export interface ByteSource {
  /**
   * Reads the bytes from `from` to behind `to`; fewer where the file ends before.
   *
   * Fails with `Missing` where there is no file (yet), with a `Problem` where the server refuses.
   */
  read(from: number, to: number, signal?: AbortSignal): Promise<Chunk>;
}

/** There is no such file, or not yet. */
export class Missing extends Error {
  override readonly name = "Missing";
}

/** Reads a file of the server by `Range`. */
export function overHttp(url: string, ask: typeof fetch = fetch): ByteSource {
  return {
    async read(from, to, signal) {
      const request: RequestInit = {
        headers: { Range: `bytes=${from}-${to - 1}`, "X-Conductor-Client": "web-ui" },
        credentials: "same-origin",
        // What was read of a file that grows is no answer to a later question.
        cache: "no-store",
        ...(signal ? { signal } : {}),
      };
      const answer = await ask(url, request);
      if (answer.status === 206) {
        const bytes = new Uint8Array(await answer.arrayBuffer());
        return { bytes, size: sizeOf(answer.headers.get("Content-Range")) ?? from + bytes.length };
      }
      if (answer.status === 416) {
        return { bytes: new Uint8Array(0), size: sizeOf(answer.headers.get("Content-Range")) ?? 0 };
      }
      if (answer.status === 200) {
        return firstOf(answer, from, to);
      }
      const problem = await Problem.read(answer);
      throw answer.status === 404 ? new Missing(problem.said) : problem;
    },
  };
}

/** Returns the size behind the slash of a `Content-Range`. */
export function sizeOf(range: string | null): number | null {
  const size = /^bytes (?:\d+-\d+|\*)\/(\d+)$/.exec(range?.trim() ?? "")?.[1];
  return size === undefined ? null : Number(size);
}

/** Takes the part out of an answer that is the whole file, and no more of it than is needed. */
async function firstOf(answer: Response, from: number, to: number): Promise<Chunk> {
  const whole = Number(answer.headers.get("Content-Length") ?? Number.NaN);
  const reader = answer.body?.getReader();
  const parts: Uint8Array[] = [];
  let at = 0;
  while (reader && at < to) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    parts.push(value.subarray(Math.max(0, from - at), Math.max(0, to - at)));
    at += value.length;
  }
  await reader?.cancel();
  return { bytes: joined(parts), size: Number.isFinite(whole) ? whole : at };
}

/** Puts parts behind each other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0]) {
    return parts[0];
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
