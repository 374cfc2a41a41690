//! Gemini.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{ErrorKind, EventStream, Reply, ReplyContext, event, halves};
use super::api::GeminiPath;
use super::conversation::{Conversation, Entry, OfferedTool, elements, text_of};

pub(super) fn read(body: &Value, path: Option<&GeminiPath>) -> Conversation {
    let tools = elements(&body["tools"])
        .flat_map(|group| elements(&group["functionDeclarations"]))
        .filter_map(|function| {
            let schema = function
                .get("parametersJsonSchema")
                .unwrap_or(&function["parameters"]);
            Some(OfferedTool {
                name: function["name"].as_str()?.to_owned(),
                schema: schema.clone(),
            })
        })
        .collect();
    let system = Entry::System(text_of(&body["systemInstruction"]["parts"]));
    let contents = elements(&body["contents"]).map(entry);
    Conversation::from_entries(
        &json!(path.map(|path| path.model.as_str())),
        path.is_some_and(|path| path.streamed),
        tools,
        std::iter::once(system).chain(contents),
    )
}

/// Results of tools come in contents of the user.
fn entry(content: &Value) -> Entry {
    if content["role"] == "model" {
        return Entry::Model;
    }
    let text = text_of(&content["parts"]);
    let count = elements(&content["parts"])
        .filter(|part| part.get("functionResponse").is_some())
        .count();
    match count {
        0 => Entry::User(text),
        _ => Entry::ToolResults { count, text },
    }
}

/// The whole answer as one object.
pub(super) fn response(reply: &Reply, ctx: &ReplyContext) -> Value {
    let part = match reply {
        Reply::Text(text) => json!({"text": text}),
        Reply::Call { name, arguments } => {
            json!({"functionCall": {"name": name, "args": arguments}})
        }
    };
    last_candidate(ctx, &part)
}

/// The answer as events. The last one alone has a finish reason and the usage.
pub(super) fn events(reply: &Reply, ctx: &ReplyContext) -> EventStream {
    let (first, last) = match reply {
        Reply::Text(text) => {
            let (first, second) = halves(text);
            (first, json!({"text": second}))
        }
        Reply::Call { name, arguments } => (
            "I will call a tool.",
            json!({"functionCall": {"name": name, "args": arguments}}),
        ),
    };
    EventStream {
        opening: vec![event(None, &candidate(ctx, &json!({"text": first})))],
        rest: vec![event(None, &last_candidate(ctx, &last))],
    }
}

pub(super) fn error_body(kind: ErrorKind, status: u16, message: &str) -> Value {
    let name = match kind {
        ErrorKind::BadRequest => "INVALID_ARGUMENT",
        ErrorKind::Unauthorized => "UNAUTHENTICATED",
        ErrorKind::Forbidden => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::RateLimited => "RESOURCE_EXHAUSTED",
        ErrorKind::ServerError => "INTERNAL",
        ErrorKind::Overloaded => "UNAVAILABLE",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}

pub(super) fn error_event() -> Bytes {
    let body = error_body(
        ErrorKind::ServerError,
        500,
        "the stand-in failed on purpose",
    );
    event(None, &body)
}

fn candidate(ctx: &ReplyContext, part: &Value) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}],
        "modelVersion": ctx.model,
        "responseId": format!("r{}", ctx.number),
    })
}

fn last_candidate(ctx: &ReplyContext, part: &Value) -> Value {
    let usage = ctx.usage;
    let mut response = candidate(ctx, part);
    response["candidates"][0]["finishReason"] = json!("STOP");
    response["usageMetadata"] = json!({
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens.saturating_sub(usage.reasoning_tokens),
        "totalTokenCount": usage.total_tokens(),
        "cachedContentTokenCount": usage.cached_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
    });
    response
}
