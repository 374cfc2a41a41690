//! The lines of our own worker for services; see [`crate::rest`].

use std::fmt::Write as _;

use cl_storage::Usage;

use super::facts::{Closing, Facts, Reported};
use crate::rest::{Event, Source};

pub(super) fn read(line: &[u8], facts: &mut Facts) {
    // A later worker may print what this build does not know.
    let Ok(event) = serde_json::from_slice::<Event>(line) else {
        return;
    };
    facts.events += 1;
    match event {
        // What was asked for may be answered under another name.
        Event::Start { model, .. } | Event::Model { model } => facts.model = Some(model),
        Event::Text { text } => facts.said.push_piece(&text),
        Event::Reasoning { .. } | Event::Alive => {}
        Event::Citations { sources } => facts.said.push_piece(&sources_text(&sources)),
        Event::Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cost_usd,
        } => {
            facts.usage = Some(Usage {
                input_tokens,
                output_tokens,
                cache_read_tokens,
                cost_usd,
                turns: Some(1),
                ..Usage::default()
            });
        }
        Event::Error {
            kind,
            message,
            status,
            retry_at,
        } => {
            facts.closing = Some(Closing::Failed(Reported {
                kind: Some(kind),
                status,
                text: message,
                retry_at,
                ..Reported::default()
            }));
        }
        Event::End { .. } => facts.closing = Some(Closing::Success),
    }
}

/// Returns the sources as the end of an answer, numbered from one.
fn sources_text(sources: &[Source]) -> String {
    let mut text = String::from("\n\nSources:");
    for (at, Source { url, title }) in sources.iter().enumerate() {
        let number = at + 1;
        // Writing to a String cannot fail.
        write!(text, "\n[{number}] {url}").unwrap_or_default();
        if let Some(title) = title {
            write!(text, " ({})", title.trim()).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Exit, StreamParser};
    use crate::kind::Dialect;
    use cl_storage::FailureKind;

    fn outcome(lines: &str, exit: i32) -> crate::Outcome {
        let mut parser = StreamParser::new(Dialect::Rest);
        parser.feed(lines.as_bytes());
        parser.finish(Exit::Code(exit), b"")
    }

    #[test]
    fn an_answer_ends_with_its_sources() {
        let lines = r#"{"type":"start","version":1,"service":"perplexity","model":"sonar","url":"u"}
{"type":"model","model":"sonar-2"}
{"type":"text","text":"It is [1]"}
{"type":"alive"}
{"type":"from_the_future","text":"x"}
{"type":"text","text":" so.\n"}
{"type":"citations","sources":[{"url":"https://a"},{"url":"https://b","title":"B"}]}
{"type":"usage","input_tokens":5,"output_tokens":7,"cost_usd":0.25}
{"type":"end","finish_reason":"stop"}
"#;
        let outcome = outcome(lines, 0);
        assert!(outcome.success, "{outcome:?}");
        let expected = "It is [1] so.\n\n\nSources:\n[1] https://a\n[2] https://b (B)";
        assert_eq!(outcome.final_text.as_deref(), Some(expected));
        assert_eq!(outcome.model.as_deref(), Some("sonar-2"));
        let usage = outcome.usage.unwrap();
        assert_eq!(
            (usage.input_tokens, usage.output_tokens, usage.cost_usd),
            (5, 7, Some(0.25))
        );
    }

    #[test]
    fn an_error_keeps_kind_and_time_and_what_was_said() {
        let lines = "{\"type\":\"text\",\"text\":\"half\"}\n{\"type\":\"error\",\"kind\":\"overloaded\",\"message\":\"m\",\"retry_at\":\"2026-01-01T00:00:00Z\"}\n";
        let outcome = outcome(lines, 1);
        assert_eq!(outcome.final_text.as_deref(), Some("half"));
        let failure = outcome.failure.unwrap();
        assert_eq!(
            (failure.kind, failure.detail.as_str()),
            (FailureKind::Overloaded, "m")
        );
        assert_eq!(failure.retry_at.unwrap().as_second(), 1_767_225_600);
    }

    #[test]
    fn a_worker_without_its_last_line_has_failed() {
        let outcome = outcome("{\"type\":\"text\",\"text\":\"half\"}\n", 0);
        assert!(!outcome.success && !outcome.complete);
    }
}
