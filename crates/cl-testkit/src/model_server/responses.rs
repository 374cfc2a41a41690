//! `OpenAI` Responses.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{ErrorKind, EventStream, Reply, ReplyContext, event, halves};
use super::conversation::{Conversation, Entry, OfferedTool, elements, text_of};

pub(super) fn read(body: &Value) -> Conversation {
    let tools = elements(&body["tools"])
        .filter_map(|tool| {
            // Built-in tools and name spaces have no name or no parameters of their own.
            let schema = tool.get("parameters")?.clone();
            let name = tool["name"].as_str()?.to_owned();
            Some(OfferedTool { name, schema })
        })
        .collect();
    let instructions = Entry::System(text_of(&body["instructions"]));
    let input: Vec<Entry> = match &body["input"] {
        Value::String(prompt) => vec![Entry::User(prompt.clone())],
        items => elements(items).map(entry).collect(),
    };
    Conversation::from_entries(
        &body["model"],
        body["stream"] == json!(true),
        tools,
        std::iter::once(instructions).chain(input),
    )
}

fn entry(item: &Value) -> Entry {
    let kind = item["type"].as_str().unwrap_or("message");
    if kind.ends_with("_output") {
        return Entry::ToolResults {
            count: 1,
            text: String::new(),
        };
    }
    let text = text_of(&item["content"]);
    match (kind, item["role"].as_str()) {
        ("message", Some("user")) => Entry::User(text),
        ("message", Some("developer" | "system")) => Entry::System(text),
        _ => Entry::Model,
    }
}

/// The whole answer as one response object.
pub(super) fn response(reply: &Reply, ctx: &ReplyContext) -> Value {
    let mut response = envelope(ctx);
    response["status"] = json!("completed");
    response["output"] = json!([item(reply, ctx)]);
    response["usage"] = json!({
        "input_tokens": ctx.usage.input_tokens,
        "input_tokens_details": {"cached_tokens": ctx.usage.cached_tokens},
        "output_tokens": ctx.usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": ctx.usage.reasoning_tokens},
        "total_tokens": ctx.usage.total_tokens(),
    });
    response
}

/// The answer as events, numbered in order.
pub(super) fn events(reply: &Reply, ctx: &ReplyContext) -> EventStream {
    let mut numbered = Numbered { next: 0 };
    let mut opening = vec![
        numbered.event("response.created", json!({"response": envelope(ctx)})),
        numbered.event("response.in_progress", json!({"response": envelope(ctx)})),
    ];
    let item = item(reply, ctx);
    let mut rest = Vec::new();
    match reply {
        Reply::Text(text) => {
            let (first, second) = halves(text);
            opening.extend(text_opening(&mut numbered, &item, first));
            rest.extend(text_rest(&mut numbered, &item, text, second));
        }
        Reply::Call { .. } => {
            opening.extend(call_opening(&mut numbered, &item));
            rest.push(numbered.event(
                "response.function_call_arguments.done",
                json!({"item_id": item["id"], "output_index": 0, "arguments": item["arguments"]}),
            ));
        }
    }
    rest.push(numbered.event(
        "response.output_item.done",
        json!({"output_index": 0, "item": item}),
    ));
    let response = response(reply, ctx);
    rest.push(numbered.event("response.completed", json!({"response": response})));
    EventStream { opening, rest }
}

pub(super) fn error_event(ctx: &ReplyContext) -> Bytes {
    let mut response = envelope(ctx);
    response["status"] = json!("failed");
    response["error"] =
        json!({"code": "server_error", "message": "the stand-in failed on purpose"});
    // The number only has to be above those of the events before it.
    Numbered { next: 100 }.event("response.failed", json!({"response": response}))
}

/// The error body of both `OpenAI` protocols.
pub(super) fn error_body(kind: ErrorKind, message: &str) -> Value {
    let (kind, code) = match kind {
        ErrorKind::BadRequest => ("invalid_request_error", "invalid_request_error"),
        ErrorKind::Unauthorized => ("invalid_request_error", "invalid_api_key"),
        ErrorKind::Forbidden => ("invalid_request_error", "permission_denied"),
        ErrorKind::NotFound => ("invalid_request_error", "not_found"),
        ErrorKind::RateLimited => ("rate_limit_error", "rate_limit_exceeded"),
        ErrorKind::ServerError | ErrorKind::Overloaded => ("server_error", "server_error"),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

fn call_opening(numbered: &mut Numbered, item: &Value) -> [Bytes; 2] {
    let mut begun = item.clone();
    begun["arguments"] = json!("");
    begun["status"] = json!("in_progress");
    [
        numbered.event(
            "response.output_item.added",
            json!({"output_index": 0, "item": begun}),
        ),
        numbered.event(
            "response.function_call_arguments.delta",
            json!({"item_id": item["id"], "output_index": 0, "delta": item["arguments"]}),
        ),
    ]
}

fn text_opening(numbered: &mut Numbered, item: &Value, first: &str) -> [Bytes; 3] {
    let mut begun = item.clone();
    begun["content"] = json!([]);
    begun["status"] = json!("in_progress");
    let empty_part = json!({"type": "output_text", "text": "", "annotations": []});
    [
        numbered.event(
            "response.output_item.added",
            json!({"output_index": 0, "item": begun}),
        ),
        numbered.event(
            "response.content_part.added",
            place(item, "part", empty_part),
        ),
        numbered.event(
            "response.output_text.delta",
            place(item, "delta", json!(first)),
        ),
    ]
}

fn text_rest(numbered: &mut Numbered, item: &Value, text: &str, second: &str) -> [Bytes; 3] {
    let part = item["content"][0].clone();
    [
        numbered.event(
            "response.output_text.delta",
            place(item, "delta", json!(second)),
        ),
        numbered.event(
            "response.output_text.done",
            place(item, "text", json!(text)),
        ),
        numbered.event("response.content_part.done", place(item, "part", part)),
    ]
}

/// Event data about the first content of the first item.
fn place(item: &Value, key: &str, value: Value) -> Value {
    let mut data = json!({"item_id": item["id"], "output_index": 0, "content_index": 0});
    data[key] = value;
    data
}

fn item(reply: &Reply, ctx: &ReplyContext) -> Value {
    match reply {
        Reply::Text(text) => json!({
            "type": "message",
            "id": format!("msg_{:04}", ctx.number),
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Reply::Call { name, arguments } => json!({
            "type": "function_call",
            "id": format!("fc_{:04}", ctx.number),
            "call_id": format!("call_{:04}", ctx.number),
            "name": name,
            "arguments": arguments.to_string(),
            "status": "completed",
        }),
    }
}

/// The response before any of its output is known.
fn envelope(ctx: &ReplyContext) -> Value {
    json!({
        "id": format!("resp_{:04}", ctx.number),
        "object": "response",
        "created_at": 1,
        "status": "in_progress",
        "model": ctx.model,
        "output": [],
        "parallel_tool_calls": true,
        "tool_choice": "auto",
        "tools": [],
        "usage": null,
        "error": null,
    })
}

/// Makes events with a `sequence_number`.
struct Numbered {
    next: u32,
}

impl Numbered {
    fn event(&mut self, name: &str, mut data: Value) -> Bytes {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.next);
        self.next += 1;
        event(Some(name), &data)
    }
}
