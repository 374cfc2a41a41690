//! The verdict on every recorded run, as a table per program.

use std::fmt::Write as _;

use cl_agent::{Dialect, usage_since};
use cl_storage::Usage;

use crate::recordings::{recording, recordings};

/// One line per run: exit, verdict, completeness, session, model, tokens, answer, detail.
fn table(program: &str, dialect: Dialect) -> String {
    let mut table = String::new();
    for recording in recordings(program) {
        let outcome = recording.outcome(dialect);
        assert_eq!(
            outcome.success,
            outcome.failure.is_none(),
            "{}",
            recording.case
        );
        assert_eq!(
            outcome.produced_output,
            !recording.stdout.trim_ascii().is_empty(),
            "{}",
            recording.case
        );
        let (verdict, detail) = match &outcome.failure {
            None => ("ok".to_owned(), String::new()),
            Some(failure) => (
                failure.kind.to_string(),
                failure.detail.chars().take(70).collect(),
            ),
        };
        writeln!(
            table,
            "{} | {:?} | {verdict} | {}{} | {} | {} | {} | {} | {detail}",
            recording.case,
            recording.exit,
            if outcome.complete { "closed" } else { "cut" },
            if outcome.session_not_found {
                ", no such session"
            } else {
                ""
            },
            if outcome.session_id.is_some() {
                "session"
            } else {
                "-"
            },
            outcome.model.as_deref().unwrap_or("-"),
            outcome.usage.as_ref().map_or("-".to_owned(), tokens),
            outcome
                .final_text
                .as_deref()
                .unwrap_or("-")
                .replace('\n', "\\n"),
        )
        .unwrap();
    }
    table
}

fn tokens(usage: &Usage) -> String {
    let mut text = format!(
        "{}+{}r+{}w>{}",
        usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens
    );
    if let Some(cost) = usage.cost_usd {
        write!(text, " ${cost}").unwrap();
    }
    if let Some(turns) = usage.turns {
        write!(text, " {turns}t").unwrap();
    }
    text
}

#[test]
fn claude_code() {
    insta::assert_snapshot!(table("claude-code-2.1.329", Dialect::Claude));
}

#[test]
fn codex() {
    insta::assert_snapshot!(table("codex-0.169.0", Dialect::Codex));
}

#[test]
fn gemini() {
    insta::assert_snapshot!(table("gemini-0.61.0", Dialect::Gemini));
}

#[test]
fn opencode() {
    insta::assert_snapshot!(table("opencode-1.18.33", Dialect::Opencode));
}

#[test]
fn qwen_code() {
    insta::assert_snapshot!(table("qwen-0.24.4", Dialect::Qwen));
}

#[test]
fn copilot() {
    insta::assert_snapshot!(table("copilot-1.0.102", Dialect::Copilot));
}

#[test]
fn pi() {
    insta::assert_snapshot!(table("pi-0.73.1", Dialect::Pi));
}

#[test]
fn a_resumed_qwen_run_counts_what_it_used_itself() {
    let program = "qwen-0.24.4";
    let first = recording(program, "ok").outcome(Dialect::Qwen);
    let second = recording(program, "resume").outcome(Dialect::Qwen);
    assert_eq!(first.session_id, second.session_id);
    let used = usage_since(&second.usage.unwrap(), &first.usage.unwrap());
    assert_eq!(tokens(&used), "240+60r+0w>50");
}

#[test]
fn a_resumed_codex_run_counts_what_it_used_itself() {
    let program = "codex-0.169.0";
    let first = recording(program, "ok").outcome(Dialect::Codex);
    let second = recording(program, "resume").outcome(Dialect::Codex);
    assert!(second.usage_is_cumulative_per_session);
    assert_eq!(first.session_id, second.session_id);
    let used = usage_since(&second.usage.unwrap(), &first.usage.unwrap());
    assert_eq!(
        tokens(&used),
        "120+30r+0w>25",
        "450 = 300 + 150 with the cached ones"
    );
}
