//! The limits of OpenCode, Qwen Code, Copilot CLI and Pi, in their own words.

use jiff::Timestamp;

use crate::bed::{Bed, THREE_HOURS, limited};

/// When a task is tried again whose agent did not tell when its limit ends.
const UNKNOWN: i64 = 15 * 60;

fn waits_and_goes_on(dialect: &str, script: &str, seconds: i64, leeway: i64) {
    const TASK: &str = "task-20260101-000000-young";
    let bed = Bed::new().agent(dialect, &format!("type: {dialect}"), script);
    bed.start(TASK, &["--agent", dialect]);
    let row = bed.wait_for(TASK, "waiting");
    assert_eq!(row["waiting_for"], "limit", "{row:#}");
    assert_eq!(row["attempts"], 0, "the wait is no attempt: {row:#}");
    let run = &bed.runs(TASK)[0];
    let failure = run.failure.as_ref().unwrap();
    assert_eq!(failure.kind.as_str(), "limit_window", "{failure:?}");
    let wake_at: Timestamp = row["wake_at"].as_str().unwrap().parse().unwrap();
    let wait = wake_at.duration_since(run.end_time.unwrap()).as_secs() - seconds;
    assert!(
        (-1..=leeway).contains(&wait),
        "{wait} s after the reset: {row:#}"
    );
    assert!(!bed.scenario.survivors().exist(), "no agent meanwhile");

    bed.set_clock(seconds / 2);
    assert_eq!(bed.row(TASK)["status"], "waiting");
    bed.set_clock(seconds + 300);
    let row = bed.wait_for(TASK, "all_finished");
    assert_eq!(row["attempts"], 1, "{row:#}");
    assert_eq!(bed.runs(TASK).len(), 2);
    assert!(row["wake_at"].is_null(), "{row:#}");
}

#[test]
fn opencode_waits_as_long_as_its_service_asks_for() {
    waits_and_goes_on("opencode", &limited("opencode"), THREE_HOURS, 65);
}

#[test]
fn copilot_waits_the_hours_and_minutes_that_it_says() {
    waits_and_goes_on("copilot", &limited("copilot"), THREE_HOURS, 65 + 60);
}

#[test]
fn pi_waits_until_the_reset_in_the_error_that_it_passes_on() {
    waits_and_goes_on("pi", &limited("pi"), THREE_HOURS, 65);
}

#[test]
fn pi_waits_the_minutes_that_it_says() {
    let script = "version: 1\ndialect: pi\nattempts:\n\
        - [{error: {status: 429, message: 'You have hit your ChatGPT usage limit (plus plan). \
        Try again in ~180 min.'}}]\n- [{say: went on}, done]\n";
    waits_and_goes_on("pi", script, THREE_HOURS, 65);
}

#[test]
fn qwen_asks_again_after_a_while_since_nobody_tells() {
    let script = "version: 1\ndialect: qwen\nattempts:\n- [{limit: true}]\n\
        - [{say: went on}, done]\n";
    waits_and_goes_on("qwen", script, UNKNOWN, 65);
}
