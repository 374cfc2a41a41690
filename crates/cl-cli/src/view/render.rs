//! The text in what agents print: events become what a person would want to read.
//!
//! Agents print JSON events, one a line. What they say, the tools they use and
//! the errors they report are shown; everything else is left out. A line that is
//! no event is shown as it is. Nothing is decided from this: it is for people.

use serde_json::Value;

/// The longest line that is looked into; a longer one is told by its length.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Turns raw output into text, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    partial: Vec<u8>,
    /// How many bytes of a line that is too long have been dropped.
    dropped: usize,
    /// A piece of a message was printed, and the message may go on.
    is_inside: bool,
}

impl Renderer {
    /// Takes the next bytes and returns the text they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..end]);
            rest = &rest[end + 1..];
            self.end_line(&mut text);
        }
        self.keep(rest);
        text
    }

    /// Returns the text of a last line without an end.
    pub(crate) fn finish(&mut self) -> String {
        let mut text = String::new();
        if !self.partial.is_empty() || self.dropped > 0 {
            self.end_line(&mut text);
        }
        self.end_message(&mut text);
        text
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.dropped > 0 || self.partial.len() + bytes.len() > LONGEST_LINE {
            self.dropped += self.partial.len() + bytes.len();
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, text: &mut String) {
        if self.dropped > 0 {
            self.end_message(text);
            let dropped = self.dropped;
            text.push_str("[a line of ");
            text.push_str(&dropped.to_string());
            text.push_str(" bytes; see --raw]\n");
            self.dropped = 0;
            return;
        }
        let line = std::mem::take(&mut self.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        match serde_json::from_slice::<Value>(line) {
            Ok(event) if event.get("type").is_some_and(Value::is_string) => {
                for part in parts(&event) {
                    self.push(part, text);
                }
            }
            _ => {
                self.end_message(text);
                text.push_str(&String::from_utf8_lossy(line));
                text.push('\n');
            }
        }
    }

    fn push(&mut self, part: Part, text: &mut String) {
        match part {
            Part::Piece(piece) => {
                text.push_str(&piece);
                self.is_inside = !piece.ends_with('\n');
            }
            Part::Said(said) => {
                self.end_message(text);
                text.push_str(said.trim_end());
                text.push('\n');
            }
            Part::Note(note) => {
                self.end_message(text);
                let note = note.lines().next().unwrap_or_default();
                let note: String = note.chars().take(200).collect();
                text.push('[');
                text.push_str(&note);
                text.push_str("]\n");
            }
        }
    }

    fn end_message(&mut self, text: &mut String) {
        if std::mem::take(&mut self.is_inside) {
            text.push('\n');
        }
    }
}

/// Something worth showing.
enum Part {
    /// A piece of a message that may go on.
    Piece(String),
    /// A whole message.
    Said(String),
    /// A remark on one line.
    Note(String),
}

/// Finds what is worth showing, by the shapes of all dialects.
fn parts(event: &Value) -> Vec<Part> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let kind = text("/type").unwrap_or_default();
    match kind {
        "assistant" => said_blocks(event.pointer("/message/content")),
        "message" if text("/role") == Some("assistant") => {
            let is_delta = event.get("delta").and_then(Value::as_bool) == Some(true);
            let content = text("/content").unwrap_or_default().to_owned();
            vec![if is_delta {
                Part::Piece(content)
            } else {
                Part::Said(content)
            }]
        }
        "item.started" => match (text("/item/type"), text("/item/command")) {
            (Some("command_execution"), Some(command)) => vec![Part::Note(format!("$ {command}"))],
            _ => Vec::new(),
        },
        "item.completed" => match (text("/item/type"), text("/item/text")) {
            (Some("agent_message"), Some(said)) => vec![Part::Said(said.to_owned())],
            _ => Vec::new(),
        },
        "tool_use" => {
            let name = text("/tool_name").or_else(|| text("/name"));
            name.map(|name| Part::Note(name.to_owned()))
                .into_iter()
                .collect()
        }
        "error" | "turn.failed" => {
            let message = text("/message").or_else(|| text("/error/message"));
            message
                .map(|message| Part::Note(format!("error: {message}")))
                .into_iter()
                .collect()
        }
        "result" => result(event).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn said_blocks(content: Option<&Value>) -> Vec<Part> {
    let blocks = content.and_then(Value::as_array);
    blocks
        .into_iter()
        .flatten()
        .filter_map(|block| {
            let text = |key: &str| block.get(key).and_then(Value::as_str);
            match text("type")? {
                "text" => Some(Part::Said(text("text")?.to_owned())),
                "tool_use" => Some(Part::Note(text("name")?.to_owned())),
                _ => None,
            }
        })
        .collect()
}

/// The answer in a closing event repeats what was said; only an error is news.
fn result(event: &Value) -> Option<Part> {
    let is_error = event.get("is_error").and_then(Value::as_bool) == Some(true)
        || event.get("status").and_then(Value::as_str) == Some("error");
    let message = event
        .get("result")
        .and_then(Value::as_str)
        .or_else(|| event.pointer("/error/message").and_then(Value::as_str))
        .unwrap_or("the agent reported an error");
    is_error.then(|| Part::Note(format!("error: {message}")))
}

/// Replaces what could steer a terminal: all control characters but line feed and tab.
pub(crate) fn harmless(text: &str) -> String {
    text.replace(
        |c: char| c.is_control() && c != '\n' && c != '\t',
        "\u{fffd}",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        let mut renderer = Renderer::default();
        let whole = renderer.feed(raw.as_bytes()) + &renderer.finish();
        assert_eq!(whole, expected);
        // However the bytes are cut, the text is the same.
        let mut renderer = Renderer::default();
        let mut pieces = String::new();
        for byte in raw.as_bytes() {
            pieces.push_str(&renderer.feed(&[*byte]));
        }
        assert_eq!(pieces + &renderer.finish(), expected);
    }

    #[test]
    fn each_dialect_is_understood() {
        check(
            concat!(
                r#"{"type":"system","subtype":"init"}"#,
                "\n",
                r#"{"type":"assistant","message":{"content":[{"type":"text","text":"hi"},{"type":"tool_use","name":"Bash"}]}}"#,
                "\n",
                r#"{"type":"result","is_error":false,"result":"hi"}"#,
                "\n"
            ),
            "hi\n[Bash]\n",
        );
        check(
            concat!(
                r#"{"type":"item.started","item":{"type":"command_execution","command":"ls"}}"#,
                "\n",
                r#"{"type":"item.completed","item":{"type":"agent_message","text":"done"}}"#,
                "\n",
                r#"{"type":"turn.failed","error":{"message":"401"}}"#,
            ),
            "[$ ls]\ndone\n[error: 401]\n",
        );
        check(
            concat!(
                r#"{"type":"message","role":"user","content":"prompt"}"#,
                "\n",
                r#"{"type":"message","role":"assistant","content":"one ","delta":true}"#,
                "\n",
                r#"{"type":"message","role":"assistant","content":"two","delta":true}"#,
                "\n",
                r#"{"type":"tool_use","tool_name":"shell"}"#,
                "\n"
            ),
            "one two\n[shell]\n",
        );
    }

    #[test]
    fn what_is_no_event_is_shown_as_it_is() {
        check("plain\r\n{broken\n[1]\n", "plain\n{broken\n[1]\n");
        check("no end", "no end\n");
    }

    #[test]
    fn a_very_long_line_is_told_by_its_length() {
        let mut renderer = Renderer::default();
        let mut text = String::new();
        for _ in 0..5 {
            text.push_str(&renderer.feed(&vec![b'x'; 1024 * 1024]));
        }
        text.push_str(&renderer.feed(b"\nafter\n"));
        assert_eq!(text, "[a line of 5242880 bytes; see --raw]\nafter\n");
    }

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(harmless("a\u{1b}[2Jb\tc\n"), "a\u{fffd}[2Jb\tc\n");
    }
}
