//! Deciding how a run went, from its stream and the end of its process together.

use cl_storage::ledger::{Source, WindowReport, WindowState};
use cl_storage::{Failure, FailureKind};

use super::classify::{
    classify, is_dated_limit, is_error_line, is_limit_line, is_notice, is_session_missing,
};
use super::facts::{Closing, Facts, Reported};
use super::lines::plain_text;
use super::reset::{next_quota_day, reset_in, window_in};
use super::wording::saying_in;
use super::{Exit, Outcome, gemini, qwen};
use crate::kind::Dialect;

/// How much of standard error is looked at.
const STDERR_LINES: usize = 200;

pub(super) fn decide(
    dialect: Dialect,
    mut facts: Facts,
    exit: Exit,
    stderr_tail: &[u8],
    produced_output: bool,
) -> Outcome {
    let complete = facts.closing.is_some() || !dialect.has_closing_event();
    let stream_is_good = match &facts.closing {
        Some(Closing::Success) => true,
        Some(Closing::Failed(_)) => false,
        None => !dialect.has_closing_event() && facts.error.is_none(),
    };
    let stderr = plain_text(&String::from_utf8_lossy(stderr_tail));
    let success = stream_is_good && exit == Exit::Code(0);
    let mut session_not_found = false;
    let failure = (!success).then(|| {
        let reported = what_was_reported(dialect, &mut facts, exit, &stderr);
        session_not_found = is_session_missing(&reported.text);
        to_failure(&reported, &mut facts)
    });
    let (final_text, left_out_bytes) = match facts.answer.take() {
        Some(answer) => (Some(answer), 0),
        None => (
            facts.said.trimmed().map(str::to_owned),
            facts.said.left_out_bytes(),
        ),
    };
    Outcome {
        success,
        failure,
        final_text,
        left_out_bytes,
        session_id: facts.session_id,
        model: facts.model,
        called_tools: None,
        usage: facts.spending.with(facts.usage.as_ref()),
        usage_is_cumulative_per_session: is_cumulative(dialect),
        complete,
        produced_output,
        session_not_found,
        limits: facts.windows,
    }
}

/// Tells whether what is reported as used counts from the start of the session.
pub(super) fn is_cumulative(dialect: Dialect) -> bool {
    matches!(
        dialect,
        Dialect::Codex | Dialect::Qwen | Dialect::Copilot | Dialect::Acp
    )
}

/// Returns the best account of a failure: events, then the exit, then standard error.
fn what_was_reported(dialect: Dialect, facts: &mut Facts, exit: Exit, stderr: &str) -> Reported {
    let by_exit = match (dialect, exit) {
        (Dialect::Gemini, Exit::Code(code)) => gemini::exit_meaning(code),
        (Dialect::Qwen, Exit::Code(code)) => qwen::exit_meaning(code),
        _ => Reported::default(),
    };
    match facts.closing.take() {
        Some(Closing::Failed(mut reported)) => {
            reported.kind = reported.kind.or(by_exit.kind);
            reported.status = by_exit.status.or(reported.status);
            return reported;
        }
        Some(Closing::Success) => {
            let text = format!("{} after its closing event", describe(exit));
            return crash(text);
        }
        None => {}
    }
    if let Exit::Signal(_) = exit {
        return crash(describe(exit));
    }
    let error = facts.error.take();
    let is_all_its_own = facts.events == 0 && dialect.has_closing_event() && exit != Exit::Code(0);
    let from_stderr = error_in(stderr, is_all_its_own).or_else(|| own_word(dialect, facts));
    if let Some(mut error) = error {
        error.status = by_exit.status.or(error.status);
        error.kind = error.kind.or(by_exit.kind);
        return error;
    }
    let fallback = match exit {
        Exit::Code(0) => "ended without its closing event".to_owned(),
        _ => describe(exit),
    };
    Reported {
        kind: by_exit
            .kind
            .or_else(|| facts.limit.as_ref().map(|_| FailureKind::LimitWindow)),
        status: by_exit.status,
        otherwise: Some(FailureKind::AgentCrash),
        code: None,
        retry_at: None,
        whole: None,
        text: match from_stderr {
            Some(line) if exit == Exit::Code(0) => format!("{fallback}: {line}"),
            Some(line) => line,
            None => fallback,
        },
    }
}

fn crash(text: String) -> Reported {
    Reported {
        kind: Some(FailureKind::AgentCrash),
        text,
        ..Reported::default()
    }
}

/// Returns the line in which a program that has come to nothing says why.
///
/// `stderr` is the end of its standard error, all of which must be its own words.
pub fn telling_line(stderr: &str) -> Option<String> {
    error_in(&plain_text(stderr), true)
}

/// Finds the line of standard error that says most.
///
/// A program that failed without any event never got to run a tool, so all it
/// wrote is its own.
fn error_in(stderr: &str, is_all_its_own: bool) -> Option<String> {
    let lines = || {
        stderr
            .lines()
            .rev()
            .take(STDERR_LINES)
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
    };
    lines()
        .find(|line| is_error_line(line))
        .or_else(|| {
            // The first sentence says what is wrong; advice and usage follow it.
            lines()
                .filter(|line| is_all_its_own && !is_notice(line))
                .last()
        })
        .map(str::to_owned)
}

/// Returns what a program that failed said of its limit on standard output, outside of any event.
///
/// Where all output is the answer, the line must be exactly what the programs print:
/// the model writes there, too.
fn own_word(dialect: Dialect, facts: &Facts) -> Option<String> {
    let line = match dialect {
        Dialect::Text => facts.said.last_line().filter(|line| is_dated_limit(line)),
        _ if facts.events == 0 => facts
            .plain_line
            .as_deref()
            .filter(|line| is_limit_line(line)),
        _ => None,
    };
    line.map(str::to_owned)
}

fn to_failure(reported: &Reported, facts: &mut Facts) -> Failure {
    let kind = match classify(reported) {
        None | Some(FailureKind::ApiTransient) if facts.limit.is_some() => FailureKind::LimitWindow,
        Some(kind) => kind,
        None => FailureKind::Unknown,
    };
    let mut failure = Failure::new(kind, plain_text(&reported.text));
    // No time brings money or an administrator's consent.
    let passes = !matches!(kind, FailureKind::LimitCredit | FailureKind::LimitAdmin);
    failure.retry_at = reported.retry_at.filter(|_| passes);
    if kind != FailureKind::LimitWindow {
        return failure;
    }
    let told = match facts.limit.clone() {
        Some(window) if window.opens_at.is_some() => return with_reset(failure, window.opens_at),
        told => told,
    };
    let words = reported.whole.as_deref().unwrap_or(&reported.text);
    let now = facts.zoned_now();
    let now = now.as_ref();
    let named = saying_in(&reported.text)
        .and_then(|saying| saying.window)
        .unwrap_or_else(|| window_in(words));
    let in_words = (reported.retry_at)
        .or_else(|| reset_in(&reported.text, now))
        .or_else(|| reset_in(words, now));
    failure.retry_at = match named {
        // The delay that is told beside it is that of a quota per minute.
        "day" if is_quota(words) => now.and_then(next_quota_day).or(in_words),
        _ => in_words,
    };
    facts.note_window(WindowReport {
        window: told.map_or_else(|| named.to_owned(), |told| told.window),
        state: WindowState::Rejected,
        used_percent: None,
        resets_at: failure.retry_at,
        source: Source::Text,
    });
    failure
}

fn with_reset(mut failure: Failure, opens_at: Option<jiff::Timestamp>) -> Failure {
    failure.retry_at = opens_at;
    failure
}

/// Tells whether the words are those of a quota that is counted by the day.
fn is_quota(words: &str) -> bool {
    let words = words.to_lowercase();
    ["perday", "per day", "daily"]
        .iter()
        .any(|part| words.contains(part))
        && words.contains("quota")
}

/// Says how a process ended; codes above 128 are signals that a shell or the program passed on.
fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code @ (129 | 130 | 137 | 143)) => {
            format!("exited with code {code} ({})", signal_name(code - 128))
        }
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Signal(signal) => format!("ended by signal {signal} ({})", signal_name(signal)),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => "another signal",
    }
}
