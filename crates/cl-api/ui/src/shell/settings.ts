import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

/** What a user has chosen for himself; kept in this browser. */
export interface Settings {
  theme: "system" | "light" | "dark";
  /** Long lines of logs and code are wrapped. */
  wrap: boolean;
  /** Logs show when lines were written, where that is known. */
  timestamps: boolean;
  /** The width of the tree, in percent. */
  tree: number;
}

const KEY = "conductor.settings";
const usual: Settings = { theme: "system", wrap: true, timestamps: false, tree: 30 };

function read(): Settings {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>;
    const theme = kept.theme === "light" || kept.theme === "dark" ? kept.theme : "system";
    const tree = typeof kept.tree === "number" && kept.tree >= 10 && kept.tree <= 60 ? kept.tree : usual.tree;
    return { theme, wrap: kept.wrap !== false, timestamps: kept.timestamps === true, tree };
  } catch {
    return usual;
  }
}

const store = createStore<Settings>()(() => read());

export function useSettings(): Settings {
  return useStore(store);
}

export function getSettings(): Settings {
  return store.getState();
}

/** Changes settings, here and in other tabs. */
export function changeSettings(change: Partial<Settings>): void {
  store.setState(change);
  try {
    localStorage.setItem(KEY, JSON.stringify(store.getState()));
  } catch {
    // Then they hold as long as this page does.
  }
  applyTheme();
}

/** Whether the page is dark now. */
export function isDark(): boolean {
  const { theme } = store.getState();
  if (theme !== "system") return theme === "dark";
  return typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: dark)").matches;
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

/** Follows the system and other tabs. */
export function followSettings(): void {
  applyTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
  addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    store.setState(read());
    applyTheme();
  });
}
