import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** The address of the server, which may stand below a path of its own. Ends with a slash. */
export const base: string = new URL("..", pageFolder()).href;

/** Why the server refused, or why it could not be reached (status 0). */
export class Problem extends Error {
  override name = "Problem";
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Record<string, string>;
  readonly requestId: string | undefined;
  /** What the server said, without the status. */
  readonly said: string;

  constructor(of: {
    status: number;
    code?: string;
    message: string;
    hint?: string | undefined;
    details?: Record<string, string>;
    requestId?: string | undefined;
  }) {
    super(of.status === 0 ? of.message : `api ${of.status}: ${of.message}`);
    this.status = of.status;
    this.code = of.code ?? (of.status === 0 ? "UNREACHABLE" : "UNKNOWN");
    this.said = of.message;
    this.hint = of.hint;
    this.details = of.details ?? {};
    this.requestId = of.requestId;
  }

  /** Asking again later may help without anybody changing anything. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Nobody answered. */
  static unreachable(): Problem {
    return new Problem({
      status: 0,
      message: "The server cannot be reached.",
      hint: "Start it with: conductor serve",
    });
  }

  /** Makes a problem of anything that was thrown. */
  static of(error: unknown): Problem {
    if (error instanceof Problem) return error;
    // So browsers put it, each in words of its own.
    if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) {
      return Problem.unreachable();
    }
    const message = error instanceof Error ? error.message : String(error);
    return new Problem({ status: 0, message });
  }

  /** Reads the body of an answer that refuses. */
  static async read(response: Response): Promise<Problem> {
    const requestId = response.headers.get("x-request-id") ?? undefined;
    let body: Partial<Schemas["Problem"]> = {};
    try {
      body = (await response.json()) as Partial<Schemas["Problem"]>;
    } catch {
      // What stands between us and the server may answer as it likes.
    }
    return new Problem({
      status: response.status,
      message: body.error?.message ?? body.message ?? (response.statusText || "the server refused"),
      ...(body.error && { code: body.error.code, hint: body.error.hint ?? undefined }),
      ...(body.error?.details && { details: body.error.details }),
      requestId,
    });
  }
}

const CLIENT_HEADERS = { "X-Conductor-Client": "web-ui" };

let onUnauthorised: () => void = () => {};

/** Says what happens when the server asks who we are. */
export function whenUnauthorised(then: () => void): void {
  onUnauthorised = then;
}

/** `fetch` of a path of the server such as `api/v1/version`; throws a [`Problem`] unless it succeeds. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  return send(new Request(new URL(path.replace(/^\//, ""), base), init));
}

async function send(asked: Request): Promise<Response> {
  for (const [name, value] of Object.entries(CLIENT_HEADERS)) asked.headers.set(name, value);
  let response: Response;
  try {
    response = await fetch(asked, { credentials: "same-origin" });
  } catch (error) {
    if (asked.signal.aborted) throw error;
    throw Problem.unreachable();
  }
  if (response.ok || response.status === 304) return response;
  if (response.status === 401) onUnauthorised();
  throw await Problem.read(response);
}

/**
 * The typed client: `const { data } = await api.GET("/api/v1/version")`.
 * It throws a [`Problem`] for every answer that refuses, so `error` is never set.
 */
export const api = createClient<paths>({ baseUrl: base.replace(/\/$/, ""), fetch: send });

/** Returns what a call answered: `await got(api.GET(…))`. */
export async function got<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await call;
  return data as T;
}

function pageFolder(): string {
  const here = globalThis.location?.href ?? "http://localhost/ui/";
  // A shared worker is loaded from `ui/assets/`, the page from `ui/`.
  return here.replace(/[?#].*$/, "").replace(/assets\/[^/]*$/, "");
}
