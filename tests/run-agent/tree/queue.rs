//! Waiting for a run slot: first come, first served.

use cl_storage::owner::Owner;
use cl_storage::queue::Queue;
use cl_storage::task_state::ResultStatus;
use cl_testkit::patience::{eventually, until};
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Stage, id};

/// So many processes want a slot.
const CROWD: usize = 30;

fn name(number: usize) -> String {
    format!("member-{number:02}")
}

/// Returns a stage with so many slots, whose agents note when they begin.
fn stage(slots: usize) -> Stage {
    let steps = "
  - run: flock @/lock sh -c 'echo $JRUN_TASK_ID >>@/began'
  - wait_for: {file: @/go, timeout: 300s}
  - done: true";
    Stage::new(steps).settings(&format!("defaults: {{max_concurrent_runs: {slots}}}\n"))
}

/// Starts a task and waits until it has a slot or a place.
#[track_caller]
fn arrive(stage: &Stage, name: &str, place: usize) {
    stage.detach(name, "--max-attempts 1");
    if place == 0 {
        until("an agent", || stage.lines("began").contains(&id(name)));
        return;
    }
    stage.waits_for(name, "slot");
    eventually("a place", || {
        let queue = Queue::read(&stage.scenario.root()).ok()?;
        (queue.entries().count() == place).then_some(())
    });
}

fn kill_supervisor(stage: &Stage, name: &str) {
    let owner = Owner::read(&stage.dir(name)).unwrap().unwrap().identity();
    kill_process(Pid::from_raw(owner.pid).unwrap(), Signal::KILL).unwrap();
    until("its end", || !owner.is_alive());
}

/// The order of beginning is that of arrival, whoever is killed while waiting.
#[track_caller]
fn check_order(slots: usize, killed: &[usize]) {
    let stage = stage(slots);
    for number in 0..CROWD {
        arrive(&stage, &name(number), (number + 1).saturating_sub(slots));
    }
    let shown = stage.json("list");
    let last = shown["tasks"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["status"], &last["queue_position"]),
        (&"queued".into(), &(CROWD - slots).into())
    );
    let text = stage.ok(&format!("status {}", id(&name(slots))));
    assert!(text.contains("queued (1.)"), "{text}");
    for number in killed {
        kill_supervisor(&stage, &name(*number));
    }
    stage.touch("go");
    let alive = || (0..CROWD).filter(|number| !killed.contains(number));
    for number in alive() {
        assert_eq!(stage.ended(&name(number)).status, ResultStatus::Completed);
        assert_eq!(stage.infos(&name(number)).len(), 1, "never begun twice");
    }
    let began = stage.lines("began");
    assert_eq!(began.len(), alive().count(), "{began:#?}");
    let expected: Vec<String> = alive().map(|number| id(&name(number))).collect();
    if slots == 1 {
        assert_eq!(began, expected);
    }
    // Those who hold slots at the same time may note it in any order.
    for (place, task) in began.iter().enumerate() {
        let due = expected
            .iter()
            .position(|expected| expected == task)
            .unwrap();
        assert!(
            due.abs_diff(place) < slots,
            "{task} was {due}. and came {place}.: {began:#?}"
        );
    }
    stage.scenario.assert_no_clash();
    assert_eq!(
        Queue::read(&stage.scenario.root())
            .unwrap()
            .entries()
            .count(),
        0
    );
}

#[test]
fn thirty_wait_for_one_slot_in_order() {
    check_order(1, &[]);
}

#[test]
fn whoever_is_killed_while_waiting_holds_up_nobody() {
    // The first in the queue, two in a row, one in the middle, the last.
    check_order(1, &[1, 2, 17, 29]);
}

#[test]
fn three_slots_are_given_in_order() {
    check_order(3, &[3, 11, 12]);
}

#[test]
fn a_slot_of_a_killed_holder_goes_to_the_next() {
    let stage = stage(1);
    for number in 0..4 {
        arrive(&stage, &name(number), number);
    }
    kill_supervisor(&stage, &name(0));
    // Its agent goes on without it, and so does its hold on the slot.
    let agent = stage.works(&name(0));
    assert_eq!(stage.lines("began").len(), 1);
    kill_process(Pid::from_raw(agent.pid).unwrap(), Signal::KILL).unwrap();
    until("the next", || stage.lines("began").len() == 2);
    stage.touch("go");
    for number in 1..4 {
        stage.ended(&name(number));
    }
    let expected: Vec<String> = (0..4).map(|number| id(&name(number))).collect();
    assert_eq!(stage.lines("began"), expected);
}

#[test]
fn stopping_or_giving_up_one_that_waits_lets_the_next_move_up() {
    let stage = stage(1);
    for number in 0..4 {
        arrive(&stage, &name(number), number);
    }
    stage.ok(&format!("stop {}", id(&name(1))));
    stage.ok(&format!("task cancel {} --reason x", id(&name(2))));
    for number in [1, 2] {
        assert_eq!(stage.ended(&name(number)).status, ResultStatus::Stopped);
    }
    let row = stage.json(&format!("status {}", id(&name(3))))["tasks"][0].clone();
    assert_eq!(row["queue_position"], 1, "{row:#}");
    let show = stage.json(&format!("task show {}", id(&name(3))));
    assert_eq!(show["task"]["queue_position"], 1);
    stage.touch("go");
    stage.ended(&name(3));
    assert_eq!(stage.lines("began"), [id(&name(0)), id(&name(3))]);
}

/// A marker that another program has written counts as well.
#[test]
fn a_marker_ends_the_wait_for_a_slot() {
    let stage = stage(1);
    for number in 0..2 {
        arrive(&stage, &name(number), number);
    }
    std::fs::write(stage.dir(&name(1)).path().join("CANCELLED"), "reason: x\n").unwrap();
    stage.ended(&name(1));
    let status = stage.json(&format!("status {}", id(&name(1))))["tasks"][0]["status"].clone();
    assert_eq!(status, "cancelled");
    stage.touch("go");
    stage.ended(&name(0));
}

#[test]
fn a_task_of_a_server_is_queued_until_it_is_given_up() {
    let stage = stage(1);
    let folder = stage.dir("top");
    std::fs::create_dir_all(folder.runs_folder()).unwrap();
    let root = stage.scenario.root();
    let accepted = cl_storage::queue::Accepted {
        project: folder.project(),
        task: folder.id(),
        launch: "launch",
        run: None,
        request: serde_json::json!({"prompt": "x"}),
        may_begin: false,
    };
    let now = jiff::Timestamp::UNIX_EPOCH;
    cl_storage::queue::submit(&root, accepted, now).unwrap();
    let text = stage.ok("list");
    assert!(text.contains("queued (1.)"), "{text}");
    // It holds up nobody while there is no server.
    arrive(&stage, "one", 0);
    stage.ok(&format!("task cancel {} --reason x", id("top")));
    assert_eq!(Queue::read(&root).unwrap().entries().count(), 0);
    stage.touch("go");
    stage.ended("one");
}

#[test]
fn a_place_in_the_queue_that_lost_its_supervisor_is_no_end() {
    let stage = stage(1);
    arrive(&stage, "holder", 0);
    arrive(&stage, "waiter", 1);
    kill_supervisor(&stage, "waiter");
    let row = || stage.json(&format!("status {}", id("waiter")))["tasks"][0].clone();
    let shown = row();
    assert_eq!(
        (&shown["status"], &shown["owner"], &shown["waiting_for"]),
        (&"queued".into(), &"lost".into(), &"slot".into()),
        "{shown:#}"
    );
    let watch = format!("watch {} --timeout 200ms", id("waiter"));
    stage.command(&watch).run().assert_code(124);
    let told = stage.ok(&format!("status {}", id("waiter")));
    assert!(
        told.contains("`run-agent recover` goes on with it"),
        "{told}"
    );
    // Who depends on it waits for it, and is in no deadlock.
    stage.detach("behind", &format!("--depends-on {}", id("waiter")));
    stage.waits_for("behind", "dependencies");
    let behind = stage.json(&format!("status {}", id("behind")))["tasks"][0].clone();
    assert_eq!(behind["deadlocked_by"], serde_json::json!([]), "{behind:#}");
    // Its only attempt has not been made: it is not used up.
    stage.ok("recover");
    stage.waits_for("waiter", "slot");
    stage.touch("go");
    for name in ["holder", "waiter", "behind"] {
        assert_eq!(stage.ended(name).status, ResultStatus::Completed, "{name}");
    }
    assert_eq!(row()["attempts"], 1);
}

#[test]
fn a_queue_that_cannot_be_used_fails_no_agent() {
    let stage = stage(1);
    let root = stage.scenario.root();
    root.ensure_conductor_folder().unwrap();
    std::fs::write(root.conductor_folder().join("queue"), "").unwrap();
    stage.task("top", "").assert_code(1);
    let result = stage.ended("top");
    let failure = result.failure.unwrap();
    assert!(
        failure.detail.contains("could not wait for a run slot"),
        "{failure}"
    );
    assert!(failure.detail.contains("queue"), "{failure}");
    assert_eq!(stage.state("top").attempts.total, 0);
    assert!(stage.lines("began").is_empty());
    assert_eq!(stage.info("top").phase, None, "its record has an end");
    std::fs::remove_file(root.conductor_folder().join("queue")).unwrap();
    stage.touch("go");
    stage.ok(&format!("task resume {} --agent actor", id("top")));
    assert_eq!(stage.ended("top").status, ResultStatus::Completed);
}
