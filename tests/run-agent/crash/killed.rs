//! The command, the supervisor, the agent, and all of them are killed.

use cl_storage::run_info::RunInfo;
use cl_testkit::patience::until;
use cl_testkit::run_agent::Running;
use rustix::process::Signal;

use crate::rig::{Rig, TASK, WAITING, kill};

/// Starts the task in the foreground and waits until its agent is at work.
#[track_caller]
fn foreground(rig: &Rig) -> Running {
    let command = rig.start(&[]).spawn();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    command
}

#[test]
fn killing_the_command_hurts_nothing() {
    let rig = Rig::new(WAITING);
    let command = foreground(&rig);
    command.signal(Signal::KILL);
    assert_eq!(command.finish().code, None);
    let standing = rig.standing();
    assert_eq!(
        (standing.status.as_str(), standing.owner.as_str()),
        ("running", "alive")
    );
    rig.post("meanwhile");
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_eq!(rig.scenario.begun().len(), 1, "the first attempt went on");
}

#[test]
fn killing_the_supervisor_leaves_an_agent_that_is_shown_and_stopped() {
    let rig = Rig::new(WAITING);
    let command = foreground(&rig);
    let agent = rig.agent_process().unwrap();
    rig.kill_supervisor();
    let waited = command.finish();
    waited.assert_code(1);
    assert!(waited.stderr.contains("task resume"), "{waited:#?}");
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.status, "running");
    let shown = rig.scenario.command(&["ps", "--json"]).ok();
    assert!(
        shown.stdout.contains(&format!("{}", agent.pid)),
        "{shown:#?}"
    );
    assert!(agent.is_alive(), "looking ends nothing");
    let stopped = rig.stop();
    assert_eq!(stopped.json()["outcome"], "ended_lost");
    assert!(!agent.is_alive());
    rig.resume_to_done();
}

#[test]
fn an_agent_that_outlives_its_supervisor_may_finish() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    rig.scenario.release("go");
    rig.scenario.survivors().wait_for_none();
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.status, "all_finished", "{standing:#?}");
    rig.resume_to_done();
}

#[test]
fn killing_the_agent_leads_to_another_attempt() {
    let rig = Rig::new(WAITING);
    let command = foreground(&rig);
    kill(&rig.agent_process().unwrap());
    until("the second attempt", || rig.scenario.begun().len() == 2);
    rig.scenario.release("go");
    command.finish().assert_code(0);
    rig.assert_done();
    let mut runs: Vec<RunInfo> = (rig.task().runs().unwrap().iter())
        .map(|run| RunInfo::read(run).unwrap().unwrap())
        .collect();
    runs.sort_by_key(RunInfo::sort_time);
    let codes: Vec<i32> = runs.iter().map(|run| run.exit_code).collect();
    assert_eq!(codes, [137, 0]);
}

#[test]
fn killing_all_three_leaves_nothing_that_runs() {
    let rig = Rig::new(WAITING);
    let command = foreground(&rig);
    let agent = rig.agent_process().unwrap();
    command.signal(Signal::KILL);
    rig.kill_supervisor();
    kill(&agent);
    rig.scenario.survivors().wait_for_none();
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.status, "failed");
    rig.post("after the end of all");
    rig.resume_to_done();
}

#[test]
fn killing_the_agent_and_then_its_supervisor_between_attempts_is_a_lost_task() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach", "--restart-delay", "1h"]).ok();
    rig.wait_for_waiting();
    kill(&rig.wait_for_recorded_agent());
    until("the pause", || {
        rig.standing().whole["waiting_for"] == "delay"
    });
    rig.kill_supervisor();
    let standing = rig.assert_lost_and_true();
    assert_eq!(standing.status, "running", "{standing:#?}");
    rig.resume_to_done();
}

#[test]
fn a_gate_that_outlives_its_supervisor_is_ended() {
    let rig = Rig::new(WAITING);
    rig.scenario.release("go");
    let survivors = rig.scenario.survivors().path().display().to_string();
    let gate =
        format!("exec 9>{survivors}; touch gating; while ! [ -e pass ]; do sleep 0.02; done");
    rig.start(&["--detach", "--gate", &gate]).ok();
    until("the gate", || rig.scenario.work().join("gating").exists());
    rig.kill_supervisor();
    assert!(rig.scenario.survivors().exist(), "the gate waits on");
    let shown = rig.scenario.command(&["ps", "--json"]).ok().json();
    let rows = shown["processes"].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(
            (&row["role"], &row["owner"]),
            (&"gate".into(), &"lost".into())
        );
        assert_eq!(row["task"], TASK);
    }
    let standing = rig.standing();
    assert_eq!(
        (standing.owner.as_str(), standing.status.as_str()),
        ("lost", "running"),
        "its gates are asked again by `recover`"
    );
    assert_eq!(standing.whole["done"], false, "{standing:#?}");
    let told = rig.command(&["status"]).ok().stdout;
    assert!(
        told.contains("`run-agent recover` goes on with it"),
        "{told}"
    );
    let watched = rig.command(&["watch", "--timeout", "300ms"]).run();
    watched.assert_code(124);
    rig.stop();
    assert_eq!(rig.standing().status, "stopped");
    std::fs::write(rig.scenario.work().join("pass"), "").unwrap();
    rig.resume_to_done();
}

#[test]
fn a_gate_without_any_run_that_outlives_its_supervisor_is_ended() {
    let rig = Rig::new(WAITING);
    rig.task().ensure().unwrap();
    cl_storage::marker::create_done(&rig.task()).unwrap();
    let survivors = rig.scenario.survivors().path().display().to_string();
    let gate = format!("exec 9>{survivors}; touch gating; sleep 600");
    rig.start(&["--detach", "--gate", &gate]).ok();
    until("the gate", || rig.scenario.work().join("gating").exists());
    rig.kill_supervisor();
    assert!(rig.scenario.survivors().exist());
    rig.stop();
}

#[test]
fn a_claim_whose_judge_died_counts_for_nobody() {
    let rig = Rig::new("version: 1\nsteps:\n  - done: true\n");
    let gate = "touch gating; while ! [ -e pass ]; do sleep 0.02; done; false";
    let begin = |extra: &[&str]| {
        let flags = ["--max-attempts", "1", "--gate", gate];
        rig.start(&[&flags, extra].concat())
    };
    begin(&["--detach"]).ok();
    until("the gate", || rig.scenario.work().join("gating").exists());
    rig.kill_supervisor();
    std::fs::write(rig.scenario.work().join("pass"), "").unwrap();
    // Its gate is asked again where it was launched with it, and refuses.
    let again = begin(&[]).run();
    again.assert_code(1);
    assert!(rig.task().path().join("DONE.rejected-1").is_file());
    // A claim of an earlier launch is not believed because its gates are left out.
    cl_storage::marker::create_done(&rig.task()).unwrap();
    assert_eq!(rig.standing().status, "failed");
    let runs = rig.task().runs().unwrap().len();
    rig.start(&["--max-attempts", "1"]).ok();
    assert_eq!(rig.task().runs().unwrap().len(), runs + 1);
    assert!(rig.task().path().join("DONE.unjudged-1").is_file());
    rig.assert_done();
}

#[test]
fn a_foreground_task_whose_judge_died_is_marked_as_failed() {
    let rig = Rig::new("version: 1\nsteps:\n  - done: true\n");
    let gate = "touch gating; while ! [ -e pass ]; do sleep 0.02; done";
    let command = rig.start(&["--gate", gate]).spawn();
    until("the gate", || rig.scenario.work().join("gating").exists());
    rig.kill_supervisor();
    command.finish().assert_code(1);
    rig.command(&["recover"]).ok();
    let standing = rig.standing();
    assert_eq!(
        (standing.owner.as_str(), standing.status.as_str()),
        ("none", "failed")
    );
    std::fs::write(rig.scenario.work().join("pass"), "").unwrap();
    rig.start(&["--gate", "true"]).ok();
    rig.assert_done();
}

#[test]
fn a_descendant_that_left_its_session_is_ended_with_a_lost_agent() {
    let script = r#"
version: 1
steps:
  - run: {command: "setsid sh -c 'sleep 600 & exit'", background: true}
  - run: {command: "setsid env -u JRUN_ID sh -c 'trap : TERM; while :; do sleep 1; done'", background: true}
  - write: {path: waiting, content: "x"}
  - wait_for: {file: go, timeout: 300s}
  - done: true
"#;
    let rig = Rig::new(script);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    rig.assert_lost_and_true();
    rig.stop();
    rig.resume_to_done();
}

#[test]
fn a_tree_that_keeps_growing_is_ended_whole() {
    // Its own session, no mark in its environment, and orphans at every moment.
    let grow = "i=0; while [ $i -lt 3000 ]; do sleep 600 & i=$((i+1)); done; sleep 600";
    let script = format!(
        "version: 1\nsteps:\n  \
         - run: {{command: \"setsid env -u JRUN_ID sh -c '{grow}'\", background: true}}\n  \
         - write: {{path: waiting, content: x}}\n  \
         - hang: true\n"
    );
    let rig = Rig::new(&script);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    rig.command(&["stop", "--force"]).ok();
    assert!(!rig.scenario.survivors().exist());
}

#[test]
fn a_version_probe_that_outlives_its_supervisor_is_ended() {
    let rig = Rig::new(WAITING);
    let probe = rig.scenario.path().join("probe.sh");
    let at = rig.scenario.path().display();
    let text = format!(
        "#!/bin/sh\nexec 9>{at}/survivors\n\
         [ \"$1\" = --version ] && {{ touch probing; sleep 600; }}\n\
         exec /bin/sh {at}/actor.sh\n"
    );
    std::fs::write(&probe, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&probe, mode).unwrap();
    let settings = format!(
        "  slow: {{type: command, command: [{}]}}\n",
        probe.display()
    );
    let rig = rig.settings(&settings);
    rig.start(&["--detach", "--agent", "slow"]).ok();
    until("the probe", || rig.scenario.work().join("probing").exists());
    rig.kill_supervisor();
    rig.assert_lost_and_true();
    rig.stop();
}
