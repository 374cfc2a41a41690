import { vi } from "vitest";

/** What a stand-in for the server was asked. */
export interface Asked {
  method: string;
  /** Path and query, without what stands before `api/`. */
  path: string;
  headers: Headers;
  body: unknown;
}

export type Answer = { status?: number; body?: unknown; headers?: Record<string, string> } | "unreachable";

/** Answers requests of the page in place of a server; `answer` says what, by method and path. */
export function standIn(answer: (asked: Asked) => Answer | Promise<Answer>): Asked[] {
  const all: Asked[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const url = new URL(request.url);
    const text = await request.clone().text();
    const asked: Asked = {
      method: request.method,
      path: url.pathname.replace(/^.*?\/(?=api\/)/, "") + url.search,
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    all.push(asked);
    const said = await answer(asked);
    if (request.signal.aborted) throw new DOMException("aborted", "AbortError");
    if (said === "unreachable") throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify(said.body ?? {}), {
      status: said.status ?? 200,
      headers: { "content-type": "application/json", "x-request-id": "req-7", ...said.headers },
    });
  });
  return all;
}

/**
 * Gives elements a size, which the pretended page has not; lists that draw what is seen need it:
 * each row `row` high in a window of `height`.
 */
export function giveSizes(height = 900, row = 40): void {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(height);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(800);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(row);
}
