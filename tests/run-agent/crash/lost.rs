//! A lost task that `recover` goes on with is not over, whatever died along with its supervisor.

use std::fs;

use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;

use crate::rig::{Rig, TASK, WAITING, kill};

/// Everybody tells the same: it runs, its owner is lost, and who watches it waits on.
#[track_caller]
fn assert_open(rig: &Rig, attempts: u32) {
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.status, "running", "{standing:#?}");
    assert!(!standing.active, "{standing:#?}");
    assert_eq!(standing.whole["goes_on"], true, "{standing:#?}");
    assert_eq!(standing.whole["attempts"], attempts, "{standing:#?}");
    let list = [
        "list",
        "--project",
        PROJECT,
        "--json",
        "--status",
        "running",
    ];
    let listed = rig.scenario.command(&list).ok().json();
    assert_eq!(listed["tasks"][0]["task_id"], TASK, "{listed:#}");
    assert_eq!(listed["tasks"][0]["status"], "running", "{listed:#}");
    let word = rig.command(&["status", "--status"]).ok().stdout;
    assert_eq!(word.trim(), "running");
    let told = rig.command(&["status"]).ok().stdout;
    let hint = "`run-agent recover` goes on with it";
    assert!(told.contains(hint), "{told}");
    let watched = rig.command(&["watch", "--timeout", "300ms"]).run();
    watched.assert_code(124);
}

/// `recover` takes it up once, and it ends with so many attempts.
#[track_caller]
fn recover_to_done(rig: &Rig, attempts: u32) {
    let agents = rig.scenario.begun().len();
    for expected in ["resume", ""] {
        let done = rig.scenario.command(&["recover", "--json"]).ok();
        let rows = done.stdout.lines().map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["action"].as_str().unwrap().to_owned()
        });
        assert_eq!(rows.collect::<String>(), expected, "{done:#?}");
        until("the next agent", || {
            rig.scenario.begun().len() == agents + 1
        });
    }
    let standing = rig.standing();
    assert_eq!(
        (standing.owner.as_str(), standing.status.as_str()),
        ("alive", "running")
    );
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_eq!(rig.standing().whole["attempts"], attempts);
    assert_eq!(rig.scenario.begun().len(), agents + 1, "nothing twice");
    rig.command(&["watch", "--timeout", "10s"]).ok();
}

#[test]
fn a_task_whose_agent_died_in_its_attempt_goes_on() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    let agent = rig.wait_for_recorded_agent();
    // The supervisor first: it has no time to see what becomes of its agent.
    rig.kill_supervisor();
    kill(&agent);
    rig.scenario.survivors().wait_for_none();
    assert_open(&rig, 1);
    recover_to_done(&rig, 2);
}

#[test]
fn a_task_that_was_in_its_restart_delay_goes_on() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach", "--restart-delay", "1h"]).ok();
    rig.wait_for_waiting();
    kill(&rig.wait_for_recorded_agent());
    until("the pause", || {
        rig.standing().whole["waiting_for"] == "delay"
    });
    rig.kill_supervisor();
    assert_open(&rig, 1);
    let standing = rig.standing();
    assert_eq!(standing.whole["waiting_for"], "delay", "{standing:#?}");
    recover_to_done(&rig, 2);
}

#[test]
fn a_task_that_died_before_it_had_a_run_goes_on() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).crash_at("before-run-folder").ok();
    rig.assert_crashed_at("before-run-folder");
    assert_open(&rig, 1);
    recover_to_done(&rig, 2);
}

#[test]
fn a_lost_task_that_nobody_goes_on_with_is_failed() {
    for extra in [["--detach", "--max-attempts", "1"].as_slice(), &[]] {
        let rig = Rig::new(WAITING);
        let command = rig.start(extra).spawn();
        rig.wait_for_waiting();
        let agent = rig.wait_for_recorded_agent();
        rig.kill_supervisor();
        kill(&agent);
        command.finish();
        rig.scenario.survivors().wait_for_none();
        let standing = rig.assert_lost_and_true();
        assert_eq!(standing.status, "failed", "{extra:?} {standing:#?}");
        let watched = rig.command(&["watch", "--timeout", "60s"]).run();
        watched.assert_code(1);
    }
}

#[test]
fn who_depends_on_a_lost_task_that_goes_on_is_in_no_deadlock() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    let agent = rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    kill(&agent);
    let other = "task-20260101-000002-behind";
    let launch = [
        "job",
        "--project",
        PROJECT,
        "--task",
        other,
        "--prompt",
        "Wait.",
    ];
    rig.scenario
        .command(&launch)
        .args(&["--agent", "actor", "--detach", "--depends-on", TASK])
        .ok();
    until("the wait", || rig.standing_of(other).status == "blocked");
    let behind = rig.standing_of(other).whole;
    assert_eq!(behind["deadlocked_by"], serde_json::json!([]), "{behind:#}");
    fs::write(rig.scenario.work().join("go"), "").unwrap();
    rig.scenario.command(&["recover"]).ok();
    until("both ends", || {
        rig.standing().owner == "none" && rig.standing_of(other).owner == "none"
    });
    assert!(!rig.scenario.survivors().exist());
}
