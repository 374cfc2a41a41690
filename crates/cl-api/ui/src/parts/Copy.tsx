import { Check, Copy as CopyIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { IconButton } from "./Button";

/** Puts text on the clipboard; says so for a moment. */
export function Copy({
  text,
  what = "this",
}: {
  text: string | (() => string | Promise<string>);
  what?: string;
}) {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [isDone]);
  const copy = async () => {
    await writeClipboard(typeof text === "string" ? text : await text());
    setDone(true);
  };
  return (
    <IconButton label={isDone ? "Copied" : `Copy ${what}`} onClick={() => void copy().catch(() => {})}>
      {isDone ? <Check size={14} color="var(--ok)" /> : <CopyIcon size={14} />}
    </IconButton>
  );
}

/** Also works where the page was not loaded over a secure connection. */
export async function writeClipboard(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
