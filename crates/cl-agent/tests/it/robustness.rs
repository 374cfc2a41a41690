//! Streams that are torn, dirty, foreign or enormous.

use std::fmt::Write as _;

use cl_agent::{Dialect, Exit, JsonlMapping, Outcome, StreamParser};
use cl_storage::FailureKind;
use proptest::prelude::*;

use crate::recordings::{Recording, recording, recordings};

const PROGRAMS: [(&str, Dialect); 7] = [
    ("claude-code-2.1.329", Dialect::Claude),
    ("codex-0.169.0", Dialect::Codex),
    ("gemini-0.61.0", Dialect::Gemini),
    ("opencode-1.18.33", Dialect::Opencode),
    ("qwen-0.24.4", Dialect::Qwen),
    ("copilot-1.0.102", Dialect::Copilot),
    ("pi-0.73.1", Dialect::Pi),
];

const DIALECTS: [Dialect; 9] = [
    Dialect::Claude,
    Dialect::Codex,
    Dialect::Gemini,
    Dialect::Opencode,
    Dialect::Qwen,
    Dialect::Copilot,
    Dialect::Pi,
    Dialect::Jsonl,
    Dialect::Text,
];

fn read(dialect: Dialect, stdout: &[u8]) -> Outcome {
    let mut parser = StreamParser::new(dialect);
    parser.feed(stdout);
    parser.finish(Exit::Code(0), b"")
}

#[track_caller]
fn check_failure(dialect: Dialect, stdout: &str, kind: FailureKind) -> Outcome {
    let outcome = read(dialect, stdout.as_bytes());
    assert_eq!(
        outcome.failure.as_ref().map(|f| f.kind),
        Some(kind),
        "{outcome:?}"
    );
    outcome
}

#[test]
fn byte_by_byte_is_the_same_as_at_once() {
    for (program, dialect) in PROGRAMS {
        for recording in recordings(program) {
            let mut parser = StreamParser::new(dialect);
            for byte in &recording.stdout {
                parser.feed(std::slice::from_ref(byte));
            }
            let outcome = parser.finish(recording.exit, &recording.stderr);
            assert_eq!(outcome, recording.outcome(dialect), "{}", recording.case);
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_before_its_last_event_is_no_success() {
    for (program, dialect) in PROGRAMS {
        let whole = recording(program, "ok").stdout;
        let last_event = whole
            .trim_ascii_end()
            .iter()
            .rposition(|&b| b == b'\n')
            .unwrap();
        for end in (0..whole.trim_ascii_end().len()).step_by(7) {
            let outcome = read(dialect, &whole[..end]);
            assert!(
                !outcome.success && !outcome.complete,
                "{program} cut at {end} of {last_event}"
            );
            assert_eq!(outcome.failure.unwrap().kind, FailureKind::AgentCrash);
        }
        let without_line_end = read(dialect, whole.trim_ascii_end());
        assert!(without_line_end.success, "{program}");
    }
}

#[test]
fn the_closing_event_is_announced_as_soon_as_its_line_ends() {
    for (program, dialect) in PROGRAMS {
        let whole = recording(program, "ok").stdout;
        let mut parser = StreamParser::new(dialect);
        parser.feed(&whole[..whole.len() - 1]);
        assert!(!parser.closing_event_seen(), "{program}");
        parser.feed(&whole[whole.len() - 1..]);
        assert!(parser.closing_event_seen(), "{program}");
    }
}

#[test]
fn the_exit_code_counts_even_after_a_good_last_event() {
    for (program, dialect) in PROGRAMS {
        for exit in [Exit::Code(1), Exit::Code(143), Exit::Signal(9)] {
            let outcome = Recording {
                exit,
                ..recording(program, "ok")
            }
            .outcome(dialect);
            assert!(!outcome.success && outcome.complete, "{program} {exit:?}");
            assert_eq!(outcome.failure.unwrap().kind, FailureKind::AgentCrash);
            assert!(outcome.final_text.is_some());
        }
    }
}

#[test]
fn streams_of_other_programs_are_never_a_success() {
    for (program, own) in PROGRAMS {
        for recording in recordings(program) {
            for (_, dialect) in PROGRAMS {
                // Qwen Code prints the events of Claude Code.
                let related = [Dialect::Claude, Dialect::Qwen];
                let is_near = related.contains(&own) && related.contains(&dialect);
                if dialect == own || is_near {
                    continue;
                }
                let outcome = recording.outcome(dialect);
                assert!(
                    !outcome.success,
                    "{program} {} as {dialect}",
                    recording.case
                );
            }
        }
    }
}

#[test]
fn a_relative_of_a_known_program_is_read_where_it_speaks_the_same() {
    // Qwen Code prints the events of Claude Code.
    for recording in recordings("qwen-0.24.4") {
        let outcome = read(Dialect::Claude, &recording.stdout);
        assert_eq!(
            outcome.success,
            recording.outcome(Dialect::Qwen).success,
            "{}",
            recording.case
        );
    }
}

#[test]
fn noise_between_and_before_events_is_ignored() {
    for (program, dialect) in PROGRAMS {
        let clean = recording(program, "ok");
        let mut dirty =
            b"\xef\xbb\xbfstarting\n\n\x1b[2K\x1b[31mred\x1b[0m\n\0\0\0\n[1,2]\n\"x\"\n".to_vec();
        for line in clean.stdout.split_inclusive(|&b| b == b'\n') {
            dirty.extend_from_slice(b"\x1b[2K\r\0(node:1) Warning: noise ");
            dirty.extend_from_slice(line);
            dirty.extend_from_slice(
                b"{\"type\":\n{}\n{\"type\":7}\n{\"type\":\"from_the_future\"}\n\xff\xfe\r\n",
            );
        }
        let outcome = read(dialect, &dirty);
        assert_eq!(outcome, clean.outcome(dialect), "{program}");
    }
}

#[test]
fn a_line_of_twenty_mebibytes_before_the_result_costs_nothing() {
    let filler = "x".repeat(20 * 1024 * 1024);
    let lines = [
        (
            "claude-code-2.1.329",
            Dialect::Claude,
            format!(
                r#"{{"type":"user","message":{{"content":[{{"type":"tool_result","content":"{filler}"}}]}}}}"#
            ),
        ),
        (
            "codex-0.169.0",
            Dialect::Codex,
            format!(
                r#"{{"type":"item.completed","item":{{"type":"command_execution","aggregated_output":"{filler}"}}}}"#
            ),
        ),
        (
            "gemini-0.61.0",
            Dialect::Gemini,
            format!(r#"{{"type":"tool_result","tool_id":"1","output":"{filler}"}}"#),
        ),
    ];
    for (program, dialect, long) in lines {
        let clean = recording(program, "text_only");
        let end = clean
            .stdout
            .trim_ascii_end()
            .iter()
            .rposition(|&b| b == b'\n')
            .unwrap()
            + 1;
        let mut parser = StreamParser::new(dialect);
        parser.feed(&clean.stdout[..end]);
        for piece in long.as_bytes().chunks(64 * 1024) {
            parser.feed(piece);
        }
        parser.feed(b"\n");
        parser.feed(&clean.stdout[end..]);
        assert_eq!(
            parser.finish(Exit::Code(0), b""),
            clean.outcome(dialect),
            "{program}"
        );
    }
}

#[test]
fn a_byte_that_is_no_utf8_does_not_cost_the_result() {
    let mut line =
        br#"{"type":"result","subtype":"success","is_error":false,"result":"caf"#.to_vec();
    line.extend_from_slice(b"\xe9\"}\n");
    let outcome = read(Dialect::Claude, &line);
    assert_eq!(outcome.final_text.as_deref(), Some("caf\u{fffd}"));
    assert!(outcome.success);
}

#[test]
fn the_last_successful_result_is_the_answer() {
    let result = |text: &str, is_error: bool| {
        format!(
            r#"{{"type":"result","subtype":"success","is_error":{is_error},"result":"{text}"}}"#
        )
    };
    let two = format!("{}\n{}\n", result("one", false), result("two", false));
    assert_eq!(
        read(Dialect::Claude, two.as_bytes()).final_text.as_deref(),
        Some("two")
    );

    let then_error = format!(
        "{}\n{}\n",
        result("one", false),
        result("API Error: 500", true)
    );
    let outcome = check_failure(Dialect::Claude, &then_error, FailureKind::ApiTransient);
    assert_eq!(outcome.final_text.as_deref(), Some("one"));

    let woken_again = format!(
        "{}\n{}\n",
        result("one", false),
        r#"{"type":"system","subtype":"init"}"#
    );
    let outcome = check_failure(Dialect::Claude, &woken_again, FailureKind::AgentCrash);
    assert!(!outcome.complete);
}

#[test]
fn the_last_message_of_codex_is_the_answer_and_error_items_are_warnings() {
    let stream = concat!(
        r#"{"type":"item.completed","item":{"type":"agent_message","text":"OK"}}"#,
        "\n",
        r#"{"type":"item.completed","item":{"type":"error","message":"rate limit"}}"#,
        "\n",
        r#"{"type":"item.completed","item":{"type":"agent_message","text":"OK"}}"#,
        "\n",
        r#"{"type":"turn.completed","usage":{"input_tokens":1}}"#,
        "\n",
    );
    let outcome = read(Dialect::Codex, stream.as_bytes());
    assert!(outcome.success);
    assert_eq!(outcome.final_text.as_deref(), Some("OK"));
}

#[test]
fn pieces_of_gemini_join_without_loss() {
    let mut stream = String::new();
    for piece in [" OK", " ", "OK", "\\n", "\\n", " end "] {
        writeln!(
            stream,
            r#"{{"type":"message","role":"assistant","content":"{piece}","delta":true}}"#
        )
        .unwrap();
    }
    stream.push_str(r#"{"type":"result","status":"success"}"#);
    let outcome = read(Dialect::Gemini, stream.as_bytes());
    assert_eq!(outcome.final_text.as_deref(), Some("OK OK\n\n end"));
}

#[test]
fn a_review_about_rate_limits_is_not_a_rate_limit() {
    let said = "usage limit reached|1769700000, 429 Too Many Requests, status 401 Unauthorized";
    let claude = |end: &str| {
        format!(
            "{}\n{}\n{end}\n",
            format_args!(
                r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{said}"}}]}}}}"#
            ),
            format_args!(
                r#"{{"type":"user","message":{{"content":[{{"type":"tool_result","is_error":true,"content":"{said}"}}]}}}}"#
            ),
        )
    };
    let good = claude(&format!(
        r#"{{"type":"result","subtype":"success","is_error":false,"result":"{said}"}}"#
    ));
    assert!(read(Dialect::Claude, good.as_bytes()).success);
    check_failure(
        Dialect::Claude,
        &claude(r#"{"type":"result","subtype":"error_max_turns","is_error":true}"#),
        FailureKind::MaxTurns,
    );
    check_failure(Dialect::Claude, &claude(""), FailureKind::AgentCrash);

    let codex = format!(
        "{}\n{}\n",
        format_args!(
            r#"{{"type":"item.completed","item":{{"type":"agent_message","text":"{said}"}}}}"#
        ),
        format_args!(
            r#"{{"type":"item.completed","item":{{"type":"command_execution","aggregated_output":"{said}","exit_code":1}}}}"#
        ),
    );
    check_failure(Dialect::Codex, &codex, FailureKind::AgentCrash);
    let gemini = format!(r#"{{"type":"message","role":"assistant","content":"{said}"}}"#);
    check_failure(Dialect::Gemini, &gemini, FailureKind::AgentCrash);

    let mut parser = StreamParser::new(Dialect::Text);
    parser.feed(said.as_bytes());
    let outcome = parser.finish(Exit::Code(1), format!("reading notes: {said}").as_bytes());
    assert_eq!(outcome.failure.unwrap().kind, FailureKind::AgentCrash);
}

#[test]
fn a_closed_usage_window_says_when_it_opens() {
    let event = |status: &str| {
        format!(
            r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"{status}","resetsAt":1769700000,"rateLimitType":"five_hour"}}}}"#
        )
    };
    let end =
        r#"{"type":"result","subtype":"success","is_error":true,"result":"You've hit your limit"}"#;
    let outcome = check_failure(
        Dialect::Claude,
        &format!("noise {}\n{end}\n", event("rejected")),
        FailureKind::LimitWindow,
    );
    let retry_at = outcome.failure.unwrap().retry_at.unwrap();
    assert_eq!(retry_at.as_second(), 1_769_700_000);

    let warned = format!(
        "{}\n{}\n",
        event("allowed_warning"),
        r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["x"]}"#
    );
    let outcome = check_failure(Dialect::Claude, &warned, FailureKind::Unknown);
    assert_eq!(outcome.failure.unwrap().retry_at, None);

    let silent_end = event("rejected");
    check_failure(Dialect::Claude, &silent_end, FailureKind::LimitWindow);
    let went_on = format!(
        "{silent_end}\n{}\n",
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"on extra usage"}]}}"#
    );
    check_failure(Dialect::Claude, &went_on, FailureKind::AgentCrash);

    let old = r#"{"type":"result","subtype":"success","is_error":true,"result":"Claude AI usage limit reached|1769700000"}"#;
    let outcome = check_failure(Dialect::Claude, old, FailureKind::LimitWindow);
    assert!(outcome.failure.unwrap().retry_at.is_some());
}

#[test]
fn plain_text_is_the_answer_whatever_it_looks_like() {
    let outcome = read(Dialect::Text, b"  {\"type\":\"result\"}\nsecond line\n\n");
    assert!(outcome.success && outcome.complete && outcome.produced_output);
    assert_eq!(
        outcome.final_text.as_deref(),
        Some("{\"type\":\"result\"}\nsecond line")
    );
    let silent = read(Dialect::Text, b" \n");
    assert!(silent.success && !silent.produced_output && silent.final_text.is_none());
}

#[test]
fn json_lines_are_read_through_the_mapping() {
    let mapping = JsonlMapping {
        final_text: Some("message.text".to_owned()),
        session: Some("id".to_owned()),
        error: Some("error".to_owned()),
    };
    let run = |stdout: &str| {
        let mut parser = StreamParser::new(Dialect::Jsonl).with_mapping(mapping.clone());
        parser.feed(stdout.as_bytes());
        parser.finish(Exit::Code(0), b"")
    };
    let good = run(
        "{\"id\":7}\nnoise\n{\"message\":{\"text\":\"a\"}}\n{\"message\":{\"text\":\"b\"},\"error\":null}\n",
    );
    assert!(good.success);
    assert_eq!(good.session_id.as_deref(), Some("7"));
    assert_eq!(good.final_text.as_deref(), Some("b"));
    let recovered = run("{\"error\":\"x\"}\n{\"message\":{\"text\":\"b\"}}\n");
    assert!(recovered.success);
    let bad = run("{\"message\":{\"text\":\"b\"}}\n{\"error\":\"401 unauthorized\"}\n");
    assert_eq!(bad.failure.unwrap().kind, FailureKind::Auth);
}

#[test]
fn the_snapshot_shows_what_goes_on() {
    let recording = recording("claude-code-2.1.329", "tool_sigkill");
    let mut parser = StreamParser::new(Dialect::Claude);
    parser.feed(&recording.stdout);
    let snapshot = parser.snapshot();
    assert_eq!(snapshot.tool.as_deref(), Some("Bash"));
    assert_eq!(snapshot.last_line.as_deref(), Some("I will run a command."));
    assert!(snapshot.session_id.is_some() && snapshot.model.is_some());
}

proptest! {
    #[test]
    fn any_pieces_give_the_same_verdict(cuts in prop::collection::vec(0_usize..9000, 0..20)) {
        for (program, dialect) in PROGRAMS {
            let recording = recording(program, "ok");
            let mut cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(recording.stdout.len())).collect();
            cuts.push(recording.stdout.len());
            cuts.sort_unstable();
            let mut parser = StreamParser::new(dialect);
            let mut from = 0;
            for cut in cuts {
                parser.feed(&recording.stdout[from..cut]);
                from = cut;
            }
            prop_assert_eq!(parser.finish(recording.exit, &recording.stderr), recording.outcome(dialect));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), text in ".{0,200}") {
        for dialect in DIALECTS {
            let mut parser = StreamParser::new(dialect);
            parser.feed(&bytes);
            parser.feed(text.as_bytes());
            parser.snapshot();
            let outcome = parser.finish(Exit::Code(0), &bytes);
            prop_assert_eq!(outcome.success, !dialect.has_closing_event());
        }
    }

    #[test]
    fn mangled_events_never_panic(at in 0_usize..6000, byte in any::<u8>()) {
        for (program, dialect) in PROGRAMS {
            let mut recording = recording(program, "ok");
            let at = at % recording.stdout.len();
            recording.stdout[at] = byte;
            let outcome = recording.outcome(dialect);
            prop_assert_eq!(outcome.success, outcome.failure.is_none());
        }
    }
}
