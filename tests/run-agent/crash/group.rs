//! What only the control group of a dead supervisor still tells of.
//!
//! Where no group can be made, the tests say so and check the way without one.

use cl_runner::process::leaf;
use cl_storage::process::ProcessIdentity;
use cl_testkit::patience::until;
use rustix::process::Signal;

use crate::rig::{Rig, TASK, WAITING, kill};

/// A descendant without mark, group, session and parent, which ignores TERM.
const HIDDEN: &str = r#"
version: 1
steps:
  - run: {command: "setsid env -i /bin/sh -c '/bin/sh hidden.sh & exit'", background: true}
  - wait_for: {file: hidden.pid, timeout: 300s}
  - write: {path: waiting, content: "x"}
  - wait_for: {file: go, timeout: 300s}
  - done: true
"#;

#[expect(clippy::print_stdout, reason = "a skipped check must be told")]
fn is_possible(what: &str) -> bool {
    match leaf::availability() {
        Ok(_) => true,
        Err(why) => {
            println!("SKIPPED: {what}: {why}");
            false
        }
    }
}

/// A task whose supervisor and agent were killed, and the process that is left of it.
fn orphaned(settings: &str) -> (Rig, ProcessIdentity) {
    let rig = Rig::new(HIDDEN).settings(settings);
    let script = "trap : TERM HUP\necho $$ >hidden.new\nmv hidden.new hidden.pid\n\
                  while :; do sleep 0.2; done\n";
    std::fs::write(rig.scenario.work().join("hidden.sh"), script).unwrap();
    rig.start(&["--detach", "--grace", "1s"]).ok();
    rig.wait_for_waiting();
    let agent = rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    kill(&agent);
    let pid = std::fs::read_to_string(rig.scenario.work().join("hidden.pid")).unwrap();
    let hidden = ProcessIdentity::of(pid.trim().parse().unwrap())
        .unwrap()
        .unwrap();
    assert!(hidden.is_alive());
    (rig, hidden)
}

fn groups() -> Vec<String> {
    let base = leaf::availability().unwrap();
    let entries = std::fs::read_dir(base).unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

fn group_of(process: &ProcessIdentity) -> String {
    let group = cl_storage::process::control_group(process.pid).unwrap();
    group.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn an_orphan_that_hides_in_every_way_is_shown_and_stopped() {
    if !is_possible("an orphan known by its control group alone") {
        return;
    }
    let (rig, hidden) = orphaned("");
    let group = group_of(&hidden);
    let owner = rig.owner().unwrap();
    assert!(group.ends_with(&format!("{}-{}", owner.pid, owner.start.ticks())));
    let shown = rig.scenario.command(&["ps", "--json"]).ok().json();
    let rows = shown["processes"].as_array().unwrap();
    let row = (rows.iter())
        .find(|row| row["pid"] == hidden.pid)
        .unwrap_or_else(|| panic!("{} in {rows:#?}", hidden.pid));
    assert_eq!(
        (&row["task"], &row["owner"]),
        (&TASK.into(), &"lost".into())
    );
    rig.stop();
    assert!(!hidden.is_alive());
    assert!(!groups().contains(&group), "the group is removed");
    rig.resume_to_done();
}

#[test]
fn recovery_ends_the_hidden_orphan_before_it_begins_again() {
    if !is_possible("recovery by control group") {
        return;
    }
    let (rig, hidden) = orphaned("");
    rig.scenario.release("go");
    rig.resume(&[]).ok();
    assert!(!hidden.is_alive());
    rig.assert_done();
}

#[test]
fn a_damaged_record_leads_to_the_group_all_the_same() {
    if !is_possible("a control group without a run record") {
        return;
    }
    let (rig, hidden) = orphaned("");
    for run in rig.task().runs().unwrap() {
        std::fs::write(run.info(), "nothing: [").unwrap();
    }
    rig.command(&["stop", "--grace", "1s"]).ok();
    assert!(!hidden.is_alive());
}

#[test]
fn groups_are_gone_when_their_tasks_are_over() {
    if !is_possible("removal of control groups") {
        return;
    }
    for flags in [&[][..], &["--detach"][..]] {
        let rig = Rig::new(WAITING);
        let command = rig.start(flags).spawn();
        rig.wait_for_waiting();
        let agent = rig.wait_for_recorded_agent();
        let group = group_of(&agent);
        assert!(groups().contains(&group));
        rig.scenario.release("go");
        command.finish().assert_code(0);
        until("the end", || rig.standing().owner == "none");
        // Whoever waited may have gone before the supervisor had: the next one clears up.
        until("the removal of the group", || {
            rig.command(&["recover"]).ok();
            !groups().contains(&group)
        });
    }
}

#[test]
fn without_a_group_everything_else_works_as_before() {
    let settings = "defaults: {control_group: \"off\"}\n";
    let rig = Rig::new(WAITING).settings(settings);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    let agent = rig.wait_for_recorded_agent();
    assert!(!group_of(&agent).starts_with("conductor-"));
    rig.kill_supervisor();
    rig.assert_lost_and_true();
    rig.stop();
    assert!(!agent.is_alive());
    rig.resume_to_done();
}

#[test]
fn a_tree_that_outgrows_single_kills_is_killed_as_a_whole() {
    // Every member starts others faster than anybody can look.
    let bomb = "b() { i=0; while [ $i -lt 40 ]; do setsid env -i sleep 600 & i=$((i+1)); done; }; \
                trap : TERM; while :; do b; [ -e stop-growing ] && break; wait -n; done";
    let script = format!(
        "version: 1\nsteps:\n  \
         - run: {{command: \"setsid /bin/bash -c '{bomb}'\", background: true}}\n  \
         - write: {{path: waiting, content: x}}\n  \
         - hang: true\n"
    );
    let rig = Rig::new(&script);
    let command = rig.start(&["--grace", "0s"]).spawn();
    rig.wait_for_waiting();
    command.signal(Signal::INT);
    command.finish().assert_code(130);
    assert!(!rig.scenario.survivors().exist());
}
