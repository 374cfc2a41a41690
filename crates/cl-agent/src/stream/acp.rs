//! The lines of our own worker for agents that speak ACP; see [`crate::acp`].

use cl_storage::{FailureKind, Usage};

use super::facts::{Closing, Facts, Reported, Said};
use crate::acp::Event;

pub(super) fn read(line: &[u8], facts: &mut Facts) {
    // A later worker may print what this build does not know.
    let Ok(event) = serde_json::from_slice::<Event>(line) else {
        return;
    };
    facts.events += 1;
    match event {
        Event::Session { session_id, .. } => facts.session_id = Some(session_id),
        Event::Model { model } => facts.model = Some(model),
        Event::Text { text } => {
            for said in [&mut facts.said, &mut facts.said_last] {
                said.push_piece(&text);
            }
        }
        Event::ToolCall { title, .. } => {
            facts.tool = Some(title);
            facts.said.end_message();
            facts.said_last = Said::default();
        }
        Event::ToolEnd { .. } => facts.tool = None,
        Event::Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cost_usd,
        } => {
            facts.usage = Some(Usage {
                input_tokens,
                output_tokens,
                cache_read_tokens,
                cache_write_tokens,
                cost_usd,
                turns: None,
            });
        }
        Event::Error {
            kind,
            message,
            status,
        } => {
            facts.closing = Some(Closing::Failed(Reported {
                kind,
                status,
                text: message,
                otherwise: Some(FailureKind::AgentCrash),
                ..Reported::default()
            }));
        }
        Event::End { stop_reason } => {
            facts.tool = None;
            // Nothing after the last tool: then all that was said is the answer.
            facts.answer = facts.said_last.trimmed().map(str::to_owned);
            facts.closing = Some(closing(&stop_reason));
        }
        Event::Start { .. }
        | Event::Agent { .. }
        | Event::Thought { .. }
        | Event::Plan { .. }
        | Event::Permission { .. }
        | Event::Alive => {}
    }
}

/// What the reason for which an agent has ended its turn means.
fn closing(stop_reason: &str) -> Closing {
    let (kind, text) = match stop_reason {
        "end_turn" => return Closing::Success,
        "max_tokens" => (
            FailureKind::ContextOverflow,
            "the model reached its maximum number of tokens".to_owned(),
        ),
        "max_turn_requests" => (
            FailureKind::MaxTurns,
            "the agent reached its maximum number of requests in one turn".to_owned(),
        ),
        "refusal" => (
            FailureKind::PermissionBlocked,
            "the agent refused to go on".to_owned(),
        ),
        "cancelled" => (
            FailureKind::Cancelled,
            "the agent ended its turn because it was asked to".to_owned(),
        ),
        other => (
            FailureKind::Unknown,
            format!("the agent ended its turn for a reason that is not known: {other}"),
        ),
    };
    Closing::Failed(Reported {
        kind: Some(kind),
        text,
        ..Reported::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Exit, StreamParser};
    use crate::kind::Dialect;
    use cl_storage::FailureKind;

    fn outcome(lines: &[&str], exit: i32) -> crate::Outcome {
        let mut parser = StreamParser::new(Dialect::Acp);
        for line in lines {
            parser.feed(line.as_bytes());
            parser.feed(b"\n");
        }
        parser.finish(Exit::Code(exit), b"")
    }

    #[test]
    fn the_answer_is_what_was_said_behind_the_last_tool() {
        let outcome = outcome(
            &[
                r#"{"type":"start","version":1,"program":"/bin/agent"}"#,
                r#"{"type":"session","session_id":"s-1","resumed":false}"#,
                r#"{"type":"model","model":"m"}"#,
                r#"{"type":"text","text":"Let me see."}"#,
                r#"{"type":"tool_call","id":"t","title":"Read a file"}"#,
                r#"{"type":"tool_end","id":"t","status":"completed"}"#,
                r#"{"type":"from_the_future"}"#,
                r#"{"type":"thought","text":"hm"}"#,
                r#"{"type":"text","text":"It is "}"#,
                r#"{"type":"text","text":"so."}"#,
                r#"{"type":"usage","input_tokens":5,"output_tokens":7,"cost_usd":0.5}"#,
                r#"{"type":"end","stop_reason":"end_turn"}"#,
            ],
            0,
        );
        assert!(outcome.success, "{outcome:?}");
        assert_eq!(outcome.final_text.as_deref(), Some("It is so."));
        assert_eq!(outcome.session_id.as_deref(), Some("s-1"));
        assert_eq!(outcome.model.as_deref(), Some("m"));
        assert_eq!(outcome.called_tools, Some(true));
        let usage = outcome.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.cost_usd), (5, Some(0.5)));
        assert!(outcome.usage_is_cumulative_per_session);
    }

    #[track_caller]
    fn check_failure(line: &str, expected: FailureKind) {
        let outcome = outcome(&[r#"{"type":"text","text":"half"}"#, line], 1);
        assert_eq!(outcome.failure.unwrap().kind, expected, "{line}");
        assert_eq!(outcome.final_text.as_deref(), Some("half"));
    }

    #[test]
    fn every_other_end_is_a_failure_of_its_kind() {
        let end = |reason| format!(r#"{{"type":"end","stop_reason":"{reason}"}}"#);
        check_failure(&end("max_tokens"), FailureKind::ContextOverflow);
        check_failure(&end("max_turn_requests"), FailureKind::MaxTurns);
        check_failure(&end("refusal"), FailureKind::PermissionBlocked);
        check_failure(&end("cancelled"), FailureKind::Cancelled);
        check_failure(&end("tired"), FailureKind::Unknown);
    }

    #[test]
    fn an_error_has_its_kind_or_that_of_its_words() {
        let error = |rest| format!(r#"{{"type":"error",{rest}}}"#);
        check_failure(&error(r#""kind":"auth","message":"m""#), FailureKind::Auth);
        check_failure(
            &error(r#""message":"m","status":429"#),
            FailureKind::LimitWindow,
        );
        check_failure(&error(r#""message":"Invalid API key""#), FailureKind::Auth);
        check_failure(&error(r#""message":"boom""#), FailureKind::AgentCrash);
    }

    #[test]
    fn a_worker_without_its_last_line_has_failed() {
        let outcome = outcome(&[r#"{"type":"text","text":"half"}"#], 0);
        assert!(!outcome.success && !outcome.complete);
    }
}
