//! Gemini CLI's `stream-json` (observed on 0.61.0).
//!
//! A run ended by TERM or INT exits with 0 and without `result`; a stream that
//! failed in the middle exits with 0 and a `result` of status `error`. For an
//! HTTP error the exit code is the status modulo 256, and the body's own code can
//! differ from it, so the exit code is believed.
//!
//! No event holds the answer whole: it is what was said since the last call of a
//! tool. What was thought is in the total of the tokens only.

use cl_storage::{FailureKind, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Closing, Facts, Reported, Said, number, text};

/// The field that tells whether the rest of a line matters.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Statuses that a model service answers with; other codes are not statuses.
const STATUSES: [u16; 14] = [
    400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529,
];

/// What an exit code of the program means by itself.
pub(super) fn exit_meaning(code: i32) -> Reported {
    let kind = match code {
        41 => Some(FailureKind::Auth),
        53 => Some(FailureKind::MaxTurns),
        55 => Some(FailureKind::PermissionBlocked),
        130 => Some(FailureKind::Cancelled),
        _ => None,
    };
    Reported {
        kind,
        status: STATUSES
            .into_iter()
            .find(|status| i32::from(status % 256) == code),
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
    if kind == "tool_result" {
        facts.events += 1;
        facts.tool = None;
        facts.said.end_message();
        return;
    }
    let Ok(event) = serde_json::from_slice::<Value>(line) else {
        return;
    };
    facts.events += 1;
    match kind {
        "init" => {
            facts.closing = None;
            facts.session_id = text(&event, "session_id").map(str::to_owned);
            facts.model = text(&event, "model").map(str::to_owned);
        }
        "message" if event["role"] != "user" => {
            // Blanks between words come as pieces of their own.
            let piece = event["content"].as_str().unwrap_or_default();
            for said in [&mut facts.said, &mut facts.said_last] {
                if event["delta"] == true {
                    said.push_piece(piece);
                } else if !piece.is_empty() {
                    said.push_message(piece);
                }
            }
        }
        "tool_use" => {
            facts.said_last = Said::default();
            facts.tool = text(&event, "tool_name").map(str::to_owned);
            facts.said.end_message();
        }
        "error" => facts.error = Some(reported(&event)),
        "result" => read_result(&event, facts),
        _ => {}
    }
}

fn read_result(event: &Value, facts: &mut Facts) {
    facts.tool = None;
    if let Some(stats) = event.get("stats").filter(|stats| stats.is_object()) {
        facts.usage = Some(usage(stats));
    }
    if event["status"] == "success" {
        // Nothing after the last tool: then all that was said is the answer.
        facts.answer = facts.said_last.trimmed().map(str::to_owned);
        facts.closing = Some(Closing::Success);
        return;
    }
    let error = match event.get("error") {
        Some(error) if error.is_object() => reported(error),
        _ => facts.error.take().unwrap_or_default(),
    };
    facts.closing = Some(Closing::Failed(error));
}

fn reported(error: &Value) -> Reported {
    let kind = match text(error, "type") {
        Some("FatalTurnLimitedError") => Some(FailureKind::MaxTurns),
        Some("FatalAuthenticationError") => Some(FailureKind::Auth),
        Some("FatalUntrustedWorkspaceError") => Some(FailureKind::PermissionBlocked),
        Some("FatalCancellationError") => Some(FailureKind::Cancelled),
        _ => None,
    };
    let message = text(error, "message").unwrap_or_default();
    let mut reported = Reported {
        kind,
        text: message.to_owned(),
        ..Reported::default()
    };
    if let Some(inner) = message
        .strip_prefix("[API Error: ")
        .and_then(|rest| rest.strip_suffix(']'))
    {
        reported.otherwise = Some(FailureKind::ApiTransient);
        inner.clone_into(&mut reported.text);
        reported.whole = Some(inner.to_owned());
        if let Ok(body) = serde_json::from_str::<Value>(inner) {
            let error = &body["error"];
            if let Some(message) = text(error, "message") {
                message.clone_into(&mut reported.text);
            }
            reported.code = text(error, "status").map(str::to_owned);
            reported.status = error["code"].as_u64().and_then(|n| u16::try_from(n).ok());
        }
    }
    reported
}

fn usage(stats: &Value) -> Usage {
    let (input, cached) = (number(stats, "input_tokens"), number(stats, "cached"));
    let beyond_input = number(stats, "total_tokens").saturating_sub(input);
    Usage {
        input_tokens: input.saturating_sub(cached),
        // Thoughts are paid for like answers, but not counted as output here.
        output_tokens: number(stats, "output_tokens").max(beyond_input),
        cache_read_tokens: cached,
        cache_write_tokens: 0,
        cost_usd: None,
        turns: None,
    }
}
