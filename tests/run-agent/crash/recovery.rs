//! `recover`: what becomes of tasks whose supervisor died.

use cl_storage::marker;
use cl_storage::task_state::TaskState;
use cl_storage::{Clock as _, SystemClock};
use cl_testkit::patience::until;
use cl_testkit::run_agent::Finished;
use serde_json::Value;

use crate::rig::{Rig, TASK, WAITING, kill};

const CHILD: &str = "task-20260101-000001-child";

/// A task that was launched with `extra` and has lost its supervisor; its agent lives.
#[track_caller]
fn lost(rig: &Rig, extra: &[&str]) {
    let command = rig.start(extra).spawn();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    command.finish();
}

/// Runs `recover` and returns what it did to each task, in order.
#[track_caller]
fn recover(rig: &Rig) -> Vec<(String, String)> {
    let done = rig.scenario.command(&["recover", "--json"]).ok();
    actions(&done)
}

fn actions(done: &Finished) -> Vec<(String, String)> {
    let rows = done.stdout.lines().map(serde_json::from_str::<Value>);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.map(|row| row.unwrap())
        .map(|row| (text(&row, "task"), text(&row, "action")))
        .collect()
}

/// The task was marked: nothing runs, nothing will.
#[track_caller]
fn assert_marked(rig: &Rig, status: &str) {
    let action = if status == "stopped" {
        "record_stop"
    } else {
        "mark"
    };
    assert_eq!(recover(rig), [(TASK.to_owned(), action.to_owned())]);
    assert!(!rig.scenario.survivors().exist(), "its agent was ended");
    let standing = rig.standing();
    assert_eq!(standing.status, status, "{standing:#?}");
    assert_eq!((standing.owner.as_str(), standing.active), ("none", false));
    assert_eq!(rig.scenario.begun().len(), 1);
    assert!(recover(rig).is_empty(), "there is nothing to do twice");
}

#[test]
fn a_lost_detached_task_is_taken_up_and_reaches_done() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach"]);
    let told = rig.scenario.command(&["recover", "--dry-run"]).ok();
    assert!(told.stdout.contains(TASK), "{told:#?}");
    assert!(told.stdout.contains("would resume"), "{told:#?}");
    assert_eq!(rig.standing().owner, "lost", "a dry run does nothing");
    assert_eq!(recover(&rig), [(TASK.to_owned(), "resume".to_owned())]);
    until("the second agent", || rig.scenario.begun().len() == 2);
    assert_eq!(rig.standing().owner, "alive");
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
}

#[test]
fn only_one_of_two_recoveries_takes_a_task_up() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach"]);
    let both = [(), ()].map(|()| rig.scenario.command(&["recover", "--json"]).spawn());
    let rows = both.map(|running| {
        let done = running.finish();
        done.assert_code(0);
        done.stdout
    });
    let rows: Vec<Value> = (rows.concat().lines())
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert!(rows.iter().all(|row| row["error"].is_null()), "{rows:#?}");
    let winners = rows
        .iter()
        .filter(|row| row["taken_up_by_another"] == false);
    assert_eq!(winners.count(), 1, "{rows:#?}");
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
}

#[test]
fn a_lost_task_that_was_done_is_completed_without_another_run() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach"]);
    rig.scenario.release("go");
    rig.scenario.survivors().wait_for_none();
    assert_eq!(recover(&rig), [(TASK.to_owned(), "resume".to_owned())]);
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_eq!(rig.scenario.begun().len(), 1);
}

#[test]
fn a_lost_foreground_task_is_marked_and_can_be_resumed() {
    let rig = Rig::new(WAITING);
    lost(&rig, &[]);
    assert_marked(&rig, "failed");
    assert_eq!(rig.standing().whole["failure"]["kind"], "runner_lost");
    rig.resume_to_done();
}

#[test]
fn the_configuration_may_want_all_to_be_marked() {
    let rig = Rig::new(WAITING).settings("defaults:\n  on_lost: mark\n");
    lost(&rig, &["--detach"]);
    assert_marked(&rig, "failed");
}

#[test]
fn a_stopped_task_is_never_taken_up() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach"]);
    marker::request_stop(
        &rig.task(),
        &marker::StopMark::permanent("test"),
        SystemClock.now(),
    )
    .unwrap();
    assert_marked(&rig, "stopped");
}

#[test]
fn a_stop_that_only_the_state_tells_of_counts_too() {
    let script = WAITING.replace(
        "steps:\n",
        "steps:\n  - ignore_term: true\n  - append: {path: ../begun-stubborn, content: x}\n",
    );
    let rig = Rig::new(&script);
    rig.start(&["--detach", "--grace", "300s"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    // The stop is accepted and under way when the supervisor dies.
    let stopping = rig.command(&["stop", "--no-kill", "--grace", "0s"]).run();
    assert_eq!(stopping.code, Some(1), "{stopping:#?}");
    until("the recorded wish", || {
        TaskState::read(&rig.task()).is_ok_and(|state| state.is_some_and(|s| s.stop.is_some()))
    });
    rig.kill_supervisor();
    marker::clear(&rig.task(), marker::Marker::StopRequested).unwrap();
    assert!(rig.scenario.survivors().exist());
    let dry = rig
        .scenario
        .command(&["recover", "--json", "--dry-run"])
        .ok();
    assert_eq!(actions(&dry), [(TASK.to_owned(), "record_stop".to_owned())]);
    assert_eq!(dry.json()["dry_run"], true);
    kill(&rig.agent_process().unwrap());
    assert_marked(&rig, "stopped");
}

#[test]
fn a_cancelled_task_is_never_taken_up() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach"]);
    marker::cancel(
        &rig.task(),
        &marker::Cancellation {
            at: SystemClock.now(),
            reason: "test".into(),
            superseded_by: None,
        },
    )
    .unwrap();
    assert_marked(&rig, "cancelled");
}

#[test]
fn a_task_that_has_used_up_its_attempts_is_not_taken_up() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach", "--max-attempts", "1"]);
    assert_marked(&rig, "failed");
}

#[test]
fn recovering_again_and_again_does_not_multiply_the_attempts() {
    let rig = Rig::new(WAITING);
    lost(&rig, &["--detach", "--max-attempts", "2"]);
    assert_eq!(recover(&rig), [(TASK.to_owned(), "resume".to_owned())]);
    until("the second agent", || rig.scenario.begun().len() == 2);
    rig.kill_supervisor();
    assert_eq!(recover(&rig), [(TASK.to_owned(), "mark".to_owned())]);
    assert_eq!(rig.scenario.begun().len(), 2);
    assert!(!rig.scenario.survivors().exist());
}

#[test]
fn a_task_that_never_began_is_marked() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).crash_at("owned").run();
    rig.assert_crashed_at("owned");
    assert_eq!(recover(&rig), [(TASK.to_owned(), "mark".to_owned())]);
    let standing = rig.standing();
    assert_eq!((standing.owner.as_str(), standing.active), ("none", false));
}

/// A parent with a child, both of which have lost their supervisors.
fn lost_family(settings: &str, extra: &[&str]) -> Rig {
    let parent = r"
version: 1
attempts:
  - - spawn: {prompt: Help., task: CHILD, args: [--agent, helper]}
    - write: {path: waiting, content: x}
    - wait_for: {file: go, timeout: 300s}
    - done: true
  - - wait_for: {file: go, timeout: 300s}
    - done: true
";
    let parent = parent.replace("CHILD", CHILD);
    let helper = "version: 1\nsteps:\n  - write: {path: helping, content: x}\n  - wait_for: {file: helped, timeout: 300s}\n  - done: true\n";
    let rig = Rig::new(&parent).agent("helper", helper).settings(settings);
    let command = rig.start(extra).spawn();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    until("the child's agent", || {
        rig.scenario.work().join("helping").exists()
    });
    // The parent first: alive, it would settle its child by itself.
    rig.kill_supervisor();
    let child = cl_storage::owner::Owner::read(&rig.scenario.task(CHILD)).unwrap();
    kill(&child.unwrap().identity());
    command.finish();
    assert_eq!(rig.standing_of(CHILD).owner, "lost");
    rig
}

#[test]
fn children_of_a_lost_detached_task_are_taken_up_before_it_and_not_launched_again() {
    let rig = lost_family("", &["--detach"]);
    let expected = [CHILD, TASK].map(|task| (task.to_owned(), "resume".to_owned()));
    assert_eq!(recover(&rig), expected);
    until("both agents again", || rig.scenario.begun().len() == 4);
    rig.scenario.release("helped");
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    let child = rig.standing_of(CHILD);
    assert_eq!(child.status, "all_finished", "{child:#?}");
    assert_eq!(child.whole["parent"]["task_id"], TASK, "{child:#?}");
    assert_eq!(rig.standing().whole["children"][0]["task_id"], CHILD);
    let tasks = rig.scenario.root().projects().unwrap()[0].tasks().unwrap();
    assert_eq!(tasks.len(), 2, "{tasks:#?}");
}

#[test]
fn children_of_a_lost_foreground_task_are_marked_with_it() {
    let rig = lost_family("", &[]);
    let expected = [CHILD, TASK].map(|task| (task.to_owned(), "mark".to_owned()));
    assert_eq!(recover(&rig), expected);
    assert!(!rig.scenario.survivors().exist());
    for task in [CHILD, TASK] {
        let standing = rig.standing_of(task);
        assert_eq!(standing.status, "failed", "{standing:#?}");
        assert!(!standing.active);
    }
}

#[test]
fn stopping_a_lost_parent_ends_its_lost_children() {
    let rig = lost_family("", &["--detach"]);
    rig.stop();
    let child = rig.standing_of(CHILD);
    assert_eq!((child.status.as_str(), child.active), ("stopped", false));
    assert!(recover(&rig).is_empty());
}
