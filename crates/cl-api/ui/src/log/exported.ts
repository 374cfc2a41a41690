/** What an agent said and did, as a Markdown document. */

import type { Item } from "./agent/items";

/** Writes items as Markdown; what the agent wrote stands as it is, everything else in blocks. */
export function exported(items: readonly Item[], title: string): string {
  return [`# ${title}`, ...items.map(one)]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n");
}

function one(item: Item): string {
  switch (item.kind) {
    case "text":
      return item.role === "user" ? `**User**\n\n${quoted(item.text)}` : item.text;
    case "thinking":
      return `*Thinking*\n\n${quoted(item.text)}`;
    case "tool": {
      const state = item.state === "failed" ? " (failed)" : item.state === "running" ? " (no result)" : "";
      const output = item.output ? `\n\n${fenced(item.output)}` : "";
      return `**${item.name}**${state}\n\n${fenced(item.input)}${output}`;
    }
    case "error":
      return `**Error**\n\n${fenced(item.text)}`;
    case "result":
      return `**${item.isOk ? "Result" : "Failed"}: ${item.label}**${item.text ? `\n\n${item.text}` : ""}`;
    case "start":
      return `**${item.agent} started**\n\n${item.facts.map(([key, value]) => `- ${key}: ${value}`).join("\n")}`;
    case "note":
      return `*${item.label}* ${item.text}`;
    case "json":
      return fenced(item.text);
    case "plain":
      return fenced(item.text);
    case "usage":
      return "";
  }
}

function quoted(text: string): string {
  return text
    .split("\n")
    .map((line) => `> ${line}`)
    .join("\n");
}

/** A block that its text cannot end. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}
