//! What an agent tells while its turn goes on.

use serde_json::Value;

use super::event::{Event, PlanEntry};
use super::message::short;

/// The longest title and entry that is printed.
const SHOWN_CHARS: usize = 300;

/// The longest plan that is printed.
const MOST_ENTRIES: usize = 100;

/// What an update comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// A line of the worker.
    Event(Event),
    /// What the session has cost so far, in US dollars.
    Cost(f64),
    /// Nothing to be shown.
    Nothing,
}

/// Reads the `update` of a `session/update`.
pub(super) fn read(update: &Value) -> Told {
    let text = |key: &str| update[key].as_str().unwrap_or_default();
    match text("sessionUpdate") {
        "agent_message_chunk" => chunk(update, |text| Event::Text { text }),
        "agent_thought_chunk" => chunk(update, |text| Event::Thought { text }),
        "tool_call" => Told::Event(Event::ToolCall {
            id: short(text("toolCallId"), SHOWN_CHARS),
            title: title(update),
        }),
        "tool_call_update" => match text("status") {
            status @ ("completed" | "failed") => Told::Event(Event::ToolEnd {
                id: short(text("toolCallId"), SHOWN_CHARS),
                status: status.to_owned(),
            }),
            _ => Told::Nothing,
        },
        "plan" => Told::Event(Event::Plan {
            entries: entries(&update["entries"]),
        }),
        "usage_update" => match &update["cost"] {
            cost if cost["currency"] == "USD" => {
                cost["amount"].as_f64().map_or(Told::Nothing, Told::Cost)
            }
            _ => Told::Nothing,
        },
        _ => Told::Nothing,
    }
}

/// Returns the title of a tool call, or the best that there is in its place.
pub(super) fn title(call: &Value) -> String {
    let words = ["title", "name", "kind", "toolCallId"];
    let found = words.iter().find_map(|key| call[*key].as_str());
    short(found.unwrap_or("tool"), SHOWN_CHARS)
}

fn chunk(update: &Value, event: impl Fn(String) -> Event) -> Told {
    match update["content"]["text"].as_str() {
        Some(text) if !text.is_empty() => Told::Event(event(text.to_owned())),
        // A picture or a link is no part of an answer in text.
        _ => Told::Nothing,
    }
}

fn entries(list: &Value) -> Vec<PlanEntry> {
    let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let text =
        |entry: &Value, key: &str| short(entry[key].as_str().unwrap_or_default(), SHOWN_CHARS);
    entries
        .iter()
        .take(MOST_ENTRIES)
        .map(|entry| PlanEntry {
            content: text(entry, "content"),
            status: text(entry, "status"),
        })
        .collect()
}
