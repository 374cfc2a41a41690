/**
 * Stands for the package `react-style-singleton`, through which Radix locks scrolling. That one
 * makes <style> elements, which the policy of the server refuses; constructed sheets are allowed.
 */
import { useEffect } from "react";

const users = new Map<string, { sheet: CSSStyleSheet; count: number }>();

function add(styles: string): void {
  const known = users.get(styles);
  if (known) {
    known.count += 1;
    return;
  }
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  users.set(styles, { sheet, count: 1 });
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

function remove(styles: string): void {
  const known = users.get(styles);
  if (!known) return;
  known.count -= 1;
  if (known.count > 0) return;
  users.delete(styles);
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== known.sheet);
}

/** Returns a component that applies its `styles` as long as it is there. */
export function styleSingleton() {
  // biome-ignore lint/correctness/noComponentHookFactories: as in the original, made once per module
  return function Sheet({ styles, dynamic = false }: { styles: string; dynamic?: boolean }) {
    // biome-ignore lint/correctness/useExhaustiveDependencies: as in the original, only dynamic styles change
    useEffect(() => {
      add(styles);
      return () => remove(styles);
    }, [styles && dynamic]);
    return null;
  };
}

export const stylesheetSingleton = () => {
  let last = "";
  return {
    add(styles: string) {
      last = styles;
      add(styles);
    },
    remove: () => remove(last),
  };
};

export const styleHookSingleton = () => (styles: string) => {
  useEffect(() => {
    add(styles);
    return () => remove(styles);
  }, [styles]);
};
