//! What a task may use, held while it uses it.

use std::time::{Duration, Instant};

use cl_storage::FailureKind;
use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::eventually;

use crate::stage::{Stage, id};

/// An agent that reports what it used in `dialect` and goes on, with a stubborn tree.
fn spender(dialect: &str, report: &str) -> Stage {
    Stage::new("  - done: true").speaker(
        dialect,
        &format!(
            "
  - ignore_term: true
  - run: {{command: \"exec 9>@/survivors; trap '' TERM; setsid sleep 300\", background: true}}
  - say: Working.
{report}
  - write: {{path: @/reported, content: x}}
  - hang: true"
        ),
    )
}

#[track_caller]
fn check_stopped(stage: &Stage, flags: &str, text: &str) {
    stage
        .launch_agent("task", "top", "speaker", &format!("--detach {flags}"))
        .ok();
    stage.wait_for("reported");
    let reported = Instant::now();
    let result = stage.ended("top");
    let took = reported.elapsed();
    stage.assert_nobody_left();
    assert_eq!(result.status, ResultStatus::Failed);
    let failure = result.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::MaxBudget, "{failure}");
    assert!(failure.detail.contains(text), "{failure}");
    let info = stage.info("top");
    let stop = info.stop.unwrap();
    assert_eq!((stop.by.as_str(), stop.survivors), ("max_budget", 0));
    assert_eq!(info.failure.unwrap().kind, FailureKind::MaxBudget);
    let end = info.end_time.unwrap().duration_since(stop.requested_at);
    assert!(end < jiff::SignedDuration::from_secs(2), "{end}");
    // The file is written after the report, and the machine may be busy.
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(stage.said("top", "ERROR").concat().contains(text));
}

#[test]
fn claude_is_stopped_by_what_its_messages_count() {
    let message = r"  - event: {type: assistant, parent_tool_use_id: null, message: {id: m1, model: x, content: [], usage: {input_tokens: 900, output_tokens: 1, cache_read_input_tokens: 200, cache_creation_input_tokens: 0}}}";
    let stage = spender("claude", message);
    check_stopped(&stage, "--max-tokens 1000", "1101 of 1000 tokens");
    let usage = stage.info("top").usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cost_usd), (900, None));
}

#[test]
fn claude_is_stopped_by_the_cost_of_a_result() {
    let stage = spender(
        "claude",
        "  - usage: {input_tokens: 5, output_tokens: 5, cost_usd: 1.5}\n  - close: true",
    );
    check_stopped(&stage, "--max-cost 1.25", "$1.50 of $1.25");
}

#[test]
fn codex_is_stopped_after_a_turn() {
    let stage = spender(
        "codex",
        "  - usage: {input_tokens: 600, output_tokens: 500}\n  - close: true",
    );
    check_stopped(&stage, "--max-tokens 1000", "1100 of 1000 tokens");
}

#[test]
fn gemini_is_stopped_after_its_statistics() {
    let stage = spender(
        "gemini",
        "  - usage: {input_tokens: 600, output_tokens: 500}\n  - close: true",
    );
    check_stopped(&stage, "--max-tokens 1000", "1100 of 1000 tokens");
}

#[test]
fn a_near_limit_is_warned_of_once_and_a_used_up_one_starts_nothing() {
    let stage = Stage::new("  - done: true").speaker(
        "codex",
        "
  - usage: {input_tokens: 450, output_tokens: 0}
  - say: Not yet.",
    );
    let launch = stage.launch_agent(
        "task",
        "top",
        "speaker",
        "--restart-delay 0 --max-tokens 1000",
    );
    launch.run().assert_code(1);
    // 450, 900 (80 %), 1350: the third is the last one.
    assert_eq!(stage.infos("top").len(), 3);
    let warnings = stage.said("top", "WARNING");
    let told = warnings.iter().filter(|text| text.contains("80 %"));
    assert_eq!(told.count(), 1, "{warnings:?}");
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::MaxBudget);
    // It is the task's, not the launch's.
    stage
        .command(&format!("task resume {}", id("top")))
        .run()
        .assert_code(1);
    assert_eq!(stage.infos("top").len(), 3);
    let more = format!(
        "task resume {} --max-tokens 1500 --max-attempts 1",
        id("top")
    );
    stage.command(&more).run().assert_code(1);
    assert_eq!(stage.infos_by_time("top").len(), 4);
}

#[test]
fn tasks_of_a_project_share_a_day() {
    let stage = Stage::new("  - done: true")
        .speaker(
            "codex",
            "\n  - usage: {input_tokens: 700, output_tokens: 0}\n  - done: true",
        )
        .settings("defaults: {budget: {per_project_day: {max_tokens: 1000}}}\n");
    for (name, code) in [("first", 0), ("second", 0), ("third", 1)] {
        let launch = stage.launch_agent("task", name, "speaker", "");
        launch.run().assert_code(code);
    }
    let failure = stage.ended("third").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::MaxBudget);
    assert!(failure.detail.contains("the project today"), "{failure}");
    assert_eq!(stage.infos("third").len(), 0);
}

#[test]
fn a_task_may_take_so_long_in_all() {
    let stage = Stage::new("  - hang: true");
    stage
        .task("top", "--max-task-duration 300ms")
        .assert_code(1);
    let failure = stage.ended("top").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.detail.contains("the task took longer"), "{failure}");
    stage.assert_nobody_left();
    let stage = Stage::new("  - say: Not yet.");
    stage
        .task("top", "--max-task-duration 500ms --restart-delay 300s")
        .assert_code(1);
    assert_eq!(
        stage.ended("top").failure.unwrap().kind,
        FailureKind::Timeout
    );
}

#[test]
fn what_a_run_uses_is_in_its_record_while_it_goes_on_and_survives_a_kill_of_everything() {
    let event = |id: &str, tokens: u32| {
        format!(
            "  - event: {{type: assistant, parent_tool_use_id: null, message: {{id: {id}, model: x, content: [], usage: {{input_tokens: {tokens}, output_tokens: 1, cache_read_input_tokens: 0, cache_creation_input_tokens: 0}}}}}}"
        )
    };
    let (one, two) = (event("m1", 900), event("m2", 50));
    let stage = Stage::new("  - done: true").speaker(
        "claude",
        &format!(
            "\n{one}\n  - wait_for: {{file: @/more, timeout: 300s}}\n{two}\n  - write: {{path: @/told, content: x}}\n  - hang: true"
        ),
    );
    stage
        .launch_agent("task", "top", "speaker", "--detach")
        .ok();
    let info = eventually("the first message's use", || {
        let info = stage.infos("top").pop()?;
        let input = info.usage.as_ref().map(|usage| usage.input_tokens);
        (input == Some(900)).then_some(info)
    });
    assert_eq!(info.status, RunStatus::Running);
    assert_eq!(stage.json("usage")["total"]["input_tokens"], 900);
    // The next write is not due yet when everything is killed.
    stage.touch("more");
    stage.wait_for("told");
    for pid in [info.supervisor_pid.unwrap(), info.pid] {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    stage
        .command(&format!("task resume {} --detach", id("top")))
        .ok();
    eventually("the whole use of the lost run", || {
        let first = stage.infos_by_time("top").into_iter().next()?;
        let input = first.usage.map(|usage| usage.input_tokens);
        (first.status == RunStatus::Failed && input == Some(950)).then_some(())
    });
    stage.ok(&format!("stop {}", id("top")));
}

/// The task ends by its time, within two seconds of it, and tells what it was about.
#[track_caller]
fn check_overtime(stage: &Stage, name: &str, meanwhile: &str) {
    let result = stage.ended(name);
    let failure = result.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
    assert!(failure.detail.contains(meanwhile), "{failure}");
    let begun = stage.state(name).begun_at.unwrap();
    let took = result.ended_at.duration_since(begun);
    assert!(
        took < jiff::SignedDuration::from_millis(1000 + 2000),
        "{took}"
    );
    let status = stage.json(&format!("status {}", id(name)));
    assert!(status.to_string().contains(meanwhile), "{status}");
}

#[test]
fn the_time_of_a_task_ends_its_gates() {
    let stage = Stage::new("  - done: true");
    let gate = "trap '' TERM; exec 9>@/survivors; touch @/gate; while :; do sleep 1; done";
    let command = stage.launch("task", "top", "--max-task-duration 1s");
    let gate = stage.fill(gate);
    command.args(&["--gate", &gate]).run().assert_code(1);
    assert!(stage.has("gate"));
    check_overtime(&stage, "top", "a gate was running");
    stage.assert_nobody_left();
    assert!(!stage.dir("top").path().join("DONE").exists());
}

#[test]
fn the_time_of_a_task_goes_on_while_it_waits_for_a_slot() {
    let stage = Stage::new("  - hang: true").settings("defaults: {max_concurrent_runs: 1}\n");
    stage.detach("first", "");
    stage.works("first");
    stage
        .task("second", "--max-task-duration 1s")
        .assert_code(1);
    check_overtime(&stage, "second", "it was waiting for a run slot");
    let info = stage.info("second");
    assert_eq!(info.failure.unwrap().kind, FailureKind::Timeout);
    stage.ok(&format!("stop {}", id("first")));
}

#[test]
fn a_day_that_others_use_up_starts_nobody_who_waited_for_a_slot() {
    let stage = Stage::new("  - done: true")
        .speaker(
            "codex",
            "\n  - wait_for: {file: @/go, timeout: 300s}\n  - usage: {input_tokens: 1700, output_tokens: 0}\n  - done: true",
        )
        .settings(
            "defaults: {max_concurrent_runs: 1, budget: {per_project_day: {max_tokens: 1000}}}\n",
        );
    let first = stage.launch_agent("task", "first", "speaker", "--detach");
    first.ok();
    stage.works("first");
    let second = stage.launch_agent("task", "second", "speaker", "--detach");
    second.ok();
    stage.waits_for("second", "slot");
    stage.touch("go");
    let failure = stage.ended("second").failure.unwrap();
    assert_eq!(failure.kind, FailureKind::MaxBudget, "{failure}");
    assert!(failure.detail.contains("the project today"), "{failure}");
}

#[test]
fn limits_that_are_none_are_refused() {
    let stage = Stage::new("  - done: true");
    for flags in [
        "--max-cost 0",
        "--max-cost -1",
        "--max-cost x",
        "--max-tokens 0",
        "--max-task-duration x",
    ] {
        stage.task("top", flags).assert_code(2);
    }
    assert!(!stage.dir("top").exists());
}

#[test]
fn a_task_whose_spending_cannot_be_read_spends_no_more() {
    let stage = Stage::new("  - say: x");
    stage
        .task("top", "--max-attempts 1 --max-tokens 1000")
        .assert_code(1);
    let run = stage.runs("top").pop().unwrap();
    std::fs::write(run.info(), "{{").unwrap();
    let again = stage
        .command(&format!("task resume {} --max-tokens 1000", id("top")))
        .run();
    again.assert_code(1);
    let result = stage.ended("top");
    let failure = result.failure.unwrap();
    assert_eq!(failure.kind, cl_storage::FailureKind::MaxBudget);
    assert!(failure.detail.contains("cannot be told"), "{failure}");
    assert_eq!(stage.runs("top").len(), 1, "no further attempt");
}
