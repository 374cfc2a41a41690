/** Lines of `claude --output-format stream-json`, and of agents that speak alike. */

import { formatDate } from "../../parts/time";
import {
  isObject,
  type Json,
  listOf,
  numberOf,
  objectOf,
  pretty,
  type Said,
  type Says,
  spentOf,
  summaryOf,
  textOf,
} from "./items";

/** Returns what a line says; nothing when it is no line of this kind. */
export function saidByClaude(line: Json): Says[] | null {
  const nested = typeof line.parent_tool_use_id === "string" ? ({ isNested: true } as const) : {};
  switch (line.type) {
    case "system":
      return "subtype" in line ? ofSystem(line) : null;
    case "assistant":
      return isObject(line.message)
        ? ofAssistant(line, line.message).map((said) => ({ ...said, ...nested }))
        : null;
    case "user":
      return isObject(line.message) ? ofUser(line.message).map((said) => ({ ...said, ...nested })) : null;
    case "stream_event":
      // Pieces of what the line of the whole message says again.
      return [];
    case "result":
      return "subtype" in line ? [ofResult(line)] : null;
    case "rate_limit_event":
      return [{ kind: "note", label: "rate limit", text: windowText(line.rate_limit_info ?? line) }];
    default:
      return null;
  }
}

/** How much of a usage window is used, in words where all is there that they need. */
function windowText(about: unknown): string {
  if (!isObject(about)) return textOf(about);
  const { rateLimitType: window, utilization: used, resetsAt: at } = about;
  if (typeof window !== "string" || typeof used !== "number" || typeof at !== "number") return textOf(about);
  const until = formatDate(new Date(at * 1000));
  return `${Math.round(used * 100)} % of the ${window.replaceAll("_", " ")} window used, until ${until}`;
}

function ofSystem(line: Json): Says[] {
  switch (line.subtype) {
    case "init": {
      const facts: [string, string][] = [];
      for (const key of [
        "model",
        "cwd",
        "session_id",
        "permissionMode",
        "claude_code_version",
        "qwen_code_version",
      ]) {
        if (typeof line[key] === "string") {
          facts.push([key, line[key]]);
        }
      }
      const tools = listOf(line.tools).map(textOf);
      if (tools.length > 0) {
        facts.push(["tools", tools.join(", ")]);
      }
      const servers = listOf(line.mcp_servers).map((server) => {
        const { name, status } = objectOf(server);
        return `${textOf(name)} (${textOf(status)})`;
      });
      if (servers.length > 0) {
        facts.push(["mcp_servers", servers.join(", ")]);
      }
      return [{ kind: "start", agent: "qwen_code_version" in line ? "Qwen Code" : "Claude Code", facts }];
    }
    case "api_retry": {
      const status = line.error_status === null ? "no answer" : textOf(line.error_status);
      const wait = Math.round((numberOf(line.retry_delay_ms) ?? 0) / 100) / 10;
      const text = `${textOf(line.error)} (${status}), try ${textOf(line.attempt)} of ${textOf(line.max_retries)}, again in ${wait} s`;
      return [{ kind: "error", text, isFinal: false }];
    }
    case "permission_denied":
      return [
        { kind: "error", text: `${textOf(line.tool_name)} denied: ${textOf(line.message)}`, isFinal: false },
      ];
    case "task_started":
      return [{ kind: "note", label: "task started", text: textOf(line.description) }];
    case "task_notification":
      return [{ kind: "note", label: `task ${textOf(line.status)}`, text: textOf(line.summary) }];
    case "status":
      return [];
    default:
      return [{ kind: "json", label: `system ${textOf(line.subtype)}`, text: pretty(line) }];
  }
}

function ofAssistant(line: Json, message: Json): Said[] {
  if (line.error !== undefined && line.error !== null) {
    const text = listOf(message.content)
      .map((block) => textOf(objectOf(block).text))
      .join("\n");
    return [{ kind: "error", text: text || textOf(line.error), isFinal: false }];
  }
  return contentOf(message).map((each): Said => {
    const block = objectOf(each);
    switch (block.type) {
      case "text":
        return { kind: "text", role: "assistant", text: textOf(block.text) };
      case "thinking":
        return { kind: "thinking", text: textOf(block.thinking) };
      case "redacted_thinking":
        return { kind: "thinking", text: "(not shown by the model)" };
      case "tool_use":
      case "server_tool_use":
        return {
          kind: "tool",
          id: textOf(block.id),
          name: textOf(block.name),
          summary: summaryOf(block.input),
          input: textOf(block.input),
          state: "running",
          output: null,
        };
      default:
        return { kind: "json", label: `assistant ${textOf(block.type)}`, text: pretty(block) };
    }
  });
}

function ofUser(message: Json): Says[] {
  return contentOf(message).map((each): Says => {
    const block = objectOf(each);
    if (block.type === "text") {
      return { kind: "text", role: "user", text: textOf(block.text) };
    }
    if (block.type === "tool_result") {
      return {
        kind: "answered",
        id: textOf(block.tool_use_id),
        output: outputOf(block.content),
        isOk: block.is_error !== true,
      };
    }
    return { kind: "json", label: `user ${textOf(block.type)}`, text: pretty(block) };
  });
}

function contentOf(message: Json): readonly unknown[] {
  return typeof message.content === "string"
    ? [{ type: "text", text: message.content }]
    : listOf(message.content);
}

function outputOf(content: unknown): string {
  if (!Array.isArray(content)) {
    return textOf(content);
  }
  const parts = content.map((each) => {
    const block = objectOf(each);
    return block.type === "text" ? textOf(block.text) : block.type === "image" ? "(an image)" : pretty(each);
  });
  return parts.join("\n");
}

function ofResult(line: Json): Said {
  const usage = objectOf(line.usage);
  const isOk = line.is_error !== true && line.subtype === "success";
  const errors = listOf(line.errors).map(textOf).join("\n");
  return {
    kind: "result",
    isOk,
    label: isOk
      ? "finished"
      : textOf(line.subtype === "success" ? (line.api_error_status ?? "error") : line.subtype),
    text: textOf(line.result) || errors,
    spent: spentOf({
      input: numberOf(usage.input_tokens),
      cached: numberOf(usage.cache_read_input_tokens),
      output: numberOf(usage.output_tokens),
      costUsd: numberOf(line.total_cost_usd),
      durationMs: numberOf(line.duration_ms),
      turns: numberOf(line.num_turns),
    }),
  };
}
