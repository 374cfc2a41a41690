/** Lines of `codex exec --json`. */

import {
  isObject,
  type Json,
  listOf,
  numberOf,
  objectOf,
  pretty,
  type Says,
  spentOf,
  summaryOf,
  textOf,
} from "./items";

/** Returns what a line says; nothing when it is no line of this kind. */
export function saidByCodex(line: Json): Says[] | null {
  switch (line.type) {
    case "thread.started":
      return [{ kind: "start", agent: "Codex", facts: [["thread_id", textOf(line.thread_id)]] }];
    case "turn.started":
      return [];
    case "turn.completed": {
      const usage = objectOf(line.usage);
      const spent = spentOf({
        input: numberOf(usage.input_tokens),
        cached: numberOf(usage.cached_input_tokens),
        output: numberOf(usage.output_tokens),
        reasoning: numberOf(usage.reasoning_output_tokens),
      });
      return [{ kind: "result", isOk: true, label: "turn completed", text: "", spent }];
    }
    case "turn.failed":
      return [{ kind: "result", isOk: false, label: "turn failed", text: reasonOf(line.error), spent: {} }];
    case "error":
      // Lines of others that are called so say how bad it is.
      return typeof line.message === "string" && !("severity" in line)
        ? [{ kind: "error", text: reasonOf(line), isFinal: false }]
        : null;
    case "item.started":
    case "item.updated":
    case "item.completed":
      return isObject(line.item) ? ofItem(line.item, line.type) : null;
    default:
      return null;
  }
}

function ofItem(item: Json, event: string): Says[] {
  const id = textOf(item.id);
  const isDone = event === "item.completed";
  switch (item.type) {
    case "agent_message":
      return isDone ? [{ kind: "text", role: "assistant", text: textOf(item.text) }] : [];
    case "reasoning":
      return isDone ? [{ kind: "thinking", text: textOf(item.text) }] : [];
    case "error":
      return isDone ? [{ kind: "error", text: textOf(item.message), isFinal: false }] : [];
    case "command_execution":
      return ofTool(id, "shell", textOf(item.command), item, textOf(item.aggregated_output), event);
    case "mcp_tool_call": {
      const name = [textOf(item.server), textOf(item.tool)].filter(Boolean).join(" · ");
      return ofTool(id, name, textOf(item.arguments), item, textOf(item.result ?? item.error), event);
    }
    case "web_search":
      return ofTool(id, "web search", textOf(item.query), item, "", event);
    case "file_change": {
      const changes = listOf(item.changes).map((each) => {
        const change = objectOf(each);
        return `${textOf(change.kind)} ${textOf(change.path)}`;
      });
      return ofTool(id, "file change", changes.join("\n"), item, "", event);
    }
    case "todo_list": {
      const items = listOf(item.items).map((each) => {
        const todo = objectOf(each);
        return `${todo.completed === true ? "☑" : "☐"} ${textOf(todo.text)}`;
      });
      return isDone || event === "item.started"
        ? [{ kind: "note", label: "plan", text: items.join("\n") }]
        : [];
    }
    default:
      return isDone ? [{ kind: "json", label: `item ${textOf(item.type)}`, text: pretty(item) }] : [];
  }
}

function ofTool(id: string, name: string, input: string, item: Json, output: string, event: string): Says[] {
  const summary = summaryOf(input);
  if (event === "item.started") {
    return [{ kind: "tool", id, name, summary, input, state: "running", output: null }];
  }
  if (event === "item.updated") {
    return [];
  }
  const code = numberOf(item.exit_code);
  const isOk = item.status !== "failed" && (code === undefined || code === 0) && !isObject(item.error);
  const shown =
    code !== undefined && code !== 0
      ? `${output}${output.endsWith("\n") || output === "" ? "" : "\n"}exit code ${code}`
      : output;
  return [{ kind: "answered", id, output: shown, isOk, name, input, summary }];
}

/** Errors of the service come as JSON in a text. */
function reasonOf(error: unknown): string {
  const text = textOf(objectOf(error).message) || textOf(error);
  try {
    const inner = objectOf(JSON.parse(text));
    return textOf(objectOf(inner.error).message) || text;
  } catch {
    return text;
  }
}
