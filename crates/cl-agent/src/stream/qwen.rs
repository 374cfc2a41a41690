//! Qwen Code's `stream-json` (observed on 0.24.4).
//!
//! The events look like those of Claude Code, but errors and tokens do not: input
//! tokens include those read from the cache, a `result` counts the whole session,
//! and a run that reached a limit of its own has no `result`, only an exit code.

use cl_storage::{FailureKind, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Closing, Facts, Reported, number, text};

/// The fields that tell whether the rest of a line matters.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
    parent_tool_use_id: Option<String>,
}

/// What an exit code of the program means by itself.
pub(super) fn exit_meaning(code: i32) -> Reported {
    Reported {
        whole: None,
        kind: match code {
            53 => Some(FailureKind::MaxTurns),
            130 => Some(FailureKind::Cancelled),
            _ => None,
        },
        ..Reported::default()
    }
}

pub(super) fn read(line: &[u8], facts: &mut Facts) {
    let Ok(head) = serde_json::from_slice::<Head>(line) else {
        return;
    };
    let Some(kind) = head.kind.as_deref() else {
        return;
    };
    facts.events += 1;
    let is_main = head.parent_tool_use_id.is_none();
    match kind {
        "user" if is_main => facts.tool = None,
        "system" | "assistant" | "result" => {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                return;
            };
            if let Some(session) = text(&event, "session_id") {
                facts.session_id = Some(session.to_owned());
            }
            match kind {
                "system" => read_system(&event, facts),
                "assistant" if is_main => read_assistant(&event, facts),
                "result" => read_result(&event, facts),
                _ => {}
            }
        }
        _ => {}
    }
}

fn read_system(event: &Value, facts: &mut Facts) {
    match text(event, "subtype") {
        Some("init") => {
            facts.closing = None;
            if let Some(model) = text(event, "model") {
                facts.model = Some(model.to_owned());
            }
        }
        Some("retry") => {
            facts.error = Some(Reported {
                whole: None,
                text: "the model service was being asked again".to_owned(),
                otherwise: Some(FailureKind::ApiTransient),
                ..Reported::default()
            });
        }
        _ => {}
    }
}

fn read_assistant(event: &Value, facts: &mut Facts) {
    facts.closing = None;
    let message = &event["message"];
    let blocks = message["content"].as_array().into_iter().flatten();
    for block in blocks {
        match text(block, "type") {
            Some("text") => {
                let Some(said) = text(block, "text") else {
                    continue;
                };
                // A made-up message that stands for an error of the model service.
                let is_made_up = number(&message["usage"], "output_tokens") == 0;
                if is_made_up && let Some(error) = api_error(said) {
                    facts.error = Some(error);
                } else {
                    facts.error = None;
                    facts.said.push_message(said);
                }
            }
            Some("tool_use") => {
                facts.error = None;
                facts.tool = text(block, "name").map(str::to_owned);
            }
            _ => {}
        }
    }
}

/// Reads `[API Error: 401 invalid x-api-key]`.
fn api_error(said: &str) -> Option<Reported> {
    let inner = said.trim().strip_prefix("[API Error: ")?;
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    let status = inner.get(..3).and_then(|start| start.parse::<u16>().ok());
    Some(Reported {
        whole: None,
        otherwise: Some(FailureKind::ApiTransient),
        status: status.filter(|status| (400..600).contains(status)),
        text: inner.to_owned(),
        ..Reported::default()
    })
}

fn read_result(event: &Value, facts: &mut Facts) {
    let Some(is_error) = event["is_error"].as_bool() else {
        // Other programs have events of this name, and a wrong guess is a false success.
        return;
    };
    facts.tool = None;
    // A session that counts nothing has failed before it counted; zero is not its total.
    let used = usage(&event["usage"]);
    if used != Usage::default() {
        facts.usage = Some(used);
    }
    if !is_error {
        if let Some(answer) = text(event, "result") {
            facts.answer = Some(answer.trim().to_owned());
        }
        facts.closing = Some(Closing::Success);
        return;
    }
    let message = text(&event["error"], "message")
        .or_else(|| text(event, "result"))
        .or_else(|| text(event, "subtype"))
        .unwrap_or_default();
    facts.closing = Some(Closing::Failed(api_error(message).unwrap_or_else(|| {
        Reported {
            whole: None,
            text: message.to_owned(),
            ..Reported::default()
        }
    })));
}

/// Reads the tokens of the session; calls that the program makes for itself are in there.
///
/// The number of turns is that of the run, and so has no place beside them.
fn usage(tokens: &Value) -> Usage {
    let cached = number(tokens, "cache_read_input_tokens");
    Usage {
        input_tokens: number(tokens, "input_tokens").saturating_sub(cached),
        output_tokens: number(tokens, "output_tokens"),
        cache_read_tokens: cached,
        cache_write_tokens: number(tokens, "cache_creation_input_tokens"),
        cost_usd: None,
        turns: None,
    }
}
