//! JSON-RPC 2.0 as the protocol uses it: one message per line, in both directions.

use serde_json::{Value, json};

use super::MESSAGE_CAP_BYTES;

/// A message of the agent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// It wants an answer.
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    /// It tells something.
    Notification { method: String, params: Value },
    /// It answers the request of this number.
    Answer { id: u64, result: Value },
    /// It refuses the request of this number.
    Refusal { id: u64, error: Value },
}

impl Message {
    /// Reads a line; none if it is no message.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let Ok(Value::Object(mut object)) = serde_json::from_slice(line) else {
            return None;
        };
        let id = object.remove("id").filter(|id| !id.is_null());
        if let Some(method) = object.remove("method") {
            let Value::String(method) = method else {
                return None;
            };
            let params = object.remove("params").unwrap_or_default();
            return match id {
                Some(id @ (Value::Number(_) | Value::String(_))) => {
                    Some(Self::Request { id, method, params })
                }
                Some(_) => None,
                None => Some(Self::Notification { method, params }),
            };
        }
        let id = id?.as_u64()?;
        if let Some(error) = object.remove("error") {
            return Some(Self::Refusal { id, error });
        }
        let result = object.remove("result")?;
        Some(Self::Answer { id, result })
    }
}

pub(super) fn request(id: u64, method: &str, params: &Value) -> String {
    line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

pub(super) fn notification(method: &str, params: &Value) -> String {
    line(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

pub(super) fn answer(id: &Value, result: &Value) -> String {
    line(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// Says that there is no such method here.
pub(super) fn unknown_method(id: &Value, method: &str) -> String {
    let message = format!("Method not found: {}", short(method, 100));
    line(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": message}}))
}

fn line(message: &Value) -> String {
    // JSON as it is written here has no line ends but escaped ones.
    let mut line = message.to_string();
    line.push('\n');
    line
}

/// Returns the start of a text, without line ends, for lines and messages of ours.
pub(super) fn short(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most).collect();
    crate::stream::plain_text(&start).replace('\n', " ")
}

/// A line is longer than any message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of more than {MESSAGE_CAP_BYTES} bytes")]
pub struct TooLong;

/// Cuts the agent's output into lines; it holds one line at the most.
#[derive(Debug, Default)]
pub struct LineCutter {
    partial: Vec<u8>,
}

impl LineCutter {
    /// Calls `on_line` with each line that `bytes` completes, without its end.
    ///
    /// A line above [`MESSAGE_CAP_BYTES`] is an error, and nothing is cut behind it.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_line: impl FnMut(&[u8]),
    ) -> Result<(), TooLong> {
        while let Some(end) = line_end(bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.partial.len() + line.len() > MESSAGE_CAP_BYTES {
                return Err(TooLong);
            }
            if self.partial.is_empty() {
                on_line(line);
            } else {
                self.partial.extend_from_slice(line);
                on_line(&std::mem::take(&mut self.partial));
            }
        }
        if self.partial.len() + bytes.len() > MESSAGE_CAP_BYTES {
            return Err(TooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}
