import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

/** Which dialog of the page is open; there is one at a time. */
export type DialogName = "new-task" | "new-project" | "palette" | "shortcuts" | "settings";

const store = createStore<{ open: DialogName | undefined }>()(() => ({ open: undefined }));

export function openDialog(name: DialogName): void {
  store.setState({ open: name });
}

export function closeDialog(): void {
  store.setState({ open: undefined });
}

export function useOpenDialog(): DialogName | undefined {
  return useStore(store, (state) => state.open);
}
