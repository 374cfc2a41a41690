import { useCallback, useMemo, useState } from "react";
import {
  type Choices,
  type Filter,
  noChoices,
  type Selection,
  type Shown,
  settle,
  shown,
  type TreeRow,
} from "./rows";

/** What was chosen in each project; it outlives the tree, which is made anew for another project. */
const kept = new Map<string, Choices>();

/** The rows that are shown, and a way to open and close them. */
export function useChoices(
  project: string,
  rows: readonly TreeRow[],
  filter: Filter,
  selection: Selection,
): { list: Shown[]; choices: Choices; toggle: (row: Shown) => void } {
  const [state, setState] = useState(() => ({
    rows: undefined as readonly TreeRow[] | undefined,
    selection: {} as Selection,
    choices: kept.get(project) ?? noChoices,
  }));
  let { choices } = state;
  if (state.rows !== rows || state.selection !== selection) {
    choices = settle(rows, choices, selection, state.selection !== selection);
    kept.set(project, choices);
    setState({ rows, selection, choices });
  }
  const toggle = useCallback(
    (row: Shown) => {
      if (row.open === undefined) return;
      setState((state) => {
        const { choices } = state;
        const next: Choices =
          row.kind === "section"
            ? { ...choices, section: !row.open }
            : { ...choices, toggled: new Map(choices.toggled).set(row.key, !row.open) };
        kept.set(project, next);
        return { ...state, choices: next };
      });
    },
    [project],
  );
  const list = useMemo(() => shown(rows, choices, filter, selection), [rows, choices, filter, selection]);
  return { list, choices, toggle };
}
