//! From an error that an agent program reported to a kind of failure.
//!
//! Only what the program itself reports comes here: the fields and the text of
//! its error events, its exit code, the error lines of its standard error. What
//! the model or a tool said never does, so that a review *about* rate limits is
//! not taken for one.

use cl_storage::FailureKind;

use super::facts::Reported;
use super::wording::{kind_of_code, saying_in};

/// Texts by kind; the first match counts, so the more special kinds come first.
const TEXTS: &[(FailureKind, &[&str])] = &[
    (
        FailureKind::LimitCredit,
        &[
            "credit balance is too low",
            "insufficient_quota",
            "insufficient credit",
            "insufficient balance",
            "out of credits",
            "billing_error",
            "billing_hard_limit",
            "check your plan and billing",
            "payment required",
        ],
    ),
    (
        FailureKind::LimitAdmin,
        &[
            "spending limit",
            "spend limit",
            "specified api usage limits",
            "organization has disabled",
            "organization's usage limit",
            "disabled by your administrator",
            "contact your administrator",
            "contact your admin",
        ],
    ),
    (
        FailureKind::ContextOverflow,
        &[
            "prompt is too long",
            "prompt as too long",
            "prompt_too_long",
            "context_length_exceeded",
            "context length",
            "context window",
            "input is too long",
            "input token count",
            "conversation is too long",
            "conversation too long",
        ],
    ),
    (
        FailureKind::LimitWindow,
        &[
            "usage limit reached",
            "usage limit has been reached",
            "usage_limit_reached",
            "out of extra usage",
            "hit your limit",
            "hit your usage limit",
            "hit your session limit",
            "hit your weekly limit",
            "reached your limit",
            "reached your usage limit",
            "reached your session limit",
            "reached your weekly limit",
            "5-hour limit",
            "weekly limit reached",
            "quota exceeded",
            "exceeded your current quota",
            "exhausted your daily quota",
            "exhausted your capacity",
            "rate limit",
            "rate_limit",
            "rate-limit",
            "too many requests",
            "resource_exhausted",
        ],
    ),
    (
        FailureKind::Overloaded,
        &["overloaded", "at capacity", "model is busy"],
    ),
    (
        FailureKind::Auth,
        &[
            "not logged in",
            "please run /login",
            "invalid api key",
            "invalid x-api-key",
            "incorrect api key",
            "api key not valid",
            "api key not found",
            "api key is missing",
            "no api key",
            "missing api key",
            "no auth type is selected",
            "no authentication information",
            "invalid bearer token",
            "authentication_error",
            "authentication_failed",
            "authentication failed",
            "permission_error",
            "unauthorized",
            "unauthenticated",
            "oauth token",
            "token has expired",
            "missing environment variable",
            "must specify the gemini_api_key",
            "invalid auth method",
            "set an auth method",
        ],
    ),
    (
        FailureKind::MaxTurns,
        &["tool-call budget of", "max session turns"],
    ),
    (FailureKind::Timeout, &["wall-clock budget of"]),
    (
        FailureKind::PermissionBlocked,
        &[
            "cannot be used with root",
            "not running in a trusted directory",
            "not inside a trusted directory",
        ],
    ),
    (
        FailureKind::SpawnFailed,
        &[
            "unknown option",
            "unknown argument",
            "unexpected argument",
            "unrecognized option",
            "unknown flag",
        ],
    ),
    (
        FailureKind::ApiTransient,
        &[
            "econnrefused",
            "econnreset",
            "enotfound",
            "etimedout",
            "eai_again",
            "connection refused",
            "connection reset",
            "connection error",
            "cannot connect to api",
            "connection closed",
            "connection failed",
            "error sending request",
            "fetch failed",
            "socket hang up",
            "other side closed",
            "network error",
            "stream disconnected",
            "stream ended",
            "stream error",
            "without a finish reason",
            "timed out",
            "timeout waiting",
            "high demand",
            "internal server error",
            "internal error",
            "server_error",
            "api_error",
            "bad gateway",
            "gateway timeout",
            "service unavailable",
            "temporarily unavailable",
            "malformed response",
            "incomplete json",
            "json parsing failed",
            "exceeded retry limit",
        ],
    ),
];

/// Returns the kind of failure that was reported; none if nothing is recognised.
///
/// An unmistakable field comes first, then what one program alone says, the HTTP
/// status, the error's code and at last its text.
pub(crate) fn classify(reported: &Reported) -> Option<FailureKind> {
    if reported.kind.is_some() {
        return reported.kind;
    }
    let certain = saying_in(&reported.text)
        .map(|saying| saying.kind)
        .or_else(|| reported.code.as_deref().and_then(kind_of_code));
    if certain.is_some() {
        return certain;
    }
    let status = reported.status.or_else(|| status_in(&reported.text));
    let by_code = reported.code.as_deref().and_then(kind_of_text);
    let by_text = kind_of_text(&reported.text);
    let special = |kind: &FailureKind| {
        matches!(
            kind,
            FailureKind::LimitCredit | FailureKind::LimitAdmin | FailureKind::ContextOverflow
        )
    };
    let by_status = match status {
        // These statuses cover several kinds; the code or the text tells them apart.
        Some(400..=404 | 413 | 422 | 429) => by_code
            .filter(special)
            .or(by_text.filter(special))
            .or(match status {
                Some(401 | 403) => Some(FailureKind::Auth),
                Some(402) => Some(FailureKind::LimitCredit),
                Some(413) => Some(FailureKind::ContextOverflow),
                Some(429) => Some(FailureKind::LimitWindow),
                _ => None,
            }),
        Some(529) => Some(FailureKind::Overloaded),
        Some(408 | 409 | 425 | 500..=599) => Some(match by_code.or(by_text) {
            Some(FailureKind::Overloaded) => FailureKind::Overloaded,
            _ => FailureKind::ApiTransient,
        }),
        _ => None,
    };
    by_status.or(by_code).or(by_text).or(reported.otherwise)
}

fn kind_of_text(text: &str) -> Option<FailureKind> {
    let text = text.to_lowercase();
    let found = TEXTS
        .iter()
        .find(|(_, words)| words.iter().any(|word| text.contains(word)))
        .map(|(kind, _)| *kind);
    match found {
        // The same advice is given for quotas that fill up again by themselves.
        Some(FailureKind::LimitCredit)
            if text.contains("check your plan and billing") && is_timed_quota(&text) =>
        {
            Some(FailureKind::LimitWindow)
        }
        None if text.contains("limit") && is_timed(&text) => Some(FailureKind::LimitWindow),
        found => found,
    }
}

fn is_timed_quota(text: &str) -> bool {
    let words = [
        "retry in",
        "retrydelay",
        "quota exceeded for",
        "per day",
        "perday",
    ];
    words.iter().any(|word| text.contains(word))
}

fn is_timed(text: &str) -> bool {
    [
        "limit resets ",
        "limit will reset ",
        " resets at ",
        " \u{b7} resets ",
        " \u{2219} resets ",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// Returns whether a line of plain output is a program's own word about its usage limit.
pub(super) fn is_limit_line(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    [
        "claude ai usage limit reached",
        "claude usage limit reached",
        "usage limit reached",
        "you've hit your ",
        "you've reached your ",
        "5-hour limit reached",
        "weekly limit reached",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// Finds an HTTP error status in an error text: `status 401`, `(429)`, `API Error: 500`.
fn status_in(text: &str) -> Option<u16> {
    let text = text.to_lowercase();
    let before = [
        "status ",
        "status: ",
        "status code ",
        "(",
        "api error: ",
        "http ",
        "\"code\":",
        "error ",
    ];
    before.iter().find_map(|mark| {
        text.match_indices(mark).find_map(|(at, _)| {
            let rest = text[at + mark.len()..].trim_start();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let status: u16 = rest.get(..digits).filter(|_| digits == 3)?.parse().ok()?;
            (400..600).contains(&status).then_some(status)
        })
    })
}

/// Returns whether a line is nothing but `Claude AI usage limit reached|1769700000`.
pub(super) fn is_dated_limit(line: &str) -> bool {
    let dated = line.trim().split_once('|');
    dated.is_some_and(|(text, epoch)| {
        let text = text.to_lowercase();
        [
            "usage limit reached",
            "claude usage limit reached",
            "claude ai usage limit reached",
        ]
        .contains(&text.as_str())
            && (10..=13).contains(&epoch.len())
            && epoch.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Returns whether the text says that the session to resume does not exist.
pub(super) fn is_session_missing(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "no conversation found with session id",
        "no rollout found for thread id",
        "invalid session identifier",
        "error resuming session",
        "no previous sessions found",
        "session not found",
        "no saved session found with id",
        "no session, task, or name matched",
        "no session found matching",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// Returns whether a line of standard error is one that reports an error.
///
/// Indented lines are stack traces and quoted sources.
pub(super) fn is_error_line(line: &str) -> bool {
    let line = without_time(line).to_lowercase();
    [
        "error",
        "fatal",
        "[api error",
        "api error",
        "attempt ",
        "exception",
        "panic",
        "uncaught",
        "failed",
        "run aborted:",
        "reached max session turns",
        "thread '",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// Returns whether a line is one that programs print at every start, or is indented.
pub(super) fn is_notice(line: &str) -> bool {
    line.starts_with(char::is_whitespace)
        || [
            "Warning:",
            "[STARTUP]",
            "YOLO mode",
            "Approval mode",
            "Ripgrep",
            "Loaded cached",
        ]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Removes a leading timestamp such as `2026-11-21T02:05:03.648043Z`.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((first, rest))
            if first.starts_with(|c: char| c.is_ascii_digit())
                && first.contains('T')
                && first.contains(':') =>
        {
            rest.trim_start()
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: Option<u16>, code: &str, text: &str, expected: Option<FailureKind>) {
        let reported = Reported {
            status,
            code: (!code.is_empty()).then(|| code.to_owned()),
            text: text.to_owned(),
            ..Reported::default()
        };
        assert_eq!(classify(&reported), expected, "{reported:?}");
    }

    #[test]
    fn statuses_decide_before_texts() {
        use FailureKind as K;
        check(Some(401), "", "rate limit", Some(K::Auth));
        check(Some(403), "", "", Some(K::Auth));
        check(Some(429), "rate_limit", "", Some(K::LimitWindow));
        check(Some(429), "insufficient_quota", "", Some(K::LimitCredit));
        check(
            Some(400),
            "",
            "prompt is too long",
            Some(K::ContextOverflow),
        );
        check(
            Some(400),
            "",
            "Your credit balance is too low to access the API",
            Some(K::LimitCredit),
        );
        check(Some(413), "", "", Some(K::ContextOverflow));
        check(Some(500), "", "", Some(K::ApiTransient));
        check(
            Some(503),
            "",
            "The model is overloaded",
            Some(K::Overloaded),
        );
        check(Some(529), "server_error", "", Some(K::Overloaded));
        check(Some(404), "", "model: nope", None);
    }

    #[test]
    fn texts_of_the_programs_are_known() {
        use FailureKind as K;
        let texts = [
            (
                "You've hit your limit \u{b7} resets 3pm (Europe/Berlin)",
                K::LimitWindow,
            ),
            ("Claude AI usage limit reached|1769700000", K::LimitWindow),
            (
                "You've hit your usage limit. Try again at 3:05 PM.",
                K::LimitWindow,
            ),
            (
                "Quota exceeded. Check your plan and billing details.",
                K::LimitCredit,
            ),
            ("The usage limit has been reached", K::LimitWindow),
            (
                "You're out of extra usage \u{b7} resets 3am (Europe/Berlin)",
                K::LimitWindow,
            ),
            ("Opus limit reached \u{2219} resets 3am", K::LimitWindow),
            (
                "You exceeded your current quota, please check your plan and billing details. \
                 * Quota exceeded for metric: free_tier_requests, limit: 250. Please retry in 34.07s.",
                K::LimitWindow,
            ),
            (
                "You exceeded your current quota, please check your plan and billing details.",
                K::LimitCredit,
            ),
            (
                "Your organization's usage limit resets at 3pm",
                K::LimitAdmin,
            ),
            ("Credit balance is too low", K::LimitCredit),
            (
                "You have reached your specified API usage limits.",
                K::LimitAdmin,
            ),
            (
                "exceeded retry limit, last status: 429 Too Many Requests",
                K::LimitWindow,
            ),
            (
                "unexpected status 401 Unauthorized: x, url: http://a/b",
                K::Auth,
            ),
            ("API Error: 500 internal error", K::ApiTransient),
            ("API Error: 529 Overloaded.", K::Overloaded),
            ("Selected model is at capacity.", K::Overloaded),
            ("Missing environment variable: `KEY`.", K::Auth),
            (
                "stream disconnected before completion: idle timeout",
                K::ApiTransient,
            ),
            ("error: unknown option '--x'", K::SpawnFailed),
        ];
        for (text, kind) in texts {
            check(None, "", text, Some(kind));
        }
        check(None, "", "something new", None);
        check(None, "", "the limits of this approach", None);
        check(None, "", "port 4290 (1234) status 42", None);
    }

    #[test]
    fn error_lines_are_told_from_the_rest() {
        assert!(is_error_line("Error: no"));
        assert!(is_error_line("2026-11-21T02:05:03.6Z ERROR core: no"));
        assert!(!is_error_line("    at Error (file.js:1)"));
        assert!(!is_error_line("the review is about an error"));
    }
}
