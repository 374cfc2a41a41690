//! `codex exec --json` (observed on 0.169.0).
//!
//! `error` events are retries as well as the last word; only `turn.failed` and
//! `turn.completed` close a run. An *item* of type `error` is a warning. Token
//! counts are the running total of the thread, and include those read from the
//! cache. The stream names no model and no cost.

use cl_storage::Usage;
use cl_storage::ledger::{Source, WindowReport, WindowState};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Closing, Facts, Reported, epoch, number, text};

/// An event without the output of commands, which can be long.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    thread_id: Option<String>,
    item: Option<Item>,
    usage: Option<Value>,
    error: Option<Value>,
    message: Option<Value>,
    rate_limits: Option<Value>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type", alias = "item_type")]
    kind: Option<String>,
    text: Option<Value>,
    tool: Option<Value>,
}

pub(super) fn read(line: &[u8], facts: &mut Facts) {
    let Ok(event) = serde_json::from_slice::<Event>(line) else {
        return;
    };
    facts.events += 1;
    if let Some(limits) = &event.rate_limits {
        read_limits(limits, facts);
    }
    match event.kind.as_str() {
        "thread.started" => {
            if let Some(id) = event.thread_id {
                facts.session_id = Some(id);
            }
        }
        "turn.started" => {
            facts.closing = None;
            facts.error = None;
        }
        "item.started" | "item.updated" => {
            facts.error = None;
            facts.tool = event.item.as_ref().and_then(tool);
        }
        "item.completed" => {
            facts.tool = None;
            if let Some(item) = event.item {
                read_item(&item, facts);
            }
        }
        "error" => facts.error = Some(reported(event.message.as_ref())),
        "turn.completed" => {
            facts.tool = None;
            facts.closing = Some(Closing::Success);
            facts.usage = event.usage.as_ref().map(usage).or(facts.usage.take());
        }
        "turn.failed" => {
            facts.tool = None;
            let message = event.error.as_ref().and_then(|error| error.get("message"));
            let mut error = reported(message);
            if error.text.is_empty() {
                error = facts.error.take().unwrap_or(error);
            }
            facts.closing = Some(Closing::Failed(error));
        }
        _ => {}
    }
}

fn read_item(item: &Item, facts: &mut Facts) {
    let kind = item.kind.as_deref().unwrap_or_default();
    if kind != "error" {
        facts.error = None;
    }
    if matches!(kind, "agent_message" | "assistant_message" | "message")
        && let Some(message) = item.text.as_ref().and_then(Value::as_str)
        && !message.trim().is_empty()
    {
        facts.said.push_message(message);
        facts.answer = Some(message.trim().to_owned());
    }
}

fn tool(item: &Item) -> Option<String> {
    match item.kind.as_deref()? {
        "agent_message" | "assistant_message" | "reasoning" | "error" | "todo_list" => None,
        "mcp_tool_call" => item
            .tool
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| Some("mcp_tool_call".to_owned())),
        kind => Some(kind.to_owned()),
    }
}

/// Reads an error's message, which is a sentence or the service's answer as JSON.
fn reported(message: Option<&Value>) -> Reported {
    let message = message.and_then(Value::as_str).unwrap_or_default();
    let mut reported = Reported {
        text: message.to_owned(),
        ..Reported::default()
    };
    if let Ok(body) = serde_json::from_str::<Value>(message) {
        let error = body.get("error").unwrap_or(&body);
        if let Some(inner) = text(error, "message") {
            inner.clone_into(&mut reported.text);
            reported.whole = Some(message.to_owned());
        }
        reported.code = text(error, "code")
            .or_else(|| text(error, "type"))
            .map(str::to_owned);
        reported.status = body["status"].as_u64().and_then(|n| u16::try_from(n).ok());
    }
    reported
}

/// Reads how much of the account's two windows is used.
fn read_limits(limits: &Value, facts: &mut Facts) {
    for name in ["primary", "secondary"] {
        let window = &limits[name];
        let Some(used) = window["used_percent"].as_f64() else {
            continue;
        };
        let told = window["resets_at"].as_i64().and_then(epoch);
        let resets_at = told.or_else(|| {
            let seconds = window["resets_in_seconds"].as_i64()?;
            let length = jiff::SignedDuration::from_secs(seconds);
            facts.now?.checked_add(length).ok()
        });
        facts.note_window(WindowReport {
            window: match window["window_minutes"].as_u64() {
                Some(300) => "five_hour".to_owned(),
                Some(10_080) => "seven_day".to_owned(),
                _ => name.to_owned(),
            },
            // Only an error tells that it is used up.
            state: match used {
                80.0.. => WindowState::Warning,
                _ => WindowState::Ok,
            },
            used_percent: Some(used.clamp(0.0, 1000.0)),
            resets_at,
            source: Source::Event,
        });
    }
}

fn usage(tokens: &Value) -> Usage {
    let cached = number(tokens, "cached_input_tokens");
    Usage {
        input_tokens: number(tokens, "input_tokens").saturating_sub(cached),
        output_tokens: number(tokens, "output_tokens"),
        cache_read_tokens: cached,
        cache_write_tokens: number(tokens, "cache_write_input_tokens"),
        cost_usd: None,
        turns: None,
    }
}
