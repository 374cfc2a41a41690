//! Where a limit is the end, and where attempts have a ceiling.

use cl_testkit::scenario::PROJECT;

use crate::bed::{Bed, THREE_HOURS, limited};

const TASK: &str = "task-20260101-000000-fail";

#[test]
fn without_auto_resume_a_limit_fails_the_task_and_says_what_to_do() {
    let bed = Bed::new()
        .agent("claude", "type: claude", &limited("claude"))
        .settings("limits: {auto_resume: false}\n");
    let args = [
        "task",
        TASK,
        "--project",
        PROJECT,
        "--prompt",
        "Work.",
        "--agent",
        "claude",
    ];
    let done = bed.command(&args).run();
    done.assert_code(1);
    let row = bed.row(TASK);
    assert_eq!(row["failure"]["kind"], "limit_window", "{row:#}");
    let detail = row["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("task resume"), "{detail}");
    // Too early it fails again without asking the agent, and later it goes on.
    let resume = ["task", "resume", TASK, "--project", PROJECT];
    bed.command(&resume).run().assert_code(1);
    assert_eq!(bed.scenario.begun().len(), 1);
}

#[test]
fn stopping_ends_the_wait_at_once() {
    let bed = Bed::new().agent("codex", "type: codex", &limited("codex"));
    bed.start(TASK, &["--agent", "codex"]);
    bed.wait_for(TASK, "waiting");
    bed.command(&["stop", TASK, "--project", PROJECT]).ok();
    let row = bed.row(TASK);
    assert_eq!(row["status"], "stopped", "{row:#}");
    assert!(row["wake_at"].is_null(), "{row:#}");
    bed.set_clock(2 * THREE_HOURS);
    bed.command(&["recover"]).ok();
    assert_eq!(bed.row(TASK)["status"], "stopped");
    assert_eq!(bed.scenario.begun().len(), 1);
}

#[test]
fn a_window_that_is_nearly_used_up_parks_the_next_attempt() {
    let nearly =
        "version: 1\ndialect: claude\nsteps: [{limit: {used_percent: 93, resets_in: 3h}}, done]\n";
    let next = "task-20260101-000000-next";
    let bed = Bed::new()
        .agent("claude", "type: claude", nearly)
        .settings("limits: {stop_at_percent: 90}\n");
    bed.start(TASK, &["--agent", "claude"]);
    bed.wait_for(TASK, "all_finished");
    bed.start(next, &["--agent", "claude"]);
    bed.wait_for(next, "waiting");
    assert!(bed.runs(next).is_empty());
    bed.set_clock(THREE_HOURS + 120);
    bed.wait_for(next, "all_finished");
}

#[test]
fn the_ceiling_of_a_day_counts_over_all_launches() {
    let bed = Bed::new()
        .agent(
            "never",
            "type: command, version_args: []",
            "version: 1\nsteps: [{say: x}]\n",
        )
        .settings("defaults: {max_attempts_total: 3}\n");
    let args = [
        "task",
        TASK,
        "--project",
        PROJECT,
        "--prompt",
        "Work.",
        "--agent",
        "never",
    ];
    let limits = ["--restart-delay", "0", "--max-attempts", "2"];
    bed.command(&args).args(&limits).run().assert_code(1);
    assert_eq!(bed.scenario.begun().len(), 2);
    let resume = ["task", "resume", TASK, "--project", PROJECT];
    for _ in 0..2 {
        bed.command(&resume).args(&limits).run().assert_code(1);
        assert_eq!(bed.scenario.begun().len(), 3);
        let detail = bed.row(TASK)["failure"]["detail"].to_string();
        assert!(detail.contains("max_attempts_total"), "{detail}");
    }
    bed.set_clock(24 * 3600);
    bed.command(&resume).args(&limits).run().assert_code(1);
    assert_eq!(bed.scenario.begun().len(), 5, "a new day");
}

#[test]
fn a_line_of_the_retry_table_changes_what_follows() {
    let bed = Bed::new()
        .agent(
            "flaky",
            "type: codex",
            "version: 1\ndialect: codex\nattempts: [[{error: {status: 401}}], [{error: {status: 401}}], [done]]\n",
        )
        .settings("defaults:\n  retry:\n    auth: {action: retry, attempts: 3, backoff: 1ms}\n");
    let args = [
        "task",
        TASK,
        "--project",
        PROJECT,
        "--prompt",
        "Work.",
        "--agent",
        "flaky",
    ];
    bed.command(&args).ok();
    assert_eq!(bed.scenario.begun().len(), 3);
    let once = bed.settings("    stall: {action: stop}\n    agent_crash: {attempts: 1}\n");
    once.command(&["validate", "--agent", "flaky"]).ok();
}
