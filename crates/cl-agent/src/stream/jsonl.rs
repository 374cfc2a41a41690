//! JSON lines of any other program, read through the config's mapping.

use cl_config::JsonPath;
use serde_json::Value;

use super::JsonlMapping;
use super::facts::{Facts, Reported};

/// A mapping whose paths have been read.
#[derive(Debug, Default)]
pub(super) struct Paths {
    final_text: Option<JsonPath>,
    session: Option<JsonPath>,
    error: Option<JsonPath>,
}

impl Paths {
    /// Reads the paths; one that is not a path finds nothing.
    pub(super) fn new(mapping: &JsonlMapping) -> Self {
        let path = |text: &Option<String>| text.as_deref().and_then(JsonPath::parse);
        Self {
            final_text: path(&mapping.final_text),
            session: path(&mapping.session),
            error: path(&mapping.error),
        }
    }

    pub(super) fn read(&self, line: &[u8], facts: &mut Facts) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        facts.events += 1;
        let find = |path: &Option<JsonPath>| path.as_ref()?.lookup(&event).and_then(as_text);
        if let Some(session) = find(&self.session) {
            facts.session_id = Some(session);
        }
        if let Some(answer) = find(&self.final_text) {
            facts.said.push_message(&answer);
            facts.answer = Some(answer);
            // An answer after an error means that the program got over it.
            facts.error = None;
        }
        if let Some(text) = find(&self.error) {
            facts.error = Some(Reported {
                text,
                ..Reported::default()
            });
        }
    }
}

/// Returns a text, or a number or an object as text; nothing for null, false and blanks.
fn as_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null | Value::Bool(false) => return None,
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}
