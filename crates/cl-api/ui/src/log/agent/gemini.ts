/** Lines of `gemini --output-format stream-json`. */

import { isObject, type Json, numberOf, objectOf, type Says, spentOf, summaryOf, textOf } from "./items";

/** Returns what a line says; nothing when it is no line of this kind. */
export function saidByGemini(line: Json): Says[] | null {
  switch (line.type) {
    case "init": {
      const facts = (["model", "session_id"] as const)
        .filter((key) => typeof line[key] === "string")
        .map((key) => [key, textOf(line[key])] as const);
      return [{ kind: "start", agent: "Gemini CLI", facts }];
    }
    case "message": {
      if (typeof line.content !== "string") {
        return null;
      }
      const role = line.role === "user" ? "user" : "assistant";
      return [
        line.delta === true
          ? { kind: "more", role, text: line.content }
          : { kind: "text", role, text: line.content },
      ];
    }
    case "thought":
      return [{ kind: "thinking", text: textOf(line.content ?? line.text) }];
    case "tool_use":
      return "tool_id" in line
        ? [
            {
              kind: "tool",
              id: textOf(line.tool_id),
              name: textOf(line.tool_name),
              summary: summaryOf(line.parameters),
              input: textOf(line.parameters),
              state: "running",
              output: null,
            },
          ]
        : null;
    case "tool_result": {
      const output = textOf(line.output) || textOf(objectOf(line.error).message);
      return "tool_id" in line
        ? [{ kind: "answered", id: textOf(line.tool_id), output, isOk: line.status !== "error" }]
        : null;
    }
    case "error":
      return typeof line.message === "string"
        ? [{ kind: "error", text: line.message, isFinal: false }]
        : null;
    case "result": {
      if (!isObject(line.stats) && line.status === undefined) {
        return null;
      }
      const stats = objectOf(line.stats);
      const isOk = line.status === "success";
      return [
        {
          kind: "result",
          isOk,
          label: isOk ? "finished" : "failed",
          text: textOf(objectOf(line.error).message),
          spent: spentOf({
            input: numberOf(stats.input_tokens),
            cached: numberOf(stats.cached),
            output: numberOf(stats.output_tokens),
            durationMs: numberOf(stats.duration_ms),
          }),
        },
      ];
    }
    default:
      return null;
  }
}
