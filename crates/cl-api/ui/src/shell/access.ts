import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import { whenUnauthorised } from "../api/client";
import { queries } from "../api/queries";
import { retryNow } from "../live/client";
import { useConnection } from "../live/store";

const store = createStore<{ isRefused: boolean }>()(() => ({ isRefused: false }));

/** Whether the server wants to know who we are: the stream or an answer said so. */
export function useIsLoggedOut(): boolean {
  const isRefused = useStore(store, (state) => state.isRefused);
  return useConnection().phase === "unauthorised" || isRefused;
}

/** Tries everything again, after somebody has logged in. */
export function tryAgain(): void {
  store.setState({ isRefused: false });
  retryNow();
  void queries.invalidateQueries();
}

/** Listens to answers that ask who we are; looks again when the page is looked at again. */
export function watchAccess(): void {
  whenUnauthorised(() => store.setState({ isRefused: true }));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && store.getState().isRefused) tryAgain();
  });
}
