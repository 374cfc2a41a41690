//! Pi's `--mode json` (observed on 0.73.1).
//!
//! The exit code is 0 whatever the model service does: an error stands in the last
//! message of the assistant, and in `auto_retry_end` when it was tried in vain.
//! `agent_end` comes before each new try as well. Tokens and cost are told per turn.
//! Each piece of an answer repeats all of it, so such lines are not looked into.
//!
//! A reset that it was told as a point in time it tells in minutes from then on, which
//! count from the message's own time; or it passes on the error as it came
//! (earendil-works/pi#4172).

use cl_storage::{FailureKind, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::facts::{Closing, Facts, Reported, Said, epoch, number, text};
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
        "agent_start" | "turn_start" | "auto_retry_start" => facts.closing = None,
        "tool_execution_end" => facts.tool = None,
        "agent_end" => close(facts),
        "session" | "message_end" | "tool_execution_start" | "turn_end" | "auto_retry_end" => {
            if let Ok(event) = serde_json::from_slice::<Value>(line) {
                read_event(kind, &event, facts);
            }
        }
        _ => {}
    }
}

fn read_event(kind: &str, event: &Value, facts: &mut Facts) {
    match kind {
        "session" => facts.session_id = text(event, "id").map(str::to_owned),
        "message_end" if event["message"]["role"] == "assistant" => {
            read_message(&event["message"], facts);
        }
        "tool_execution_start" => facts.tool = text(event, "toolName").map(str::to_owned),
        "turn_end" => add_usage(&event["message"], facts),
        "auto_retry_end" if event["success"] == false => {
            let message = text(event, "finalError").unwrap_or_default();
            // The error itself has told more, such as its time.
            let is_known = (facts.error.as_ref()).is_some_and(|error| error.text == message);
            if !is_known {
                facts.error = Some(service_error(message));
            }
            close(facts);
        }
        _ => {}
    }
}

fn read_message(message: &Value, facts: &mut Facts) {
    if let Some(model) = text(message, "model") {
        facts.model = Some(model.to_owned());
    }
    let reason = text(message, "stopReason").unwrap_or_default();
    let mut is_empty = true;
    for block in message["content"].as_array().into_iter().flatten() {
        match text(block, "type") {
            Some("text") => {
                if let Some(said) = text(block, "text") {
                    is_empty = false;
                    facts.said.push_message(said);
                    facts.said_last.push_message(said);
                }
            }
            Some("toolCall") => {
                is_empty = false;
                facts.said_last = Said::default();
            }
            _ => {}
        }
    }
    let is_nothing = is_empty && number(&message["usage"], "output") == 0;
    facts.error = match reason {
        "error" => {
            let words = text(message, "errorMessage").unwrap_or_default();
            let mut error = service_error(words);
            let told_at = message["timestamp"].as_i64().and_then(epoch);
            if facts.now.is_some() && told_at.is_some() {
                error.retry_at = reset_in(words, facts.told_at(told_at).as_ref());
            }
            Some(error)
        }
        "aborted" => Some(Reported {
            whole: None,
            kind: Some(FailureKind::Cancelled),
            text: "interrupted".to_owned(),
            ..Reported::default()
        }),
        "length" => Some(Reported {
            whole: None,
            text: "the model stopped early: length".to_owned(),
            ..Reported::default()
        }),
        // What is not an event stream at all is taken for an empty answer.
        _ if is_nothing => Some(service_error("the model service gave an empty answer")),
        _ => None,
    };
}

fn service_error(message: &str) -> Reported {
    let status = message.get(..3).and_then(|start| start.parse::<u16>().ok());
    Reported {
        whole: None,
        otherwise: Some(FailureKind::ApiTransient),
        status: status.filter(|status| (400..600).contains(status)),
        text: message.to_owned(),
        ..Reported::default()
    }
}

/// All that was to be done is done, or given up.
fn close(facts: &mut Facts) {
    facts.tool = None;
    facts.closing = Some(if let Some(error) = &facts.error {
        Closing::Failed(error.clone())
    } else {
        facts.answer = facts.said_last.trimmed().map(str::to_owned);
        Closing::Success
    });
}

fn add_usage(message: &Value, facts: &mut Facts) {
    let tokens = &message["usage"];
    if number(tokens, "totalTokens") == 0 {
        // A turn that failed.
        return;
    }
    let total = facts.usage.get_or_insert_with(Usage::default);
    total.input_tokens += number(tokens, "input");
    total.output_tokens += number(tokens, "output");
    total.cache_read_tokens += number(tokens, "cacheRead");
    total.cache_write_tokens += number(tokens, "cacheWrite");
    // Zero is also what is told of a model without a price.
    let cost = tokens["cost"]["total"].as_f64().filter(|cost| *cost > 0.0);
    if let Some(cost) = cost {
        total.cost_usd = Some(total.cost_usd.unwrap_or(0.0) + cost);
    }
    total.turns = Some(total.turns.unwrap_or(0).saturating_add(1));
}
