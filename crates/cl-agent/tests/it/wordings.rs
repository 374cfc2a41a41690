//! What single programs say of their limits, in the events that they say it in.
//!
//! Where the texts come from stands in `src/stream/wording.rs`.

use cl_agent::{Dialect, Exit, Outcome, StreamParser};
use cl_storage::FailureKind as K;
use cl_storage::ledger::WindowState;
use serde_json::{Value, json};

/// A Saturday, 15:00 UTC.
const NOW: &str = "2026-11-21T16:00:00[Europe/Berlin]";

/// Ten minutes before it, when the program wrote its error.
const TOLD: &str = "2026-11-21T14:50:00Z";
const TOLD_MS: i64 = 1_795_272_600_000;

fn read(dialect: Dialect, events: &[Value], code: i32) -> Outcome {
    let mut parser = StreamParser::new(dialect).as_of(&NOW.parse().unwrap());
    for event in events {
        parser.feed(format!("{event}\n").as_bytes());
    }
    parser.finish(Exit::Code(code), b"")
}

fn opencode(status: u16, message: &str, headers: &Value, body: &Value) -> Vec<Value> {
    vec![json!({
        "type": "error", "timestamp": TOLD_MS, "sessionID": "ses_1",
        "error": {"name": "APIError", "data": {
            "message": message, "statusCode": status, "isRetryable": true,
            "responseHeaders": headers, "responseBody": body.to_string(),
        }},
    })]
}

fn opencode_limit(kind: &str, status: u16, headers: &Value, window: &str) -> Vec<Value> {
    let message = "Rate limit exceeded. Please try again later.";
    let body = json!({
        "type": "error", "error": {"type": kind, "message": message},
        "metadata": {"limitName": window},
    });
    opencode(status, message, headers, &body)
}

fn copilot(kind: &str, code: &str, message: &str) -> Vec<Value> {
    let error = json!({"errorType": kind, "errorCode": code, "message": message});
    vec![
        json!({"type": "session.error", "data": error, "timestamp": TOLD}),
        json!({"type": "result", "timestamp": TOLD, "sessionId": "s", "exitCode": 1}),
    ]
}

fn qwen(message: &str) -> Vec<Value> {
    let message = format!("[API Error: {message}]");
    vec![
        json!({"type": "assistant", "session_id": "s", "parent_tool_use_id": null, "message": {
            "content": [{"type": "text", "text": message}], "usage": {"output_tokens": 0},
        }}),
        json!({
            "type": "result", "subtype": "error_during_execution", "is_error": true,
            "session_id": "s", "error": {"message": message},
        }),
    ]
}

fn pi(message: &str) -> Vec<Value> {
    let failed = json!({
        "role": "assistant", "content": [], "model": "m", "stopReason": "error",
        "timestamp": TOLD_MS, "errorMessage": message,
    });
    vec![
        json!({"type": "session", "version": 3, "id": "s"}),
        json!({"type": "message_end", "message": failed}),
        json!({"type": "turn_end", "message": failed, "toolResults": []}),
        json!({"type": "agent_end", "messages": []}),
        json!({"type": "auto_retry_end", "success": false, "attempt": 3, "finalError": message}),
    ]
}

fn codex(message: &str) -> Vec<Value> {
    vec![
        json!({"type": "error", "message": message}),
        json!({"type": "turn.failed", "error": {"message": message}}),
    ]
}

fn gemini(message: &str) -> Vec<Value> {
    let message = format!("[API Error: {message}]");
    vec![json!({"type": "result", "status": "error", "error": {"type": "x", "message": message}})]
}

/// The run fails by `window`, which opens at `opens`; `-` is not told.
#[track_caller]
fn closes(dialect: Dialect, events: &[Value], window: &str, opens: &str) {
    let outcome = read(dialect, events, 1);
    let failure = outcome.failure.clone().unwrap();
    assert_eq!(failure.kind, K::LimitWindow, "{events:#?}");
    let opens_at = failure.retry_at.map(|time| time.to_string());
    assert_eq!(opens_at.as_deref().unwrap_or("-"), opens, "{events:#?}");
    let [told] = outcome.limits.as_slice() else {
        panic!("{outcome:#?}");
    };
    assert_eq!(told.state, WindowState::Rejected);
    assert_eq!(told.window, window, "{events:#?}");
}

#[track_caller]
fn ends(dialect: Dialect, events: &[Value], kind: K) {
    let outcome = read(dialect, events, 1);
    let failure = outcome.failure.unwrap();
    assert_eq!(
        (failure.kind, failure.retry_at),
        (kind, None),
        "{events:#?}"
    );
    assert_eq!(outcome.limits, [], "{events:#?}");
}

#[test]
fn opencode_passes_on_headers_and_bodies() {
    let check = |events: &[Value], window: &str, opens: &str| {
        closes(Dialect::Opencode, events, window, opens);
    };
    let after = json!({"retry-after": "19380"});
    let free = opencode_limit("FreeUsageLimitError", 429, &after, "Daily");
    check(&free, "day", "2026-11-21T20:13:00Z");
    let five = opencode_limit("GoUsageLimitError", 429, &after, "5 hour");
    check(&five, "five_hour", "2026-11-21T20:13:00Z");
    // The service answers with several statuses; its own word counts.
    for status in [400, 401, 403] {
        let week = opencode_limit("GoUsageLimitError", status, &after, "Weekly");
        check(&week, "seven_day", "2026-11-21T20:13:00Z");
    }
    let millis = json!({"Retry-After-Ms": "90000", "Retry-After": "5"});
    let month = opencode_limit("GoUsageLimitError", 429, &millis, "Monthly");
    check(&month, "month", "2026-11-21T14:51:30Z");
    let date = json!({"retry-after": "Sat, 21 Nov 2026 18:00:00 GMT"});
    let unnamed = opencode_limit("GoUsageLimitError", 429, &date, "");
    check(&unnamed, "unknown", "2026-11-21T18:00:00Z");
    let silent = opencode_limit("FreeUsageLimitError", 429, &json!({}), "");
    check(&silent, "unknown", "-");
    for (text, window, opens) in [
        (
            "5 hour usage limit reached. It will reset in 5 hours 23 minutes. To continue using \
             this model now, enable usage from your available balance",
            "five_hour",
            "2026-11-21T20:23:00Z",
        ),
        (
            "Weekly usage limit reached. It will reset in 5 days 10 hours. To continue",
            "seven_day",
            "2026-11-27T01:00:00Z",
        ),
        ("Free usage exceeded, subscribe to Go", "unknown", "-"),
        ("AI_APICallError: Go usage limit exceeded", "unknown", "-"),
        (
            "Subscription quota exceeded. Retry in 45 minutes.",
            "unknown",
            "2026-11-21T15:45:00Z",
        ),
        ("The usage limit has been reached", "unknown", "-"),
    ] {
        let events = opencode(429, text, &json!({}), &json!({"error": {"message": text}}));
        check(&events, window, opens);
        let thrown = json!({"type": "error", "sessionID": "s", "error": {
            "name": "UnknownError", "data": {"message": text},
        }});
        check(&[thrown], window, opens);
    }
    // What a service behind it tells in its body is read, too.
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [
        {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
    ]}});
    let events = opencode(
        429,
        "Quota exceeded for metric: requests",
        &json!({}),
        &body,
    );
    check(&events, "day", "2026-11-22T08:00:00Z");
    let broken = opencode(500, "Internal server error", &after, &json!({}));
    ends(Dialect::Opencode, &broken, K::ApiTransient);
}

#[test]
fn copilot_tells_in_words() {
    let limited = |code: &str, message: &str, window: &str, opens: &str| {
        closes(
            Dialect::Copilot,
            &copilot("rate_limit", code, message),
            window,
            opens,
        );
    };
    let hit = |when: &str| {
        format!(
            "Sorry, you've hit a rate limit that restricts the number of Copilot model requests \
             you can make within a specific time period. {when} Please review our Terms of \
             Service (https://docs.github.com/site-policy/github-terms). (Request ID: \
             AD17:22B34F:A3C7FB:B1FD5A:69E0A5CB)"
        )
    };
    let global = "user_global_rate_limited:pro";
    limited(
        global,
        &hit("Please try again in 58 hours."),
        "unknown",
        "2026-11-24T00:50:00Z",
    );
    limited(
        global,
        &hit("Please try again in 15 hours 23 minutes."),
        "unknown",
        "2026-11-22T06:13:00Z",
    );
    limited(global, &hit(""), "unknown", "-");
    limited(
        "user_weekly_rate_limited",
        "You've reached your weekly rate limit. Please wait for your limit to reset on November \
         23, 2026 at 2:00 AM or switch to auto model to continue. (Request ID: D0BC:2556F)",
        "seven_day",
        "2026-11-23T01:00:00Z",
    );
    limited(
        "user_weekly_rate_limited",
        "You've reached your weekly rate limit. Please wait for your limit to reset in 2 hours.",
        "seven_day",
        "2026-11-21T16:50:00Z",
    );
    limited(
        "user_model_rate_limited",
        "You've hit the rate limit for this model. Please wait 1 hours 48 minutes for your limit \
         to reset.",
        "unknown",
        "2026-11-21T16:38:00Z",
    );
    limited(
        "rate_limited",
        "Sorry, you have been rate-limited. Please wait 2 minutes before trying again or \
         consider switching to Auto.",
        "unknown",
        "2026-11-21T14:52:00Z",
    );
    for message in [
        "402 {\"error\":{\"message\":\"You have no quota\",\"code\":\"quota_exceeded\"}}",
        "You've run out of your included AI credits for the month; they reset in 3 days.",
        "You have exceeded your premium request allowance.",
        "No remaining quota for premium requests",
    ] {
        ends(
            Dialect::Copilot,
            &copilot("query", "unknown", message),
            K::LimitCredit,
        );
    }
    let spent = copilot("quota", "quota_exceeded", "Try again in 3 days");
    ends(Dialect::Copilot, &spent, K::LimitCredit);
}

#[test]
fn qwen_has_quotas_of_several_services() {
    let check = |message: &str, window: &str| {
        closes(Dialect::Qwen, &qwen(message), window, "-");
    };
    check("429 Free allocated quota exceeded.", "unknown");
    check(
        "429 insufficient_quota: Free allocated quota exceeded.",
        "unknown",
    );
    check("429 hour allocated quota exceeded", "five_hour");
    check(
        "429 Quota exhausted: week allocated quota exceeded. Please retry after the reset time, \
         or switch to another API key.",
        "seven_day",
    );
    check("month allocated quota exceeded", "month");
    check(
        "Qwen OAuth free tier quota exceeded. Note: Qwen OAuth free tier will be discontinued on \
         2026-04-15.\n\nTo continue using Qwen Code, try one of these alternatives:",
        "day",
    );
    ends(
        Dialect::Qwen,
        &qwen("Qwen OAuth free tier has been discontinued as of 2026-04-15.\n\nTo continue"),
        K::LimitAdmin,
    );
    let many = qwen("429 concurrency allocated quota exceeded");
    ends(Dialect::Qwen, &many, K::Overloaded);
    for message in [
        "403 The free quota has been exhausted. To continue accessing the model on a paid basis",
        "403 The free tier of the model has been exhausted.",
        "429 You exceeded your current quota, please check your plan and billing details.",
    ] {
        ends(Dialect::Qwen, &qwen(message), K::LimitCredit);
    }
}

#[test]
fn pi_counts_from_its_message() {
    let check = |message: &str, window: &str, opens: &str| {
        closes(Dialect::Pi, &pi(message), window, opens);
    };
    check(
        "You have hit your ChatGPT usage limit (plus plan). Try again in ~47 min.",
        "unknown",
        "2026-11-21T15:37:00Z",
    );
    check(
        "You have hit your ChatGPT usage limit (pro plan). Try again in ~7257 min.",
        "unknown",
        "2026-11-26T15:47:00Z",
    );
    check("You have hit your ChatGPT usage limit.", "unknown", "-");
    let body = json!({
        "type": "error", "status_code": 429,
        "error": {
            "type": "usage_limit_reached", "message": "The usage limit has been reached",
            "plan_type": "plus", "resets_at": 1_795_294_000, "resets_in_seconds": 13872,
        },
        "headers": {
            "X-Codex-Primary-Window-Minutes": "300", "X-Codex-Primary-Reset-At": "1777936568",
            "X-Codex-Credits-Has-Credits": "False", "X-Codex-Credits-Balance": "0",
        },
    });
    check(
        &format!("Codex error: {body}"),
        "unknown",
        "2026-11-21T20:46:40Z",
    );
    check(
        "429 Monthly usage limit reached. It will reset in 2 days 8 hours",
        "month",
        "2026-11-23T22:50:00Z",
    );
    let credit = pi("403 \"You have run out of credits or need a Grok subscription.\"");
    ends(Dialect::Pi, &credit, K::LimitCredit);
    let admin = pi(
        "429 Your team deadb has either used all available credits or reached its \
                    monthly spending limit.",
    );
    ends(Dialect::Pi, &admin, K::LimitAdmin);
}

#[test]
fn the_older_programs_have_more_to_say() {
    let check = |message: &str, opens: &str| {
        closes(Dialect::Codex, &codex(message), "unknown", opens);
    };
    check(
        "You've hit your usage limit for GPT-5.3-Codex-Spark. Switch to another model now, or try \
         again at 10:36 PM.",
        "2026-11-21T21:36:00Z",
    );
    check(
        "You've hit your usage limit. To get more access now, send a request to your admin or \
         try again at Nov 23rd, 2026 3:05 PM.",
        "2026-11-23T14:05:00Z",
    );
    check(
        "You've hit your usage limit. Visit https://chatgpt.com/codex/settings/usage to purchase \
         more credits or try again at 7:00 PM.",
        "2026-11-21T18:00:00Z",
    );
    for (message, kind) in [
        (
            "Your workspace is out of credits. Ask your workspace owner to refill in order to \
             continue.",
            K::LimitCredit,
        ),
        (
            "You hit your spend cap set by the owner of your workspace. Ask an owner to increase \
             your spend cap to continue.",
            K::LimitAdmin,
        ),
    ] {
        ends(Dialect::Codex, &codex(message), kind);
    }
    closes(
        Dialect::Gemini,
        &gemini("Usage limit reached for gemini-3-flash-preview. Access resets at 10:57 PM GMT-3."),
        "unknown",
        "2026-11-22T01:57:00Z",
    );
    closes(
        Dialect::Gemini,
        &gemini("You have reached your daily gemini-2.5-pro quota limit."),
        "day",
        "2026-11-22T08:00:00Z",
    );
}

/// Everything that a reviewer of such code would say, read, and change.
fn talk() -> String {
    [
        "You've hit your ChatGPT usage limit (plus plan). Try again in ~47 min.",
        "Sorry, you've hit a rate limit that restricts the number of Copilot model requests. \
         Please try again in 58 hours.",
        "[API Error: 429 hour allocated quota exceeded]",
        "Free usage exceeded, subscribe to Go",
        "{\"type\":\"error\",\"error\":{\"type\":\"GoUsageLimitError\"},\"resets_at\":1795294000}",
        "+    5 hour usage limit reached. It will reset in 5 hours 23 minutes.",
        "-    Qwen OAuth free tier quota exceeded",
        "You have no quota",
    ]
    .join("\n")
}

/// The same run in the words of a program: it says, runs a tool, and says again.
fn talking(dialect: Dialect, said: &str) -> Vec<Value> {
    let block = json!({"type": "text", "text": said});
    match dialect {
        Dialect::Opencode => vec![
            json!({"type": "step_start", "sessionID": "s", "part": {"type": "step-start"}}),
            json!({"type": "text", "sessionID": "s", "part": block}),
            json!({"type": "tool_use", "sessionID": "s", "part": {"tool": "bash", "state": {
                "status": "error", "input": {"command": said}, "output": said, "error": said,
            }}}),
            json!({"type": "text", "sessionID": "s", "part": block}),
            json!({"type": "step_finish", "sessionID": "s", "part": {"reason": "stop"}}),
        ],
        Dialect::Copilot => vec![
            json!({"type": "user.message", "data": {"content": said}}),
            json!({"type": "assistant.message", "data": {"content": said}}),
            json!({"type": "tool.execution_start", "data": {"toolName": "bash"}}),
            json!({"type": "tool.execution_complete", "data": {
                "success": false, "result": {"content": said}, "error": {"message": said},
            }}),
            json!({"type": "assistant.message", "data": {"content": said}}),
            json!({"type": "result", "sessionId": "s", "exitCode": 0}),
        ],
        Dialect::Qwen => vec![
            json!({"type": "system", "subtype": "init", "session_id": "s"}),
            json!({"type": "assistant", "message": {
                "content": [block, {"type": "tool_use", "name": "edit", "input": {"new": said}}],
                "usage": {"output_tokens": 9},
            }}),
            json!({"type": "user", "message": {"content": [
                {"type": "tool_result", "is_error": true, "content": said},
            ]}}),
            json!({"type": "assistant", "message": {
                "content": [block], "usage": {"output_tokens": 9},
            }}),
            json!({"type": "result", "subtype": "success", "is_error": false, "result": said}),
        ],
        _ => {
            let message = |reason: &str| {
                json!({
                    "role": "assistant", "content": [block], "stopReason": reason,
                    "usage": {"input": 1, "output": 9, "totalTokens": 10},
                })
            };
            vec![
                json!({"type": "message_end", "message": message("toolUse")}),
                json!({"type": "tool_execution_start", "toolName": "bash", "args": {"c": said}}),
                json!({"type": "tool_execution_end", "isError": true, "result": {
                    "content": [block],
                }}),
                json!({"type": "message_end", "message": message("stop")}),
                json!({"type": "turn_end", "message": message("stop")}),
                json!({"type": "agent_end", "messages": []}),
            ]
        }
    }
}

#[test]
fn talk_about_limits_is_no_limit() {
    let all = [
        Dialect::Opencode,
        Dialect::Copilot,
        Dialect::Qwen,
        Dialect::Pi,
    ];
    // Each line alone, too: the last one is what some readers look at.
    let talk = talk();
    let texts = std::iter::once(talk.as_str()).chain(talk.lines());
    for (said, dialect) in texts.flat_map(|said| all.map(|dialect| (said, dialect))) {
        let events = talking(dialect, said);
        let outcome = read(dialect, &events, 0);
        assert!(outcome.success, "{dialect:?} {said}: {outcome:#?}");
        assert_eq!(outcome.limits, [], "{dialect:?} {said}");
        // It crashed in the middle, with all that as its last words.
        for length in 1..events.len() - 1 {
            let outcome = read(dialect, &events[..length], 1);
            let failure = outcome.failure.clone().unwrap();
            assert_eq!(
                failure.kind,
                K::AgentCrash,
                "{dialect:?} {said}: {outcome:#?}"
            );
            assert_eq!(failure.retry_at, None);
            assert_eq!(outcome.limits, [], "{dialect:?} {said}");
        }
    }
}
