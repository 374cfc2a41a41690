//! Claude Code's `stream-json` (observed on 2.1.329).
//!
//! An error of the model service ends with a `result` of subtype `success` and
//! `is_error: true`, so the subtype alone says nothing. A run can hold several
//! results (background work wakes the agent up again); token counts are per
//! result, the cost is the sum over the whole session. `rate_limit_event` was not seen against
//! the stand-in server; its form is that of the program's SDK.

use cl_storage::FailureKind;
use cl_storage::ledger::{Source, WindowReport, WindowState};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{ClosedWindow, Closing, Facts, Reported, epoch, number, text};
use super::spending::Spending;

/// The fields that tell whether the rest of a line matters.
///
/// Tool results can be tens of megabytes; they are passed over, not stored.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
    parent_tool_use_id: Option<String>,
}

pub(super) fn read(line: &[u8], facts: &mut Facts) {
    let Ok(head) = serde_json::from_slice::<Head>(line) else {
        return;
    };
    let Some(kind) = head.kind.as_deref() else {
        return;
    };
    facts.events += 1;
    match kind {
        // A tool has answered.
        "user" if head.parent_tool_use_id.is_none() => facts.tool = None,
        "system" | "assistant" | "result" | "rate_limit_event" => {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                return;
            };
            if let Some(session) = text(&event, "session_id") {
                facts.session_id = Some(session.to_owned());
            }
            if kind == "assistant" && event["error"].is_null() {
                add_spending(&event["message"], facts);
            }
            match kind {
                "system" => read_system(&event, facts),
                "assistant" if head.parent_tool_use_id.is_none() => read_assistant(&event, facts),
                "result" => read_result(&event, facts),
                "rate_limit_event" => read_rate_limit(&event, facts),
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
        Some("api_retry") => {
            facts.error = Some(Reported {
                status: status(event, "error_status"),
                code: text(event, "error").map(str::to_owned),
                text: "the model service was being asked again".to_owned(),
                otherwise: Some(FailureKind::ApiTransient),
                kind: None,
                retry_at: None,
                whole: None,
            });
        }
        _ => {}
    }
}

fn read_assistant(event: &Value, facts: &mut Facts) {
    facts.closing = None;
    let message = &event["message"];
    if let Some(code) = text(event, "error") {
        // A made-up message that stands for an error of the model service.
        facts.error = Some(Reported {
            code: Some(code.to_owned()),
            text: first_text(message).unwrap_or_default().to_owned(),
            otherwise: Some(FailureKind::ApiTransient),
            ..Reported::default()
        });
        return;
    }
    // It answers again, whatever was refused before.
    facts.error = None;
    facts.limit = None;
    for block in message["content"].as_array().into_iter().flatten() {
        match text(block, "type") {
            Some("text") => {
                if let Some(said) = text(block, "text") {
                    facts.said.push_message(said);
                }
            }
            Some("tool_use") => facts.tool = text(block, "name").map(str::to_owned),
            _ => {}
        }
    }
}

/// Takes note of what a message says was used until then; those of sub-agents count too.
fn add_spending(message: &Value, facts: &mut Facts) {
    let (Some(id), usage) = (text(message, "id"), &message["usage"]) else {
        return;
    };
    if usage.is_object() {
        facts
            .spending
            .note(id, TOKEN_KEYS.map(|key| number(usage, key)));
    }
}

/// The keys of token counts, in the order of [`cl_storage::Usage`].
const TOKEN_KEYS: [&str; 4] = [
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
];

fn first_text(message: &Value) -> Option<&str> {
    let blocks = message["content"].as_array()?;
    blocks.iter().find_map(|block| text(block, "text"))
}

fn read_result(event: &Value, facts: &mut Facts) {
    let Some(is_error) = event["is_error"].as_bool() else {
        // Other programs have events of this name, and a wrong guess is a false success.
        return;
    };
    facts.tool = None;
    // The result counts what its messages have counted.
    facts.spending = Spending::default();
    add_usage(event, facts);
    let subtype = text(event, "subtype").unwrap_or_default();
    if !is_error && !subtype.starts_with("error") {
        if let Some(answer) = text(event, "result") {
            facts.answer = Some(answer.trim().to_owned());
        }
        facts.closing = Some(Closing::Success);
        return;
    }
    let reason = text(event, "terminal_reason").unwrap_or_default();
    let kind = match (subtype, reason) {
        ("error_max_turns", _) | (_, "max_turns") => Some(FailureKind::MaxTurns),
        ("error_max_budget_usd", _) | (_, "budget_exhausted") => Some(FailureKind::MaxBudget),
        (_, "prompt_too_long") => Some(FailureKind::ContextOverflow),
        (_, reason) if reason.starts_with("aborted") => Some(FailureKind::Cancelled),
        _ => None,
    };
    let errors = event["errors"].as_array().into_iter().flatten();
    let message = text(event, "result")
        .or_else(|| errors.filter_map(Value::as_str).next_back())
        .unwrap_or(subtype);
    facts.closing = Some(Closing::Failed(Reported {
        kind,
        otherwise: (reason == "api_error").then_some(FailureKind::ApiTransient),
        status: status(event, "api_error_status"),
        code: facts.error.take().and_then(|error| error.code),
        text: match kind {
            Some(FailureKind::Cancelled) => format!("interrupted ({reason})"),
            _ => message.to_owned(),
        },
        retry_at: None,
        whole: None,
    }));
}

/// Adds what one result says was used.
///
/// `total_cost_usd` and `modelUsage` go on counting in a resumed session, and
/// `usage` is zero after a budget stop, so the sums since the last result come
/// first; older versions do not have them.
fn add_usage(event: &Value, facts: &mut Facts) {
    let per_model = event["model_usage_since_last_result"]
        .as_object()
        .filter(|models| !models.is_empty());
    let (tokens, cost) = match per_model {
        Some(models) => {
            let sum = |key| -> u64 { models.values().map(|model| number(model, key)).sum() };
            let cost: f64 = models.values().filter_map(|m| m["costUSD"].as_f64()).sum();
            let tokens = [
                sum("inputTokens"),
                sum("outputTokens"),
                sum("cacheReadInputTokens"),
                sum("cacheCreationInputTokens"),
            ];
            (
                tokens,
                Some(facts.usage.as_ref().and_then(|u| u.cost_usd).unwrap_or(0.0) + cost),
            )
        }
        None if event["usage"].is_object() => {
            let tokens = TOKEN_KEYS.map(|key| number(&event["usage"], key));
            (tokens, event["total_cost_usd"].as_f64())
        }
        None => return,
    };
    let turns = event["num_turns"]
        .as_u64()
        .and_then(|turns| u32::try_from(turns).ok());
    let total = facts.usage.get_or_insert_default();
    total.input_tokens += tokens[0];
    total.output_tokens += tokens[1];
    total.cache_read_tokens += tokens[2];
    total.cache_write_tokens += tokens[3];
    total.cost_usd = cost.or(total.cost_usd);
    total.turns = match (total.turns, turns) {
        (Some(before), Some(now)) => Some(before.saturating_add(now)),
        (before, now) => now.or(before),
    };
}

/// Anything but a rejection is a warning, and so is one that paid use goes on beyond.
fn read_rate_limit(event: &Value, facts: &mut Facts) {
    let info = &event["rate_limit_info"];
    let status = text(info, "status").unwrap_or_default();
    let state = match status {
        "rejected" if info["isUsingOverage"] == true => WindowState::Warning,
        "rejected" => WindowState::Rejected,
        "allowed_warning" => WindowState::Warning,
        "allowed" => WindowState::Ok,
        _ => return,
    };
    let window = text(info, "rateLimitType").unwrap_or("unknown").to_owned();
    let opens_at = match &info["resetsAt"] {
        Value::String(time) => time.parse().ok(),
        time => time.as_i64().and_then(epoch),
    };
    facts.limit = (state == WindowState::Rejected).then(|| ClosedWindow {
        window: window.clone(),
        opens_at,
    });
    facts.note_window(WindowReport {
        window,
        state,
        used_percent: info["utilization"].as_f64().map(percent),
        resets_at: opens_at,
        source: Source::Event,
    });
}

/// Shares are told as such by some versions, as percent by others.
fn percent(used: f64) -> f64 {
    let percent = if used <= 1.0 { used * 100.0 } else { used };
    percent.clamp(0.0, 1000.0)
}

fn status(event: &Value, key: &str) -> Option<u16> {
    event[key].as_u64().and_then(|n| u16::try_from(n).ok())
}
