//! Decides what goes over the wire for a turn. Pure: no socket, no clock, no state.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::api::{AnswerTarget, Api};
use super::conversation::Conversation;
use super::script::{Fault, Turn, Usage};
use super::{anthropic, arguments, chat, gemini, responses};

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// What the text of a broken answer would have been.
const INTERRUPTED: &str = "This answer does not end well.";

/// The answer to requests on the side.
///
/// It is a JSON object in case the agent asked for one: the keys are those of title
/// requests and of Gemini's routing requests.
const ASIDE: &str = r#"{"title": "Stand-in", "reasoning": "scripted", "model_choice": "flash"}"#;

/// What the server does with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Sends a response.
    Send(Response),
    /// Closes the connection without a response.
    Reset,
    /// Keeps the connection open without a response.
    Never,
}

/// A response and how it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<Duration>,
    /// The announced length of the body, or `None` if it is sent in chunks.
    pub(super) length: Option<u64>,
    pub(super) pieces: Vec<Bytes>,
    pub(super) ending: Ending,
}

/// What follows the last piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// The connection is closed although more was announced.
    Cut,
    /// Nothing, for ever.
    Stall,
}

impl Response {
    /// A complete JSON response.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = Bytes::from(body.to_string());
        Self {
            status,
            content_type: JSON,
            retry_after: None,
            length: Some(body.len() as u64),
            pieces: vec![body],
            ending: Ending::Complete,
        }
    }

    fn events(pieces: Vec<Bytes>, ending: Ending) -> Self {
        Self {
            status: 200,
            content_type: EVENT_STREAM,
            retry_after: None,
            length: None,
            pieces,
            ending,
        }
    }

    /// Keeps the announced length and half of the body.
    fn halved(mut self, ending: Ending) -> Self {
        for piece in &mut self.pieces {
            piece.truncate(piece.len() / 2);
        }
        self.ending = ending;
        self
    }
}

/// The model's part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Text(String),
    Call { name: String, arguments: Value },
}

/// What every answer repeats from its request or the script.
#[derive(Debug, Clone)]
pub(super) struct ReplyContext {
    pub(super) model: String,
    /// Makes the ids of this server's answers distinct.
    pub(super) number: u64,
    pub(super) usage: Usage,
}

/// The events of an answer, divided where faults strike.
#[derive(Debug)]
pub(super) struct EventStream {
    /// Everything up to the first piece of content.
    pub(super) opening: Vec<Bytes>,
    pub(super) rest: Vec<Bytes>,
}

/// Kinds of errors the protocols have names for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    Overloaded,
}

impl ErrorKind {
    fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::BadRequest,
            _ => Self::ServerError,
        }
    }
}

/// Plans the answer to one request; no turn means a request on the side.
pub(super) fn plan(
    turn: Option<Turn>,
    target: &AnswerTarget,
    conversation: &Conversation,
    ctx: &ReplyContext,
) -> Answer {
    let api = target.api;
    let reply = match turn {
        None => Reply::Text(ASIDE.to_owned()),
        Some(Turn::Text(text)) => Reply::Text(text),
        Some(Turn::Tool { name, arguments }) => Reply::Call { name, arguments },
        Some(Turn::Shell(command)) => match conversation.shell_tool() {
            Some(tool) => Reply::Call {
                name: tool.name.clone(),
                arguments: arguments::shell_arguments(&tool.schema, &command),
            },
            None => return Answer::Send(no_shell(api)),
        },
        Some(Turn::Fault(fault)) => return plan_fault(&fault, api, conversation.streamed, ctx),
    };
    Answer::Send(if conversation.streamed {
        let EventStream { mut opening, rest } = events(api, &reply, ctx);
        opening.extend(rest);
        Response::events(opening, Ending::Complete)
    } else {
        Response::json(200, &whole(api, &reply, ctx))
    })
}

/// An error response in the form of the protocol.
pub(super) fn error(api: Api, status: u16, message: &str) -> Response {
    let kind = ErrorKind::of_status(status);
    let body = match api {
        Api::AnthropicMessages => anthropic::error_body(kind, message),
        Api::OpenAiResponses | Api::ChatCompletions => responses::error_body(kind, message),
        Api::Gemini => gemini::error_body(kind, status, message),
    };
    Response::json(status, &body)
}

/// The answer to a path nobody serves.
pub(super) fn not_found() -> Response {
    Response::json(
        404,
        &json!({"error": {"type": "not_found_error", "message": "the stand-in does not serve this"}}),
    )
}

/// The list of models: a single one, in the shape that all clients accept.
pub(super) fn models() -> Response {
    let model = json!({
        "id": "stand-in",
        "object": "model",
        "type": "model",
        "display_name": "Stand-in",
        "created": 1,
        "owned_by": "testkit",
    });
    Response::json(
        200,
        &json!({"object": "list", "data": [model], "models": []}),
    )
}

/// The number of tokens of a prompt, always the same.
pub(super) fn token_count(api: Api, usage: Usage) -> Response {
    let body = match api {
        Api::Gemini => json!({"totalTokens": usage.input_tokens}),
        _ => json!({"input_tokens": usage.input_tokens}),
    };
    Response::json(200, &body)
}

/// Formats one server-sent event.
pub(super) fn event(name: Option<&str>, data: &Value) -> Bytes {
    Bytes::from(match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    })
}

/// Divides a text into the two pieces it is streamed in.
pub(super) fn halves(text: &str) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(text.len() / 2))
}

fn plan_fault(fault: &Fault, api: Api, streamed: bool, ctx: &ReplyContext) -> Answer {
    let broken = match fault {
        Fault::Hang => return Answer::Never,
        Fault::Reset => return Answer::Reset,
        _ if streamed => broken_stream(fault, api, ctx),
        _ => broken_whole(fault, api, ctx),
    };
    Answer::Send(broken.unwrap_or_else(|| refused(fault, api)))
}

/// The faults that are an HTTP status.
fn refused(fault: &Fault, api: Api) -> Response {
    let (status, message) = match fault {
        Fault::BadRequest => (400, "prompt is too long"),
        Fault::Unauthorized => (401, "invalid x-api-key"),
        Fault::RateLimited { .. } => (429, "rate limited by the stand-in"),
        Fault::Overloaded | Fault::ErrorEvent => (529, "Overloaded"),
        Fault::Status { status, message } => (*status, message.as_str()),
        _ => (500, "the stand-in failed on purpose"),
    };
    let mut response = error(api, status, message);
    if let Fault::RateLimited { retry_after } = fault {
        response.retry_after = *retry_after;
    }
    response
}

/// The faults that strike inside of a stream.
fn broken_stream(fault: &Fault, api: Api, ctx: &ReplyContext) -> Option<Response> {
    let opening = || events(api, &Reply::Text(INTERRUPTED.to_owned()), ctx).opening;
    let opening_and = |last: Bytes| {
        let mut pieces = opening();
        pieces.push(last);
        pieces
    };
    let (pieces, ending) = match fault {
        Fault::CutStream => (opening(), Ending::Cut),
        Fault::Stall => (opening(), Ending::Stall),
        Fault::Garbage => (vec![web_page()], Ending::Complete),
        Fault::BrokenJson => (vec![broken_event(api)], Ending::Complete),
        Fault::BrokenJsonMidway => (opening_and(broken_event(api)), Ending::Complete),
        Fault::ErrorEvent => (opening_and(error_event(api, ctx)), Ending::Complete),
        _ => return None,
    };
    Some(Response::events(pieces, ending))
}

/// What becomes of the same faults when the answer is a single object.
fn broken_whole(fault: &Fault, api: Api, ctx: &ReplyContext) -> Option<Response> {
    let reply = Reply::Text(INTERRUPTED.to_owned());
    let answer = || Response::json(200, &whole(api, &reply, ctx));
    match fault {
        Fault::CutStream => Some(answer().halved(Ending::Cut)),
        Fault::Stall => Some(answer().halved(Ending::Stall)),
        Fault::BrokenJson | Fault::BrokenJsonMidway => {
            let mut broken = answer().halved(Ending::Complete);
            broken.length = None;
            Some(broken)
        }
        Fault::Garbage => {
            let mut page = Response::events(vec![web_page()], Ending::Complete);
            page.content_type = "text/html";
            Some(page)
        }
        _ => None,
    }
}

fn events(api: Api, reply: &Reply, ctx: &ReplyContext) -> EventStream {
    match api {
        Api::AnthropicMessages => anthropic::events(reply, ctx),
        Api::OpenAiResponses => responses::events(reply, ctx),
        Api::ChatCompletions => chat::events(reply, ctx),
        Api::Gemini => gemini::events(reply, ctx),
    }
}

fn whole(api: Api, reply: &Reply, ctx: &ReplyContext) -> Value {
    match api {
        Api::AnthropicMessages => anthropic::message(reply, ctx),
        Api::OpenAiResponses => responses::response(reply, ctx),
        Api::ChatCompletions => chat::completion(reply, ctx),
        Api::Gemini => gemini::response(reply, ctx),
    }
}

fn error_event(api: Api, ctx: &ReplyContext) -> Bytes {
    match api {
        Api::AnthropicMessages => anthropic::error_event(),
        Api::OpenAiResponses => responses::error_event(ctx),
        Api::ChatCompletions => chat::error_event(),
        Api::Gemini => gemini::error_event(),
    }
}

/// An event of the protocol whose data stops in the middle of a string.
fn broken_event(api: Api) -> Bytes {
    Bytes::from_static(match api {
        Api::AnthropicMessages => b"event: content_block_delta\ndata: {\"type\": \"content_blo\n\n",
        Api::OpenAiResponses => {
            b"event: response.output_item.done\ndata: {\"type\": \"response.outp\n\n"
        }
        Api::ChatCompletions => b"data: {\"choices\": [{\"del\n\n",
        Api::Gemini => b"data: {\"candidates\": [{\"con\n\n",
    })
}

fn web_page() -> Bytes {
    Bytes::from_static(b"<html><body>This is a web page, not an answer.</body></html>\n")
}

fn no_shell(api: Api) -> Response {
    error(
        api,
        400,
        "the script wants to run a command, but the request offers no shell tool",
    )
}

#[cfg(test)]
mod tests {
    use super::halves;

    #[test]
    fn halves_respect_characters() {
        assert_eq!(halves("abcd"), ("ab", "cd"));
        assert_eq!(halves("aé"), ("a", "é"));
        assert_eq!(halves(""), ("", ""));
    }
}
