//! A client without any library: what it reads is what was on the wire.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Api, ModelServer, Script};

/// Far longer than any answer takes; only a failing test waits so long.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

pub(super) const ALL_APIS: [Api; 4] = [
    Api::AnthropicMessages,
    Api::OpenAiResponses,
    Api::ChatCompletions,
    Api::Gemini,
];

/// The whole of what came back on a connection of its own.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
    /// Whether the body was as long as its head or its last chunk announced.
    pub(super) complete: bool,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// Names (empty where there is none) and data of the events.
    pub(super) fn events(&self) -> Vec<(String, Value)> {
        let blocks = self.body.split("\n\n").filter(|block| !block.is_empty());
        let events = blocks.map(|block| {
            let mut name = String::new();
            let mut data = Value::Null;
            for line in block.lines() {
                if let Some(found) = line.strip_prefix("event: ") {
                    found.clone_into(&mut name);
                } else if let Some(found) = line.strip_prefix("data: ") {
                    data = serde_json::from_str(found).unwrap_or_else(|_| json!(found));
                }
            }
            (name, data)
        });
        events.collect()
    }

    pub(super) fn event_names(&self) -> Vec<String> {
        self.events().into_iter().map(|(name, _)| name).collect()
    }
}

pub(super) fn start(script: Script) -> ModelServer {
    ModelServer::start(script).expect("a loopback port is free")
}

pub(super) fn connect(server: &ModelServer, method: &str, path: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the timeout is not zero");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // A server that refuses a long body may close before all of it is sent.
    drop(stream.write_all(body));
    stream
}

pub(super) fn receive(mut stream: TcpStream) -> Answered {
    let mut raw = Vec::new();
    // A connection that is cut may end in a reset.
    if let Err(error) = stream.read_to_end(&mut raw) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    let raw = String::from_utf8(raw).expect("text");
    let Some((head, rest)) = raw.split_once("\r\n\r\n") else {
        return Answered {
            status: 0,
            head: raw,
            body: String::new(),
            complete: false,
        };
    };
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (body, complete) = if head.contains("transfer-encoding: chunked") {
        unchunk(rest)
    } else {
        let announced = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        (rest.to_owned(), rest.len() == announced)
    };
    Answered {
        status: status.expect("a status"),
        head: head.to_owned(),
        body,
        complete,
    }
}

fn unchunk(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        if size == 0 {
            return (body, true);
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    (body, false)
}

pub(super) fn ask(server: &ModelServer, api: Api, question: &Question) -> Answered {
    let body = question.body(api).to_string();
    receive(connect(
        server,
        "POST",
        &question.path(api),
        body.as_bytes(),
    ))
}

/// A request as an agent would make it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) prompt: &'a str,
    pub(super) streamed: bool,
    pub(super) with_shell: bool,
    pub(super) tool_results: usize,
}

impl Default for Question<'_> {
    fn default() -> Self {
        Self {
            prompt: "do it",
            streamed: false,
            with_shell: true,
            tool_results: 0,
        }
    }
}

impl Question<'_> {
    pub(super) fn path(&self, api: Api) -> String {
        match api {
            Api::AnthropicMessages => "/v1/messages?beta=true".to_owned(),
            Api::OpenAiResponses => "/v1/responses".to_owned(),
            Api::ChatCompletions => "/v1/chat/completions".to_owned(),
            Api::Gemini if self.streamed => {
                "/v1beta/models/m:streamGenerateContent?alt=sse".to_owned()
            }
            Api::Gemini => "/v1beta/models/m:generateContent".to_owned(),
        }
    }

    pub(super) fn body(&self, api: Api) -> Value {
        let schema = |command: &str| {
            json!({
                "type": "object",
                "properties": {
                    command: {"type": "string"},
                    "description": {"type": "string"},
                    "timeout": {"type": "number"},
                },
                "required": [command, "description"],
            })
        };
        let (mut body, tools) = match api {
            Api::AnthropicMessages => (
                json!({"model": "m", "messages": self.messages(
                    json!({"role": "user", "content": [{"type": "text", "text": self.prompt}]}),
                    &json!({"role": "assistant", "content": [{"type": "tool_use"}]}),
                    &json!({"role": "user", "content": [{"type": "tool_result", "content": "ok"}]}),
                )}),
                json!([{"name": "Read"}, {"name": "Bash", "input_schema": schema("command")}]),
            ),
            Api::OpenAiResponses => (
                json!({"model": "m", "input": self.messages(
                    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": self.prompt}]}),
                    &json!({"type": "function_call", "name": "exec_command"}),
                    &json!({"type": "function_call_output", "output": "ok"}),
                )}),
                json!([
                    {"type": "web_search"},
                    {"type": "function", "name": "exec_command", "parameters": schema("cmd")},
                ]),
            ),
            Api::ChatCompletions => (
                json!({"model": "m", "messages": self.messages(
                    json!({"role": "user", "content": self.prompt}),
                    &json!({"role": "assistant", "tool_calls": []}),
                    &json!({"role": "tool", "content": "ok"}),
                )}),
                json!([{"type": "function", "function": {"name": "bash", "parameters": schema("command")}}]),
            ),
            Api::Gemini => (
                json!({"contents": self.messages(
                    json!({"role": "user", "parts": [{"text": self.prompt}]}),
                    &json!({"role": "model", "parts": [{"functionCall": {}}]}),
                    &json!({"role": "user", "parts": [{"functionResponse": {}}]}),
                )}),
                json!([{"functionDeclarations": [
                    {"name": "run_shell_command", "parametersJsonSchema": schema("command")},
                ]}]),
            ),
        };
        if self.streamed && api != Api::Gemini {
            body["stream"] = json!(true);
        }
        if self.with_shell {
            body["tools"] = tools;
        }
        body
    }

    fn messages(&self, prompt: Value, call: &Value, result: &Value) -> Value {
        let mut messages = vec![prompt];
        for _ in 0..self.tool_results {
            messages.extend([call.clone(), result.clone()]);
        }
        Value::Array(messages)
    }
}

/// The text of an answer in any protocol, streamed or not.
pub(super) fn text_of(api: Api, answered: &Answered) -> String {
    if answered.head.contains("text/event-stream") {
        let pieces = answered.events().into_iter().filter_map(|(_, data)| {
            let piece = match api {
                Api::AnthropicMessages => &data["delta"]["text"],
                Api::OpenAiResponses if data["type"] == "response.output_text.delta" => {
                    &data["delta"]
                }
                Api::OpenAiResponses => return None,
                Api::ChatCompletions => &data["choices"][0]["delta"]["content"],
                Api::Gemini => &data["candidates"][0]["content"]["parts"][0]["text"],
            };
            piece.as_str().map(str::to_owned)
        });
        return pieces.collect();
    }
    let body = answered.json();
    let text = match api {
        Api::AnthropicMessages => &body["content"][0]["text"],
        Api::OpenAiResponses => &body["output"][0]["content"][0]["text"],
        Api::ChatCompletions => &body["choices"][0]["message"]["content"],
        Api::Gemini => &body["candidates"][0]["content"]["parts"][0]["text"],
    };
    text.as_str().unwrap_or_default().to_owned()
}

/// Name and arguments of the tool call of an answer.
pub(super) fn call_of(api: Api, answered: &Answered) -> (String, Value) {
    let parsed = |text: &Value| serde_json::from_str(text.as_str().unwrap_or("null"));
    let found = if answered.head.contains("text/event-stream") {
        let events: Vec<Value> = answered
            .events()
            .into_iter()
            .map(|(_, data)| data)
            .collect();
        let event = |pointer: &str| {
            events
                .iter()
                .find_map(|data| data.pointer(pointer).cloned())
        };
        match api {
            Api::AnthropicMessages => (
                event("/content_block/name"),
                event("/delta/partial_json").and_then(|text| parsed(&text).ok()),
            ),
            Api::OpenAiResponses => (
                event("/item/name"),
                event("/arguments").and_then(|text| parsed(&text).ok()),
            ),
            Api::ChatCompletions => (
                event("/choices/0/delta/tool_calls/0/function/name"),
                events
                    .get(2)
                    .and_then(|chunk| {
                        chunk.pointer("/choices/0/delta/tool_calls/0/function/arguments")
                    })
                    .and_then(|text| parsed(text).ok()),
            ),
            Api::Gemini => (
                event("/candidates/0/content/parts/0/functionCall/name"),
                event("/candidates/0/content/parts/0/functionCall/args"),
            ),
        }
    } else {
        let body = answered.json();
        let at = |pointer: &str| body.pointer(pointer).cloned();
        match api {
            Api::AnthropicMessages => (at("/content/0/name"), at("/content/0/input")),
            Api::OpenAiResponses => (
                at("/output/0/name"),
                at("/output/0/arguments").and_then(|text| parsed(&text).ok()),
            ),
            Api::ChatCompletions => (
                at("/choices/0/message/tool_calls/0/function/name"),
                at("/choices/0/message/tool_calls/0/function/arguments")
                    .and_then(|text| parsed(&text).ok()),
            ),
            Api::Gemini => (
                at("/candidates/0/content/parts/0/functionCall/name"),
                at("/candidates/0/content/parts/0/functionCall/args"),
            ),
        }
    };
    let name = found.0.as_ref().and_then(Value::as_str).unwrap_or_default();
    (name.to_owned(), found.1.unwrap_or_default())
}

pub(super) fn for_each_form(mut check: impl FnMut(Api, Question<'static>)) {
    for api in ALL_APIS {
        for streamed in [false, true] {
            check(
                api,
                Question {
                    streamed,
                    ..Question::default()
                },
            );
        }
    }
}
