import { useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "../api/client";
import { begun, type Found, hitFrom, type Search, searching } from "./search";

/** Searches the file whose search has this address; one search at a time. */
export function useSearch(address: string) {
  const [search, setSearch] = useState<Search | null>(null);
  const [current, setCurrent] = useState<number | null>(null);
  const ending = useRef<AbortController>(undefined);
  useEffect(() => () => ending.current?.abort(), []);

  const cancel = useCallback(() => ending.current?.abort(), []);

  const start = useCallback(
    (text: string) => {
      ending.current?.abort();
      setCurrent(null);
      if (text === "") {
        setSearch(null);
        return;
      }
      const own = new AbortController();
      ending.current = own;
      setSearch(begun(text));
      void (async () => {
        const ask = (sought: string, from: number, limit: number, signal: AbortSignal) =>
          askServer(address, sought, from, limit, signal);
        for await (const each of searching(ask, text, 0, own.signal)) {
          if (ending.current !== own) return;
          setSearch(each);
          // The first one is gone to at once, however long the rest takes.
          if (each.hits.length > 0) setCurrent((current) => current ?? 0);
        }
      })();
    },
    [address],
  );

  const choose = (index: number): number | null => {
    const hit = search?.hits[index];
    if (hit) setCurrent(index);
    return hit?.at ?? null;
  };

  const step = (direction: "next" | "previous"): number | null => {
    const hits = search?.hits ?? [];
    const from = current === null ? undefined : hits[current]?.at;
    const index = hitFrom(hits, from ?? (direction === "next" ? -1 : Number.POSITIVE_INFINITY), direction);
    return index === null ? null : choose(index);
  };

  return { search, current, start, cancel, choose, step };
}

async function askServer(
  address: string,
  text: string,
  from: number,
  limit: number,
  signal: AbortSignal,
): Promise<Found> {
  const url = new URL(address);
  url.searchParams.set("q", text);
  url.searchParams.set("from", String(from));
  url.searchParams.set("limit", String(limit));
  const headers = { "X-Conductor-Client": "web-ui" };
  const answer = await fetch(url, { signal, headers, credentials: "same-origin" });
  if (!answer.ok) throw await Problem.read(answer);
  return (await answer.json()) as Found;
}
