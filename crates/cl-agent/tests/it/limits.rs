//! Usage limits: what the programs say of them, and what only looks like it.

use cl_agent::{Dialect, Exit, Outcome, StreamParser};
use cl_storage::FailureKind as K;
use cl_storage::ledger::{Source, WindowState};

/// A Saturday, 16:00 in Berlin.
const NOW: &str = "2026-11-21T16:00:00[Europe/Berlin]";

fn read(dialect: Dialect, stdout: &str, code: i32, stderr: &str) -> Outcome {
    let mut parser = StreamParser::new(dialect).as_of(&NOW.parse().unwrap());
    parser.feed(stdout.as_bytes());
    parser.finish(Exit::Code(code), stderr.as_bytes())
}

/// The run fails by `window`, which opens at `opens`; `-` is not told.
#[track_caller]
fn check(dialect: Dialect, stdout: &str, stderr: &str, window: &str, opens: &str) {
    let outcome = read(dialect, stdout, 1, stderr);
    let failure = outcome.failure.clone().unwrap();
    assert_eq!(failure.kind, K::LimitWindow, "{outcome:#?}");
    let opens_at = failure.retry_at.map(|time| time.to_string());
    assert_eq!(opens_at.as_deref().unwrap_or("-"), opens, "{failure:?}");
    let rejected: Vec<_> = (outcome.limits.iter())
        .filter(|told| told.state == WindowState::Rejected)
        .collect();
    assert_eq!(rejected.len(), 1, "{outcome:#?}");
    assert_eq!(rejected[0].window, window);
    assert_eq!(rejected[0].resets_at, failure.retry_at);
}

fn claude_error(text: &str) -> String {
    let result = serde_json::json!({
        "type": "result", "subtype": "success", "is_error": true, "result": text,
        "terminal_reason": "api_error", "api_error_status": 429,
    });
    format!("{result}\n")
}

fn claude_event(fields: &str) -> String {
    format!(r#"{{"type":"rate_limit_event","rate_limit_info":{{{fields}}}}}"#)
}

fn codex_error(message: &str) -> String {
    let error = serde_json::json!({"type": "error", "message": message});
    let failed = serde_json::json!({"type": "turn.failed", "error": {"message": message}});
    format!("{error}\n{failed}\n")
}

fn gemini_error(inner: &str) -> String {
    let message = format!("[API Error: {inner}]");
    let result = serde_json::json!({
        "type": "result", "status": "error", "error": {"type": "unknown", "message": message},
    });
    format!("{result}\n")
}

#[test]
fn claude_tells_by_event_and_by_text() {
    let check = |text: &str, window: &str, opens: &str| {
        check(Dialect::Claude, &claude_error(text), "", window, opens);
    };
    check(
        "Claude AI usage limit reached|1795233600",
        "unknown",
        "2026-11-21T04:00:00Z",
    );
    check(
        "You've hit your limit \u{b7} resets 3am (Europe/Berlin)",
        "unknown",
        "2026-11-22T02:00:00Z",
    );
    check(
        "5-hour limit reached \u{2219} resets 9pm",
        "five_hour",
        "2026-11-21T20:00:00Z",
    );
    check(
        "Claude usage limit reached. Your limit will reset at 5pm (America/New_York).",
        "unknown",
        "2026-11-21T22:00:00Z",
    );
    check(
        "You've hit your weekly limit \u{b7} resets Nov 24, 9am (UTC)",
        "seven_day",
        "2026-11-24T09:00:00Z",
    );
    check("You've hit your limit", "unknown", "-");
    let event = claude_event(
        r#""status":"rejected","resetsAt":1795233600,"rateLimitType":"seven_day_opus","utilization":1"#,
    );
    let event = format!(
        "[debug] 12:00 {event}\n{}",
        claude_error("You've hit your limit")
    );
    self::check(
        Dialect::Claude,
        &event,
        "",
        "seven_day_opus",
        "2026-11-21T04:00:00Z",
    );
}

#[test]
fn warnings_are_noted_and_stop_nothing() {
    let good =
        "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"x\"}\n";
    let warned = claude_event(
        r#""status":"allowed_warning","resetsAt":1795233600,"rateLimitType":"five_hour","utilization":0.91"#,
    );
    let paid =
        claude_event(r#""status":"rejected","isUsingOverage":true,"rateLimitType":"seven_day""#);
    let outcome = read(Dialect::Claude, &format!("{warned}\n{paid}\n{good}"), 0, "");
    assert!(outcome.success, "{outcome:#?}");
    let told: Vec<_> = (outcome.limits.iter())
        .map(|told| {
            (
                told.window.as_str(),
                told.state,
                told.used_percent,
                told.source,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("five_hour", WindowState::Warning, Some(91.0), Source::Event),
            ("seven_day", WindowState::Warning, None, Source::Event),
        ]
    );
}

#[test]
fn codex_tells_by_its_error_and_how_much_is_used() {
    let check = |message: &str, window: &str, opens: &str| {
        check(Dialect::Codex, &codex_error(message), "", window, opens);
    };
    check(
        r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_in_seconds":7200}}"#,
        "unknown",
        "2026-11-21T17:00:00Z",
    );
    check(
        r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_at":1795233600}}"#,
        "unknown",
        "2026-11-21T04:00:00Z",
    );
    check(
        "You've hit your usage limit. Upgrade to Pro (https://example.com/pricing) or try again in 2 days 3 hours.",
        "unknown",
        "2026-11-23T18:00:00Z",
    );
    check(
        "You've hit your usage limit. To get more access now, send a request to your team or try again at 9:05 PM.",
        "unknown",
        "2026-11-21T20:05:00Z",
    );
    check(
        "You've hit your usage limit. Try again later.",
        "unknown",
        "-",
    );
    check(
        "exceeded retry limit, last status: 429 Too Many Requests",
        "unknown",
        "-",
    );
    let used = r#"{"type":"token_count","rate_limits":{"primary":{"used_percent":42.5,"window_minutes":300,"resets_in_seconds":60},"secondary":{"used_percent":99,"window_minutes":10080}}}"#;
    let outcome = read(
        Dialect::Codex,
        &format!("{used}\n{{\"type\":\"turn.completed\"}}\n"),
        0,
        "",
    );
    assert!(outcome.success, "{outcome:#?}");
    assert_eq!(outcome.limits[0].used_percent, Some(42.5));
    let resets_at = outcome.limits[0].resets_at.unwrap().to_string();
    assert_eq!(resets_at, "2026-11-21T15:01:00Z");
    assert_eq!(outcome.limits[1].window, "seven_day");
    assert_eq!(outcome.limits[1].state, WindowState::Warning);
}

#[test]
fn gemini_tells_by_delays_and_days() {
    let check = |inner: &str, window: &str, opens: &str| {
        check(Dialect::Gemini, &gemini_error(inner), "", window, opens);
    };
    check(
        r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota, please check your plan and billing details. * Quota exceeded for metric: requests, limit: 10","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"@type":"RetryInfo","retryDelay":"34s"}]}}"#,
        "minute",
        "2026-11-21T15:00:34Z",
    );
    check(
        r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Quota exceeded for metric: requests","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"retryDelay":"34s"}]}}"#,
        "day",
        "2026-11-22T08:00:00Z",
    );
    check(
        "You have exhausted your capacity on this model. Your quota will reset after 10h15m30s.",
        "unknown",
        "2026-11-22T01:15:30Z",
    );
    check(
        "You have exhausted your daily quota on this model.",
        "day",
        "2026-11-22T08:00:00Z",
    );
    check(
        r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}"#,
        "unknown",
        "-",
    );
    let stderr = "Attempt 4 failed with status 429. Retrying with backoff... _ApiError: \
        {\"error\":{\"code\":429,\"details\":[{\"retryDelay\":\"90s\"}]}}";
    self::check(
        Dialect::Gemini,
        "",
        stderr,
        "unknown",
        "2026-11-21T15:01:30Z",
    );
}

#[test]
fn any_other_program_tells_on_standard_error() {
    let check = |stderr: &str, window: &str, opens: &str| {
        check(Dialect::Text, "what was done\n", stderr, window, opens);
    };
    check(
        "Error: usage limit reached, resets 3am (Asia/Tokyo)",
        "unknown",
        "2026-11-21T18:00:00Z",
    );
    check(
        "error: 429 Too Many Requests; retry-after: 120 seconds",
        "unknown",
        "2026-11-21T15:02:00Z",
    );
    check("Error: rate limit: requests per minute", "minute", "-");
    let bare = "partial answer\nClaude AI usage limit reached|1795233600\n";
    self::check(Dialect::Text, bare, "", "unknown", "2026-11-21T04:00:00Z");
    self::check(
        Dialect::Claude,
        "Claude AI usage limit reached|1795233600\n",
        "",
        "unknown",
        "2026-11-21T04:00:00Z",
    );
}

#[test]
fn money_and_administrators_have_no_timer() {
    for (text, kind) in [
        ("Credit balance is too low", K::LimitCredit),
        (
            "Your credit balance is too low to access the API; it resets tomorrow at 3am",
            K::LimitCredit,
        ),
        (
            "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
            K::LimitAdmin,
        ),
        (
            "This organization has disabled the use of this model; try again in 3 hours",
            K::LimitAdmin,
        ),
    ] {
        let streams = [
            (Dialect::Claude, claude_error(text)),
            (Dialect::Codex, codex_error(text)),
            (Dialect::Gemini, gemini_error(text)),
        ];
        for (dialect, stream) in streams {
            let outcome = read(dialect, &stream, 1, "");
            let failure = outcome.failure.unwrap();
            assert_eq!(
                (failure.kind, failure.retry_at),
                (kind, None),
                "{dialect:?} {text}"
            );
            assert_eq!(outcome.limits, [], "{dialect:?} {text}");
        }
    }
}

#[test]
fn what_is_said_and_read_about_limits_is_no_limit() {
    let said = "Claude AI usage limit reached|1795233600. 5-hour limit resets 3am (Europe/Berlin). \
        429 RESOURCE_EXHAUSTED, usage_limit_reached, try again in 2 days";
    let json = |value: serde_json::Value| format!("{value}\n");
    let event = claude_event(r#""status":"rejected","resetsAt":1795233600"#);
    let claude = json(serde_json::json!({
        "type": "assistant", "message": {"content": [{"type": "text", "text": said}]},
    })) + &json(serde_json::json!({
        "type": "user", "message": {"content": [
            {"type": "tool_result", "is_error": true, "content": format!("{said}\n{event}")},
        ]},
    }));
    let codex = json(serde_json::json!({
        "type": "item.completed", "item": {"type": "agent_message", "text": said},
    })) + &json(serde_json::json!({
        "type": "item.completed",
        "item": {"type": "command_execution", "aggregated_output": said, "exit_code": 1},
    }));
    let gemini = json(serde_json::json!({"type": "message", "role": "assistant", "content": said}))
        + &json(serde_json::json!({"type": "tool_result", "status": "error", "output": said}));
    let good = [
        (
            Dialect::Claude,
            format!(
                "{claude}{}",
                json(serde_json::json!({
                    "type": "result", "subtype": "success", "is_error": false, "result": said,
                }))
            ),
        ),
        (
            Dialect::Codex,
            format!(
                "{codex}{}",
                json(serde_json::json!({"type": "turn.completed"}))
            ),
        ),
        (
            Dialect::Gemini,
            format!(
                "{gemini}{}",
                json(serde_json::json!({
                    "type": "result", "status": "success",
                }))
            ),
        ),
        (Dialect::Text, said.to_owned()),
    ];
    for (dialect, stream) in good {
        let outcome = read(dialect, &stream, 0, &format!("Error: {said}"));
        assert!(outcome.success, "{dialect:?}: {outcome:#?}");
        assert_eq!(outcome.limits, [], "{dialect:?}");
    }
    for (dialect, stream) in [
        (Dialect::Claude, claude),
        (Dialect::Codex, codex),
        (Dialect::Gemini, gemini),
        (Dialect::Text, format!("The review: {said}")),
    ] {
        let outcome = read(dialect, &stream, 1, "    at x (usage limit reached)\n");
        assert_eq!(outcome.failure.unwrap().kind, K::AgentCrash, "{dialect:?}");
        assert_eq!(outcome.limits, [], "{dialect:?}");
    }
}
