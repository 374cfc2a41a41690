//! Anthropic Messages.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{ErrorKind, EventStream, Reply, ReplyContext, event, halves};
use super::conversation::{Conversation, Entry, OfferedTool, elements, text_of};
use super::script::Usage;

pub(super) fn read(body: &Value) -> Conversation {
    let tools = elements(&body["tools"])
        .filter_map(|tool| {
            Some(OfferedTool {
                name: tool["name"].as_str()?.to_owned(),
                schema: tool["input_schema"].clone(),
            })
        })
        .collect();
    let system = Entry::System(text_of(&body["system"]));
    let messages = elements(&body["messages"]).map(entry);
    Conversation::from_entries(
        &body["model"],
        body["stream"] == json!(true),
        tools,
        std::iter::once(system).chain(messages),
    )
}

/// Results of tools come in messages of the user.
fn entry(message: &Value) -> Entry {
    let text = text_of(&message["content"]);
    match message["role"].as_str() {
        Some("user") => {
            let count = elements(&message["content"])
                .filter(|part| part["type"] == "tool_result")
                .count();
            match count {
                0 => Entry::User(text),
                _ => Entry::ToolResults { count, text },
            }
        }
        Some("system") => Entry::System(text),
        _ => Entry::Model,
    }
}

/// The whole answer as one message.
pub(super) fn message(reply: &Reply, ctx: &ReplyContext) -> Value {
    let content: Vec<Value> = match reply {
        Reply::Text(text) => vec![json!({"type": "text", "text": text})],
        Reply::Call { name, arguments } => vec![json!({
            "type": "tool_use",
            "id": call_id(ctx),
            "name": name,
            "input": arguments,
        })],
    };
    let mut message = envelope(ctx);
    message["content"] = Value::Array(content);
    message["stop_reason"] = json!(stop_reason(reply));
    message["usage"]["output_tokens"] = json!(ctx.usage.output_tokens);
    message
}

/// The answer as events. A tool call is announced by a text, as the service does.
pub(super) fn events(reply: &Reply, ctx: &ReplyContext) -> EventStream {
    let (text, call) = match reply {
        Reply::Text(text) => (text.as_str(), None),
        Reply::Call { name, arguments } => ("I will call a tool.", Some((name, arguments))),
    };
    let (first, second) = halves(text);
    let opening = vec![
        typed("message_start", json!({"message": envelope(ctx)})),
        typed("ping", json!({})),
        typed(
            "content_block_start",
            json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        text_delta(first),
    ];
    let mut rest = vec![
        text_delta(second),
        typed("content_block_stop", json!({"index": 0})),
    ];
    if let Some((name, arguments)) = call {
        rest.extend(call_events(name, arguments, ctx));
    }
    rest.push(typed(
        "message_delta",
        json!({
            "delta": {"stop_reason": stop_reason(reply), "stop_sequence": null},
            "usage": {"output_tokens": ctx.usage.output_tokens},
        }),
    ));
    rest.push(typed("message_stop", json!({})));
    EventStream { opening, rest }
}

pub(super) fn error_body(kind: ErrorKind, message: &str) -> Value {
    let kind = match kind {
        ErrorKind::BadRequest => "invalid_request_error",
        ErrorKind::Unauthorized => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::ServerError => "api_error",
        ErrorKind::Overloaded => "overloaded_error",
    };
    json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_stand_in",
    })
}

pub(super) fn error_event() -> Bytes {
    event(
        Some("error"),
        &error_body(ErrorKind::Overloaded, "Overloaded"),
    )
}

fn call_events(name: &str, arguments: &Value, ctx: &ReplyContext) -> [Bytes; 3] {
    [
        typed(
            "content_block_start",
            json!({
                "index": 1,
                "content_block": {"type": "tool_use", "id": call_id(ctx), "name": name, "input": {}},
            }),
        ),
        typed(
            "content_block_delta",
            json!({
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": arguments.to_string()},
            }),
        ),
        typed("content_block_stop", json!({"index": 1})),
    ]
}

/// The message before any of its content is known.
fn envelope(ctx: &ReplyContext) -> Value {
    let Usage {
        input_tokens,
        cached_tokens,
        ..
    } = ctx.usage;
    json!({
        "id": format!("msg_{:04}", ctx.number),
        "type": "message",
        "role": "assistant",
        "model": ctx.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": input_tokens.saturating_sub(cached_tokens),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached_tokens,
            "output_tokens": 1,
        },
    })
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text(_) => "end_turn",
        Reply::Call { .. } => "tool_use",
    }
}

fn call_id(ctx: &ReplyContext) -> String {
    format!("toolu_{:04}", ctx.number)
}

fn text_delta(text: &str) -> Bytes {
    typed(
        "content_block_delta",
        json!({"index": 0, "delta": {"type": "text_delta", "text": text}}),
    )
}

/// An event whose data repeats its name as `type`.
fn typed(name: &str, mut data: Value) -> Bytes {
    data["type"] = json!(name);
    event(Some(name), &data)
}
