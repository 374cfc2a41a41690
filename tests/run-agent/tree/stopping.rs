//! `stop`, at every moment of a task's life.

use cl_storage::FailureKind;
use cl_storage::run_info::RunStatus;
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::until;

use crate::stage::{Stage, id};

const DEAF: &str =
    "  - ignore_term: true\n  - write: {path: @/works, content: yes}\n  - hang: true";

#[track_caller]
fn stop(stage: &Stage, flags: &str) -> String {
    stage.ok(&format!("stop {} {flags}", id("top")))
}

#[test]
fn an_agent_that_listens_ends_at_once() {
    let stage = Stage::new("  - write: {path: @/works, content: yes}\n  - hang: true");
    let running = stage.start("top", "");
    stage.wait_for("works");
    stop(&stage, "--grace 1h");
    stage.assert_nobody_left();
    let info = stage.info("top");
    assert_eq!((info.status, info.exit_code), (RunStatus::Failed, 143));
    assert_eq!(info.failure.unwrap().kind, FailureKind::Cancelled);
    assert_eq!(info.stop.unwrap().by, "run-agent stop");
    running.finish().assert_code(143);
    let state = stage.state("top");
    assert!(state.stop.is_some(), "the wish stays");
    assert_eq!(stage.json("list")["tasks"][0]["status"], "stopped");
}

#[test]
fn the_marker_says_how_long_the_monitor_is_kept_away() {
    let stage = Stage::new("  - write: {path: @/works, content: yes}\n  - hang: true");
    for (flags, first) in [
        ("--suppress-for 2h", "2"),
        ("--no-restart", "permanent"),
        ("", "2"),
    ] {
        stage.detach("top", "");
        stage.wait_for("works");
        stop(&stage, flags);
        std::fs::remove_file(stage.path("works")).unwrap();
        let text = std::fs::read_to_string(stage.dir("top").path().join("STOP-REQUESTED"));
        let text = text.unwrap();
        assert!(text.starts_with(first), "{flags}: {text}");
        assert!(text.contains("\nby: run-agent stop\n"), "{text}");
        let times = ["expires_at: ", ""].map(|key| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.parse::<jiff::Timestamp>().ok())
        });
        let lasts = times[0]
            .zip(times[1])
            .map(|(end, start)| end.duration_since(start).as_secs());
        let expected = match flags {
            "" => Some(60),
            "--no-restart" => None,
            _ => Some(7200),
        };
        assert_eq!(lasts, expected, "{text}");
        assert_eq!(stage.json("list")["tasks"][0]["status"], "stopped");
    }
    stage
        .command(&format!(
            "stop {} --no-restart --suppress-for 1s",
            id("top")
        ))
        .run()
        .assert_code(2);
}

#[test]
fn force_kills_a_deaf_agent_at_once() {
    let stage = Stage::new(DEAF);
    stage.detach("top", "--grace 1h");
    stage.wait_for("works");
    stop(&stage, "--force");
    stage.assert_nobody_left();
    assert_eq!(stage.info("top").exit_code, 137);
}

#[test]
fn the_grace_period_of_the_command_counts() {
    let stage = Stage::new(DEAF);
    stage.detach("top", "--grace 1h");
    stage.wait_for("works");
    stop(&stage, "--grace 300ms");
    stage.assert_nobody_left();
    assert_eq!(stage.info("top").exit_code, 137);
}

#[test]
fn no_kill_only_asks_and_a_later_force_kills() {
    let stage = Stage::new(DEAF);
    stage.detach("top", "");
    stage.wait_for("works");
    let asked = stage
        .command(&format!("stop {} --no-kill --grace 300ms", id("top")))
        .run();
    asked.assert_code(1);
    assert!(asked.stdout.contains("still runs"), "{asked:?}");
    stage.works("top");
    stop(&stage, "--force");
    stage.assert_nobody_left();
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
}

#[test]
fn stopping_twice_says_that_nothing_runs() {
    let stage = Stage::new("  - write: {path: @/works, content: yes}\n  - hang: true");
    stage.detach("top", "");
    stage.wait_for("works");
    stop(&stage, "");
    let again = stage.command(&format!("stop {} --json", id("top"))).ok();
    assert_eq!(again.json()["outcome"], "nothing_running");
}

#[test]
fn a_stop_between_two_starts_keeps_the_monitor_away() {
    let stage = Stage::new("  - exit: 3");
    stage.task("top", "--max-attempts 1").assert_code(1);
    stage.ok(&format!("stop {} --no-restart", id("top")));
    let marker = stage.dir("top").path().join("STOP-REQUESTED");
    let text = std::fs::read_to_string(marker).unwrap();
    assert!(text.starts_with("permanent\n"), "{text}");
    assert_eq!(
        stage.json("list")["tasks"][0]["status"],
        "failed",
        "it had failed before"
    );
}

#[test]
fn many_stops_at_once_all_succeed() {
    let stage = Stage::new(DEAF);
    stage.detach("top", "");
    stage.wait_for("works");
    let line = format!("stop {} --grace 300ms", id("top"));
    let stops: Vec<_> = (0..6).map(|_| stage.command(&line).spawn()).collect();
    for stop in stops {
        stop.finish().assert_code(0);
    }
    stage.assert_nobody_left();
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
}

#[test]
fn while_it_waits_for_a_slot() {
    let stage = Stage::new("  - write: {path: @/works, content: yes}\n  - hang: true")
        .actor("holder", "  - hang: true")
        .settings("defaults: {max_concurrent_runs: 1}\n");
    stage
        .launch_agent("task", "holder", "holder", "--detach")
        .ok();
    stage.works("holder");
    stage.detach("top", "");
    stage.waits_for("top", "slot");
    assert_eq!(
        stage.json(&format!("task show {}", id("top")))["task"]["status"],
        "queued"
    );
    stop(&stage, "");
    let info = stage.info("top");
    assert_eq!(info.status, RunStatus::Failed);
    assert_eq!(info.failure.unwrap().kind, FailureKind::Cancelled);
    assert_eq!(info.stop.unwrap().survivors, 0);
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
    assert!(!stage.has("works"), "its agent was never started");
    stage.works("holder");
}

#[test]
fn in_the_pause_between_attempts() {
    let stage = Stage::new("  - say: Not done.");
    stage.detach("top", "--restart-delay 1h");
    stage.waits_for("top", "delay");
    stop(&stage, "");
    assert_eq!(stage.infos("top").len(), 1);
    assert_eq!(
        stage.info("top").status,
        RunStatus::Completed,
        "the run went well"
    );
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
}

#[test]
fn while_a_gate_runs() {
    let stage = Stage::new("  - done: true");
    let gate = stage.fill("exec 9>@/survivors; setsid sleep 300 & touch @/gate; sleep 300");
    let command = stage
        .launch("task", "top", "--detach")
        .args(&["--gate", &gate]);
    command.ok();
    stage.wait_for("gate");
    assert!(stage.scenario.survivors().exist());
    let shown = stage.json("ps");
    let roles = shown["processes"].as_array().unwrap().iter();
    let roles: Vec<&str> = roles.map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles[0], "supervisor");
    assert!(roles[1..].iter().all(|role| *role == "gate") && roles.len() > 2);
    stop(&stage, "");
    stage.assert_nobody_left();
    assert_eq!(stage.ended("top").status, ResultStatus::Stopped);
    let folder = stage.dir("top").path().to_owned();
    assert!(
        !folder.join("DONE").exists(),
        "nobody takes the claim for the truth"
    );
    assert!(folder.join("DONE.unjudged-1").is_file());
    let said = stage.said("top", "WARNING").concat();
    assert!(said.contains("had not judged it"), "{said}");
    let row = &stage.json(&format!("status {}", id("top")))["tasks"][0];
    assert_eq!(row["status"], "stopped", "{row:#}");
    assert_eq!(row["done"], false);
    let watched = stage.command(&format!("watch {} --json", id("top"))).run();
    watched.assert_code(1);
    // Without the gate, too, the agent has to say it again.
    let stage = stage.actor("actor", "  - say: Not yet.");
    stage.task("top", "--max-attempts 1").assert_code(1);
    assert_eq!(stage.infos("top").len(), 2);
}

#[test]
fn by_the_keyboard_while_a_gate_runs() {
    let stage = Stage::new("  - done: true");
    let gate = stage.fill("exec 9>@/survivors; touch @/gate; sleep 300");
    let running = stage
        .launch("task", "top", "")
        .args(&["--gate", &gate])
        .spawn();
    stage.wait_for("gate");
    running.signal(rustix::process::Signal::INT);
    running.finish().assert_code(130);
    assert_eq!(stage.json("list")["tasks"][0]["status"], "stopped");
    stage.assert_nobody_left();
}

#[test]
fn a_stopped_task_stays_stopped_until_it_is_resumed() {
    let stage = Stage::new(
        "attempts:
  - - write: {path: @/works, content: yes}
    - hang: true",
    );
    stage.detach("top", "--restart-delay 0");
    stage.wait_for("works");
    stop(&stage, "");
    let first = stage.info("top");
    let stage = stage.actor("actor", "  - done: true");
    stage.ok(&format!("task resume {} --restart-delay 0", id("top")));
    let infos = stage.infos_by_time("top");
    assert_eq!(infos.len(), 2);
    assert_eq!(infos[1].previous_run_id, Some(first.run_id));
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
    assert!(stage.state("top").stop.is_none());
}

#[test]
fn the_latest_wish_to_stop_counts_while_processes_end() {
    let stage = Stage::new(DEAF);
    stage.detach("top", "");
    stage.wait_for("works");
    let patient = stage
        .command(&format!("stop {} --grace 1h", id("top")))
        .spawn();
    until("the first wish", || stage.state("top").stop.is_some());
    stop(&stage, "--force");
    patient.finish().assert_code(0);
    stage.assert_nobody_left();
}

#[test]
fn only_a_task_that_could_be_started_is_said_to_be_left_alone() {
    let stage = Stage::new("  - done: true");
    let marker = |name: &str| stage.dir(name).path().join("STOP-REQUESTED");
    let stop = |name: &str| stage.command(&format!("stop {}", id(name))).ok().stderr;
    let left_alone = "leaves it alone";
    stage.task("done", "").assert_code(0);
    let told = stop("done");
    assert!(told.contains("nothing is running"), "{told}");
    assert!(!told.contains(left_alone), "{told}");
    assert!(!marker("done").exists());
    stage.dir("new").ensure().unwrap();
    let told = stop("new");
    assert!(told.contains(left_alone), "{told}");
    assert!(marker("new").exists());
}
