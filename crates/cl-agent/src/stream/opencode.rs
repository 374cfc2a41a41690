//! `opencode run --format json` (observed on 1.18.33).
//!
//! There is no closing event of its own: the end is a `step_finish` whose reason
//! is neither a call of a tool nor unknown. Tokens and cost are told per step. The
//! stream names no model. A tool that nobody allowed is an ordinary failed call,
//! after which the program can end with exit code 0 and without an answer.
//!
//! An error of the model service is passed on with the headers and the body of the
//! answer. `retry-after` says how long a used-up limit lasts (19380 seconds of a window
//! of five hours, in the tests of `session/retry.ts`).

use cl_storage::{FailureKind, Usage};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Closing, Facts, Reported, Said, epoch, number, text};

/// The fields that tell whether the rest of a line matters.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "sessionID")]
    session: Option<String>,
}

/// A finished call of a tool, without its output, which can be long.
#[derive(Deserialize)]
struct ToolUse {
    part: ToolPart,
}

#[derive(Deserialize)]
struct ToolPart {
    tool: Option<String>,
    state: ToolState,
}

#[derive(Deserialize)]
struct ToolState {
    status: Option<String>,
    error: Option<String>,
}

pub(super) fn read(line: &[u8], facts: &mut Facts) {
    let Ok(head) = serde_json::from_slice::<Head>(line) else {
        return;
    };
    let Some(kind) = head.kind.as_deref() else {
        return;
    };
    facts.events += 1;
    if head.session.is_some() {
        facts.session_id = head.session;
    }
    match kind {
        "step_start" => {
            facts.closing = None;
            facts.tool = None;
        }
        "tool_use" => {
            facts.said_last = Said::default();
            facts.said.end_message();
            if let Ok(used) = serde_json::from_slice::<ToolUse>(line) {
                // It is told of when it is done; until the next step it is the latest.
                facts.tool.clone_from(&used.part.tool);
                read_tool(&used.part.state, facts);
            }
        }
        "text" | "step_finish" | "error" => {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                return;
            };
            match kind {
                "text" => {
                    if let Some(said) = text(&event["part"], "text") {
                        facts.error = None;
                        facts.tool = None;
                        facts.said.push_message(said);
                        facts.said_last.push_message(said);
                    }
                }
                "step_finish" => read_step(&event["part"], facts),
                _ => {
                    let mut error = reported(&event["error"]);
                    error.retry_at = retry_at(&event, facts);
                    facts.error = Some(error);
                }
            }
        }
        _ => {}
    }
}

fn read_tool(state: &ToolState, facts: &mut Facts) {
    let error = state.error.as_deref().unwrap_or_default();
    // The whole of what the program itself says then, and nothing that a tool could.
    let is_refused = state.status.as_deref() == Some("error")
        && error.starts_with("The user rejected permission to use this specific tool call");
    facts.error = is_refused.then(|| Reported {
        whole: None,
        kind: Some(FailureKind::PermissionBlocked),
        text: error.to_owned(),
        ..Reported::default()
    });
}

fn read_step(part: &Value, facts: &mut Facts) {
    add_usage(part, facts);
    match text(part, "reason") {
        Some("stop") => {
            facts.answer = facts.said_last.trimmed().map(str::to_owned);
            facts.closing = Some(Closing::Success);
        }
        Some("tool-calls" | "unknown") | None => {}
        // It ends then, too, but the answer is cut off or withheld.
        Some(reason) => {
            facts.closing = Some(Closing::Failed(Reported {
                whole: None,
                text: format!("the model stopped early: {reason}"),
                ..Reported::default()
            }));
        }
    }
}

fn add_usage(part: &Value, facts: &mut Facts) {
    let tokens = &part["tokens"];
    let total = facts.usage.get_or_insert_with(Usage::default);
    total.input_tokens += number(tokens, "input");
    total.output_tokens += number(tokens, "output") + number(tokens, "reasoning");
    total.cache_read_tokens += number(&tokens["cache"], "read");
    total.cache_write_tokens += number(&tokens["cache"], "write");
    // Zero is also what is told of a model without a price.
    let cost = part["cost"].as_f64().filter(|cost| *cost > 0.0);
    if let Some(cost) = cost {
        total.cost_usd = Some(total.cost_usd.unwrap_or(0.0) + cost);
    }
    total.turns = Some(total.turns.unwrap_or(0).saturating_add(1));
}

fn reported(error: &Value) -> Reported {
    let data = &error["data"];
    let name = text(error, "name").unwrap_or_default();
    let message = text(data, "message").unwrap_or(name);
    let kind = match name {
        "ProviderAuthError" => Some(FailureKind::Auth),
        "MessageAbortedError" => Some(FailureKind::Cancelled),
        "ContextOverflowError" => Some(FailureKind::ContextOverflow),
        _ => None,
    };
    let is_of_service = name == "APIError" || data["isRetryable"] == true;
    let mut reported = Reported {
        whole: None,
        retry_at: None,
        kind,
        otherwise: is_of_service.then_some(FailureKind::ApiTransient),
        status: data["statusCode"]
            .as_u64()
            .and_then(|n| u16::try_from(n).ok()),
        code: text(data, "responseBody").and_then(code_in),
        text: message.to_owned(),
    };
    if let Some(body) = text(data, "responseBody") {
        reported.whole = Some(format!("{message} {body}"));
    }
    // An error inside of a stream is passed on as it came.
    if let Ok(inner) = serde_json::from_str::<Value>(message)
        && let Some(message) = text(&inner, "message")
    {
        reported.otherwise = Some(FailureKind::ApiTransient);
        reported.code = text(&inner, "type").map(str::to_owned).or(reported.code);
        message.clone_into(&mut reported.text);
    }
    reported
}

/// Returns when the service wants to be asked again, by the headers of its refusal.
fn retry_at(event: &Value, facts: &Facts) -> Option<Timestamp> {
    let data = &event["error"]["data"];
    if data["statusCode"]
        .as_u64()
        .is_some_and(|status| status >= 500)
    {
        // That passes sooner, and is tried again sooner.
        return None;
    }
    let headers = data["responseHeaders"].as_object()?;
    let header = |name: &str| {
        let found = headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        found.1.as_str().map(str::trim)
    };
    let after = |text: &str, unit: f64| {
        let seconds: f64 = text.parse().ok()?;
        let length = SignedDuration::try_from_secs_f64((seconds * unit).clamp(0.0, 1e9)).ok()?;
        let told_at = facts.told_at(event["timestamp"].as_i64().and_then(epoch))?;
        told_at.timestamp().checked_add(length).ok()
    };
    let by_length = header("retry-after-ms")
        .and_then(|text| after(text, 0.001))
        .or_else(|| header("retry-after").and_then(|text| after(text, 1.0)));
    let by_date = || Some(rfc2822::parse(header("retry-after")?).ok()?.timestamp());
    by_length.or_else(by_date)
}

/// Returns the error's code in the answer of a model service.
fn code_in(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let error = &body["error"];
    let code = text(error, "code").or_else(|| text(error, "type"));
    code.map(str::to_owned)
}
