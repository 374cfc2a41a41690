//! Waiting for other tasks and for slots, across the ends of supervisors and of time.

use cl_bus::Bus;
use cl_storage::marker;
use cl_storage::owner::Owner;
use cl_storage::queue::Queue;
use cl_storage::task_state::TaskState;
use cl_testkit::patience::{eventually, until};
use cl_testkit::run_agent::RunAgent;
use cl_testkit::scenario::PROJECT;

use crate::rig::{Rig, TASK, kill};

/// A task that is not there, or is made by a test.
const OTHER: &str = "task-20260101-000000-other";

const QUICK: &str = "version: 1\nsteps:\n  - done: true\n";

/// Moves the time of all processes that look at the clock file.
fn set_time(rig: &Rig, minutes: u32) {
    let text = (u64::from(minutes) * 60_000).to_string();
    // Replaced, because a reader in between must not find an empty file.
    let new = rig.scenario.path().join("clock.new");
    std::fs::write(&new, text).unwrap();
    let clock = rig.scenario.path().join("clock");
    #[expect(clippy::disallowed_methods, reason = "a file of the test's own")]
    std::fs::rename(new, clock).unwrap();
}

fn with_clock(rig: &Rig, command: RunAgent) -> RunAgent {
    command.env("CL_CLOCK_FILE", rig.scenario.path().join("clock"))
}

/// Starts the task behind one that does not exist.
fn start_blocked(rig: &Rig, extra: &[&str]) {
    let fixed = [
        "--detach",
        "--depends-on",
        OTHER,
        "--dependency-poll-interval",
        "50ms",
    ];
    let args: Vec<&str> = fixed.iter().chain(extra).copied().collect();
    with_clock(rig, rig.start(&args)).ok();
    wait_blocked(rig);
}

fn state(rig: &Rig) -> Option<TaskState> {
    TaskState::read(&rig.task()).ok()?
}

#[track_caller]
fn wait_blocked(rig: &Rig) {
    eventually("a blocked task", || {
        let is_owned = Owner::read(&rig.task()).ok()??.is_alive();
        let waiting_for = state(rig)?.waiting_for?;
        (is_owned && waiting_for == "dependencies").then_some(())
    });
}

fn said(bus: &Bus, kind: &str) -> Vec<String> {
    let messages = bus
        .all()
        .map_or_else(|_| Vec::new(), cl_bus::Reading::into_messages);
    let of_kind = messages.into_iter().filter(|message| message.kind == kind);
    of_kind.map(|message| message.body).collect()
}

fn task_said(rig: &Rig, kind: &str) -> Vec<String> {
    said(&Bus::new(rig.task().bus()), kind)
}

fn project_said(rig: &Rig, kind: &str) -> Vec<String> {
    let path = rig
        .scenario
        .root()
        .path()
        .join(PROJECT)
        .join("PROJECT-MESSAGE-BUS.md");
    said(&Bus::new(path), kind)
}

#[test]
fn a_deadlock_is_told_once_and_what_resolves_it() {
    let rig = Rig::new(QUICK);
    start_blocked(&rig, &[]);
    until("a deadlock", || {
        let told = state(&rig).and_then(|state| state.dependencies);
        told.is_some_and(|told| told.stuck_since.is_some())
    });
    assert_eq!(
        task_said(&rig, "ERROR"),
        Vec::<String>::new(),
        "it is not ten minutes old"
    );
    set_time(&rig, 11);
    until("a call for help", || !task_said(&rig, "ERROR").is_empty());
    let [error] = task_said(&rig, "ERROR").try_into().unwrap();
    for part in [
        format!("task is deadlocked: {TASK} -> {OTHER} (missing)"),
        format!("run-agent task cancel {TASK} --project {PROJECT} --reason"),
        format!("run-agent task unblock {TASK} --project {PROJECT}"),
    ] {
        assert!(error.contains(&part), "{part}: {error}");
    }
    until("the project's bus", || {
        project_said(&rig, "ERROR") == [error.clone()]
    });
    until("a note of it", || {
        let told = state(&rig).and_then(|state| state.dependencies);
        told.is_some_and(|told| told.escalated == [OTHER])
    });
    // A new owner knows what was told.
    rig.kill_supervisor();
    set_time(&rig, 60);
    with_clock(&rig, rig.scenario.command(&["recover"])).ok();
    wait_blocked(&rig);
    rig.command(&["task", "unblock", "--reason", "not needed"])
        .ok();
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_eq!(task_said(&rig, "ERROR").len(), 1);
    assert_eq!(project_said(&rig, "ERROR").len(), 1);
    assert_eq!(task_said(&rig, "PROGRESS").len(), 1);
}

#[test]
fn another_set_of_blockers_is_told_again() {
    let rig = Rig::new(QUICK);
    let done = "task-20260101-000000-done";
    let blocked = format!("{OTHER},{done}");
    start_blocked(&rig, &["--depends-on", &blocked]);
    set_time(&rig, 11);
    until("a call for help", || task_said(&rig, "ERROR").len() == 1);
    let task = rig.scenario.task(done);
    task.ensure().unwrap();
    marker::create_done(&task).unwrap();
    until("another one", || task_said(&rig, "ERROR").len() == 2);
}

#[test]
fn a_deadlock_ends_a_task_that_was_launched_so() {
    let rig = Rig::new(QUICK);
    start_blocked(&rig, &["--on-deadlock", "fail"]);
    set_time(&rig, 11);
    until("the end", || rig.standing().owner == "none");
    let standing = rig.standing();
    assert_eq!(standing.status, "failed", "{standing:#?}");
    assert_eq!(
        standing.whole["failure"]["kind"], "deadlock",
        "{standing:#?}"
    );
    assert!(rig.scenario.begun().is_empty());
    assert!(
        task_said(&rig, "ERROR")
            .iter()
            .any(|text| text.contains("task is deadlocked"))
    );
}

#[test]
fn a_task_that_lost_its_supervisor_waits_again() {
    let rig = Rig::new(QUICK);
    start_blocked(&rig, &[]);
    rig.kill_supervisor();
    let lost = rig.standing();
    assert_eq!(
        (lost.status.as_str(), lost.owner.as_str()),
        ("blocked", "lost"),
        "{lost:#?}"
    );
    rig.scenario.command(&["recover"]).ok();
    wait_blocked(&rig);
    assert!(rig.scenario.begun().is_empty());
    let other = rig.scenario.task(OTHER);
    other.ensure().unwrap();
    marker::create_done(&other).unwrap();
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_eq!(task_said(&rig, "PROGRESS").len(), 1, "told once");
    assert_eq!(
        task_said(&rig, "FACT")[0],
        "dependencies satisfied; starting task"
    );
}

#[test]
fn a_launch_that_dies_with_its_dependencies_written_can_be_repeated() {
    let rig = Rig::new(QUICK);
    let args = ["--detach", "--depends-on", OTHER];
    rig.start(&args).crash_at("launch-recorded").run();
    rig.assert_crashed_at("launch-recorded");
    let rest = ["--detach", "--depends-on", "", "--grace", "1s"];
    rig.start(&rest).ok();
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert!(!rig.task().config().exists());
}

#[test]
fn whoever_dies_with_a_ticket_in_hand_holds_up_nobody() {
    for point in ["entry-adopted", "queued"] {
        die_with_a_ticket_in_hand(point);
    }
}

fn die_with_a_ticket_in_hand(point: &str) {
    let waits = "version: 1\nsteps:\n  - wait_for: {file: go, timeout: 300s}\n  - done: true\n";
    let rig = Rig::new(waits).settings("defaults: {max_concurrent_runs: 1}\n");
    let start = |task: &str| {
        let args = ["task", "--prompt", "x", "--agent", "actor", "--detach"];
        rig.scenario
            .command(&args)
            .args(&["--project", PROJECT, "--task", task])
    };
    start(OTHER).ok();
    until("the holder", || rig.scenario.begun().len() == 1);
    rig.start(&["--detach"]).crash_at(point).run();
    rig.assert_crashed_at(point);
    let root = rig.scenario.root();
    assert_eq!(
        Queue::read(&root).unwrap().entries().count(),
        1,
        "a ticket is left"
    );
    let third = "task-20260101-000000-third";
    start(third).ok();
    let position = || {
        let place = rig.scenario.task(third);
        Queue::read(&root)
            .ok()?
            .position(place.project(), place.id())
    };
    until("a place", || position() == Some(1));
    rig.scenario.release("go");
    for task in [OTHER, third] {
        until("the end", || rig.standing_of(task).owner == "none");
        assert_eq!(rig.standing_of(task).status, "all_finished");
    }
    assert_eq!(Queue::read(&root).unwrap().entries().count(), 0);
    // The dead one is taken up again and gets its turn.
    rig.scenario.command(&["recover"]).ok();
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
}

/// Kills every supervisor at once; those who are taken up again wait as before.
#[test]
fn a_whole_chain_survives_the_end_of_all_supervisors() {
    let rig =
        Rig::new("version: 1\nsteps:\n  - wait_for: {file: go, timeout: 300s}\n  - done: true\n");
    let names = ["a", "b", "c"].map(|name| format!("task-20260101-000000-ch{name}"));
    let poll = ["--dependency-poll-interval", "50ms"];
    for (number, name) in names.iter().enumerate() {
        let args = ["task", "--prompt", "x", "--agent", "actor", "--detach"];
        let mut command = rig.scenario.command(&args).args(&poll);
        if let Some(before) = number.checked_sub(1) {
            command = command.args(&["--depends-on", &names[before]]);
        }
        command.args(&["--project", PROJECT, "--task", name]).ok();
    }
    until("the first agent", || rig.scenario.begun().len() == 1);
    for name in &names {
        kill(
            &Owner::read(&rig.scenario.task(name))
                .unwrap()
                .unwrap()
                .identity(),
        );
    }
    rig.scenario.command(&["recover"]).ok();
    rig.scenario.release("go");
    for name in &names {
        until("the end", || rig.standing_of(name).status == "all_finished");
    }
    rig.scenario.assert_no_clash();
    assert_eq!(
        rig.scenario.begun().len(),
        4,
        "only the first was begun twice"
    );
}
