//! `OpenAI` Chat Completions, also spoken by other services.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{ErrorKind, EventStream, Reply, ReplyContext, event, halves};
use super::conversation::{Conversation, Entry, OfferedTool, elements, text_of};
use super::responses;

pub(super) fn read(body: &Value) -> Conversation {
    let tools = elements(&body["tools"])
        .filter_map(|tool| {
            let function = &tool["function"];
            Some(OfferedTool {
                name: function["name"].as_str()?.to_owned(),
                schema: function["parameters"].clone(),
            })
        })
        .collect();
    Conversation::from_entries(
        &body["model"],
        body["stream"] == json!(true),
        tools,
        elements(&body["messages"]).map(entry),
    )
}

fn entry(message: &Value) -> Entry {
    let text = text_of(&message["content"]);
    match message["role"].as_str() {
        Some("user") => Entry::User(text),
        Some("system" | "developer") => Entry::System(text),
        Some("tool") => Entry::ToolResults {
            count: 1,
            text: String::new(),
        },
        _ => Entry::Model,
    }
}

/// The whole answer as one completion.
pub(super) fn completion(reply: &Reply, ctx: &ReplyContext) -> Value {
    let message = match reply {
        Reply::Text(text) => json!({"role": "assistant", "content": text}),
        Reply::Call { name, arguments } => json!({
            "role": "assistant",
            "content": null,
            "tool_calls": [{
                "id": call_id(ctx),
                "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()},
            }],
        }),
    };
    let mut completion = envelope(ctx, "chat.completion");
    completion["choices"] =
        json!([{"index": 0, "message": message, "finish_reason": finish_reason(reply)}]);
    completion["usage"] = usage(ctx);
    completion
}

/// The answer as chunks: role, pieces, finish reason, usage, end mark.
pub(super) fn events(reply: &Reply, ctx: &ReplyContext) -> EventStream {
    let mut opening = vec![chunk(
        ctx,
        &json!({"role": "assistant", "content": ""}),
        None,
    )];
    let mut rest = Vec::new();
    match reply {
        Reply::Text(text) => {
            let (first, second) = halves(text);
            opening.push(chunk(ctx, &json!({"content": first}), None));
            rest.push(chunk(ctx, &json!({"content": second}), None));
        }
        Reply::Call { name, arguments } => {
            let announced = json!({
                "index": 0,
                "id": call_id(ctx),
                "type": "function",
                "function": {"name": name, "arguments": ""},
            });
            opening.push(chunk(ctx, &json!({"tool_calls": [announced]}), None));
            let filled = json!({"index": 0, "function": {"arguments": arguments.to_string()}});
            rest.push(chunk(ctx, &json!({"tool_calls": [filled]}), None));
        }
    }
    rest.push(chunk(ctx, &json!({}), Some(finish_reason(reply))));
    let mut last = envelope(ctx, "chat.completion.chunk");
    last["choices"] = json!([]);
    last["usage"] = usage(ctx);
    rest.push(event(None, &last));
    rest.push(Bytes::from_static(b"data: [DONE]\n\n"));
    EventStream { opening, rest }
}

pub(super) fn error_event() -> Bytes {
    let body = responses::error_body(ErrorKind::ServerError, "the stand-in failed on purpose");
    event(None, &body)
}

fn chunk(ctx: &ReplyContext, delta: &Value, finish_reason: Option<&str>) -> Bytes {
    let mut chunk = envelope(ctx, "chat.completion.chunk");
    chunk["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish_reason}]);
    event(None, &chunk)
}

fn envelope(ctx: &ReplyContext, object: &str) -> Value {
    let mut envelope = json!({
        "id": format!("chatcmpl-{:04}", ctx.number),
        "object": object,
        "created": 1,
        "model": ctx.model,
    });
    if ctx.model.starts_with("sonar") {
        // Perplexity names its sources beside the choices, in every object.
        envelope["citations"] = json!(["https://example.com/a", "https://example.com/b"]);
    }
    envelope
}

fn usage(ctx: &ReplyContext) -> Value {
    json!({
        "prompt_tokens": ctx.usage.input_tokens,
        "completion_tokens": ctx.usage.output_tokens,
        "total_tokens": ctx.usage.total_tokens(),
        "prompt_tokens_details": {"cached_tokens": ctx.usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": ctx.usage.reasoning_tokens},
    })
}

fn finish_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text(_) => "stop",
        Reply::Call { .. } => "tool_calls",
    }
}

fn call_id(ctx: &ReplyContext) -> String {
    format!("call_{:04}", ctx.number)
}
