//! Copilot CLI's `--output-format json` (observed on 1.0.102).
//!
//! The session's id is in the last event only, so a run that was ended has none.
//! What was used is not in the stream but in a file, which [`usage_file`] reads; it
//! counts the whole session, and input tokens there include cached ones.
//! Why a run failed is told by `session.error`; its `result` has just a code. A
//! limit says its reset in words only (github/copilot-cli#2696, #2828).

use cl_storage::{FailureKind, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Closing, Facts, Reported, Said, number, text};
use super::reset::reset_in;

/// The field that tells whether the rest of a line matters.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
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
        "assistant.turn_start" => facts.closing = None,
        "tool.execution_complete" => {
            facts.tool = None;
            facts.said.end_message();
        }
        "session.tools_updated"
        | "assistant.message"
        | "tool.execution_start"
        | "model.call_failure"
        | "session.error"
        | "result" => {
            if let Ok(event) = serde_json::from_slice::<Value>(line) {
                read_event(kind, &event, facts);
            }
        }
        _ => {}
    }
}

fn read_event(kind: &str, event: &Value, facts: &mut Facts) {
    let data = &event["data"];
    match kind {
        "session.tools_updated" => note_model(data, facts),
        "assistant.message" => {
            note_model(data, facts);
            facts.error = None;
            if let Some(said) = text(data, "content") {
                facts.said.push_message(said);
                facts.said_last.push_message(said);
            }
            let calls = data["toolRequests"].as_array();
            if calls.is_some_and(|calls| !calls.is_empty()) {
                facts.said_last = Said::default();
            }
        }
        "tool.execution_start" => facts.tool = text(data, "toolName").map(str::to_owned),
        "model.call_failure" => facts.error = Some(call_failure(data)),
        "session.error" => {
            let mut error = session_error(data);
            let told_at = text(event, "timestamp").and_then(|time| time.parse().ok());
            if facts.now.is_some() && told_at.is_some() {
                error.retry_at = reset_in(&error.text, facts.told_at(told_at).as_ref());
            }
            facts.error = Some(error);
        }
        "result" => read_result(event, facts),
        _ => {}
    }
}

fn note_model(data: &Value, facts: &mut Facts) {
    if let Some(model) = text(data, "model") {
        facts.model = Some(model.to_owned());
    }
}

fn status(data: &Value) -> Option<u16> {
    let status = data["statusCode"].as_u64()?;
    u16::try_from(status).ok()
}

/// A request that failed; mostly it is repeated.
fn call_failure(data: &Value) -> Reported {
    let message = text(data, "errorMessage").unwrap_or_default();
    let body: Value = serde_json::from_str(message).unwrap_or_default();
    Reported {
        whole: None,
        retry_at: None,
        kind: None,
        otherwise: Some(FailureKind::ApiTransient),
        status: status(data),
        code: text(&body, "code")
            .or_else(|| text(&body, "type"))
            .map(str::to_owned),
        text: text(&body, "message").unwrap_or(message).to_owned(),
    }
}

fn session_error(data: &Value) -> Reported {
    let kind = match text(data, "errorType") {
        Some("authentication" | "authorization") => Some(FailureKind::Auth),
        Some("quota") => Some(FailureKind::LimitCredit),
        Some("context_limit") => Some(FailureKind::ContextOverflow),
        _ => None,
    };
    let message = text(data, "message").unwrap_or_default();
    // The last cause says more than that it was tried several times.
    let cause = message.split_once("Last error: ").map(|(_, cause)| cause);
    let is_of_service = cause.is_some() || message.starts_with("Could not connect");
    Reported {
        whole: None,
        retry_at: None,
        kind,
        otherwise: is_of_service.then_some(FailureKind::ApiTransient),
        status: status(data),
        code: text(data, "errorCode")
            .or_else(|| text(data, "errorType"))
            .map(str::to_owned),
        text: cause.unwrap_or(message).to_owned(),
    }
}

fn read_result(event: &Value, facts: &mut Facts) {
    let Some(code) = event["exitCode"].as_i64() else {
        return;
    };
    facts.tool = None;
    if let Some(session) = text(event, "sessionId") {
        facts.session_id = Some(session.to_owned());
    }
    if code == 0 {
        facts.answer = facts.said_last.trimmed().map(str::to_owned);
        facts.closing = Some(Closing::Success);
        return;
    }
    let error = facts.error.take().unwrap_or_else(|| Reported {
        whole: None,
        text: format!("ended with code {code} without saying why"),
        ..Reported::default()
    });
    facts.closing = Some(Closing::Failed(error));
}

/// Reads the file of `--usage-output-file`; none if it is not one.
pub(super) fn usage_file(text: &str) -> Option<Usage> {
    let document: Value = serde_json::from_str(text).ok()?;
    let models = document["modelMetrics"].as_object()?;
    let sum = |key| -> u64 {
        let tokens = models.values().map(|model| number(&model["usage"], key));
        tokens.fold(0, u64::saturating_add)
    };
    let cached = sum("cacheReadTokens");
    let requests: u64 = models
        .values()
        .map(|model| number(&model["requests"], "count"))
        .fold(0, u64::saturating_add);
    Some(Usage {
        input_tokens: sum("inputTokens").saturating_sub(cached),
        output_tokens: sum("outputTokens"),
        cache_read_tokens: cached,
        cache_write_tokens: sum("cacheWriteTokens"),
        cost_usd: None,
        turns: u32::try_from(requests).ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_usage_counts_all_models() {
        let text = r#"{"modelMetrics": {
            "a": {"requests": {"count": 2}, "usage": {"inputTokens": 300, "outputTokens": 50,
                "cacheReadTokens": 60, "cacheWriteTokens": 7, "reasoningTokens": 10}},
            "b": {"requests": {"count": 1}, "usage": {"inputTokens": 10, "outputTokens": 1}}
        }}"#;
        let usage = usage_file(text).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (250, 51));
        assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (60, 7));
        assert_eq!((usage.cost_usd, usage.turns), (None, Some(3)));
        for text in ["", "{", "[]", "{}", r#"{"modelMetrics": 1}"#] {
            assert_eq!(usage_file(text), None, "{text}");
        }
    }
}
