import { useEffect, useRef, useState } from "react";
import { request } from "../api/client";
import { useConnection, useNewestMessage } from "../live/store";
import { BusFollower, type BusState, type Page } from "./follower";
import { NONE } from "./messages";
import { type Bus, pathOf } from "./post";

/** The messages of a bus, kept up to date while this is shown. */
export function useBus(bus: Bus): BusState & { follower: BusFollower | undefined } {
  const { project, task } = bus;
  const [now, setNow] = useState<BusState>({ state: "loading", messages: NONE });
  const [follower, setFollower] = useState<BusFollower>();
  const newest = useNewestMessage(project, task);
  const { phase, resets } = useConnection();
  useEffect(() => {
    const follower = new BusFollower(reader({ project, task }), setNow);
    setFollower(follower);
    setNow(follower.now);
    void follower.look();
    return () => follower.end();
  }, [project, task]);
  useEffect(() => {
    if (newest !== undefined) void follower?.hear(newest);
  }, [newest, follower]);
  // What was posted while nothing could be heard.
  const last = useRef({ phase, resets });
  useEffect(() => {
    const before = last.current;
    last.current = { phase, resets };
    const isBack = phase === "live" && before.phase !== "live";
    if (isBack || resets !== before.resets) void follower?.look();
  }, [phase, resets, follower]);
  return { ...now, follower };
}

function reader(bus: Bus) {
  return async (asked: {
    after?: string;
    before?: string;
    limit?: number;
    signal: AbortSignal;
  }): Promise<Page> => {
    const query = new URLSearchParams();
    if (asked.after !== undefined) query.set("after", asked.after);
    if (asked.before !== undefined) query.set("before", asked.before);
    if (asked.limit !== undefined) query.set("limit", String(asked.limit));
    const response = await request(`${pathOf(bus)}?${query}`, { signal: asked.signal, cache: "no-store" });
    return (await response.json()) as Page;
  };
}
