//! Records and messages that cannot be written during a run.

use std::fs;

use cl_testkit::patience::until;

use crate::rig::{Rig, TASK, WAITING};

/// Puts a folder where a file should be; returns the file's content.
fn block(path: &std::path::Path) -> Vec<u8> {
    let content = fs::read(path).unwrap_or_default();
    fs::remove_file(path).unwrap_or_default();
    fs::create_dir(path).unwrap();
    content
}

#[test]
fn without_its_bus_a_run_goes_on_and_the_messages_come_later_in_order() {
    let script = r#"
version: 1
attempts:
  - - write: {path: waiting, content: "x"}
    - wait_for: {file: first, timeout: 300s}
    - exit: 3
  - - wait_for: {file: go, timeout: 300s}
    - done: true
"#;
    let rig = Rig::new(script);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    until("the first messages", || {
        rig.messages().iter().any(|m| m["type"] == "RUN_START")
    });
    let bus = rig.task().bus();
    let before = block(&bus);
    rig.scenario.release("first");
    until("the second attempt", || rig.scenario.begun().len() == 2);
    let standing = rig.standing();
    assert_eq!(
        (standing.status.as_str(), standing.active),
        ("running", true)
    );
    fs::remove_dir(&bus).unwrap();
    fs::write(&bus, before).unwrap();
    until("the messages that were kept", || {
        let messages = rig.messages();
        messages.iter().filter(|m| m["type"] == "RUN_START").count() == 2
    });
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    let messages = rig.messages();
    let events: Vec<&str> = (messages.iter())
        .filter_map(|m| m["type"].as_str())
        .filter(|kind| kind.starts_with("RUN_"))
        .collect();
    assert_eq!(events, ["RUN_START", "RUN_CRASH", "RUN_START", "RUN_STOP"]);
    let runs: Vec<&str> = (messages.iter())
        .filter(|m| {
            m["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("RUN_"))
        })
        .filter_map(|m| m["run_id"].as_str())
        .collect();
    assert_eq!((runs[0], runs[2]), (runs[1], runs[3]));
    assert_ne!(runs[0], runs[2]);
}

#[test]
fn a_task_whose_bus_stays_broken_ends_and_its_log_has_the_messages() {
    let rig = Rig::new(WAITING);
    let rig = rig.agent(
        "actor",
        "version: 1\nsteps:\n  - write: {path: waiting, content: x}\n  - wait_for: {file: go, timeout: 300s}\n  - done: true\n",
    );
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    block(&rig.task().bus());
    rig.scenario.release("go");
    until("the end", || rig.standing().owner == "none");
    assert_eq!(rig.standing().status, "all_finished");
    assert!(!rig.scenario.survivors().exist());
    let log = fs::read_to_string(rig.task().supervisor_log()).unwrap();
    assert!(log.contains("RUN_STOP"), "{log}");
    let spool = fs::read_to_string(rig.task().bus_spool()).unwrap();
    assert!(spool.contains("RUN_STOP"), "{spool}");
}

/// A task that was killed with its messages unposted; the bus can be written again.
fn killed_with_messages() -> Rig {
    let script = r#"
version: 1
attempts:
  - - write: {path: waiting, content: "x"}
    - wait_for: {file: first, timeout: 300s}
    - exit: 3
  - - wait_for: {file: go, timeout: 300s}
    - done: true
"#;
    let rig = Rig::new(script);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    let bus = rig.task().bus();
    until("the first messages", || {
        rig.messages().iter().any(|m| m["type"] == "RUN_START")
    });
    let before = block(&bus);
    rig.scenario.release("first");
    until("the second attempt", || rig.scenario.begun().len() == 2);
    rig.kill_supervisor();
    fs::remove_dir(&bus).unwrap();
    fs::write(&bus, before).unwrap();
    rig
}

#[track_caller]
fn assert_told_once(rig: &Rig) {
    let messages = rig.messages();
    let of_first = |kind: &str| {
        let runs = messages.iter().filter(|m| m["type"] == "RUN_START");
        let first = runs.map(|m| m["run_id"].clone()).next().unwrap();
        let of = |m: &&serde_json::Value| m["type"] == kind && m["run_id"] == first;
        messages.iter().filter(of).count()
    };
    assert_eq!((of_first("RUN_START"), of_first("RUN_CRASH")), (1, 1));
    let failed = |m: &&serde_json::Value| {
        let body = m["body"].as_str().unwrap();
        body.starts_with("root agent failed on restart #0")
    };
    assert_eq!(messages.iter().filter(failed).count(), 1);
    assert!(!rig.task().bus_spool().exists());
}

#[test]
fn the_next_owner_posts_what_the_last_one_could_not() {
    let rig = killed_with_messages();
    rig.scenario.release("go");
    rig.command(&["recover"]).ok();
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_told_once(&rig);
}

#[test]
fn a_kept_message_that_was_posted_is_not_posted_again() {
    let rig = killed_with_messages();
    rig.command(&["recover"])
        .crash_at("posted-still-spooled")
        .run();
    rig.assert_crashed_at("posted-still-spooled");
    rig.scenario.release("go");
    rig.command(&["recover"]).ok();
    until("the end", || rig.standing().owner == "none");
    rig.assert_done();
    assert_told_once(&rig);
}

/// A version probe runs right before the agent: here it spoils the record.
fn with_spoiling_probe(rig: Rig, name: &str) -> Rig {
    let probe = rig.scenario.path().join("probe.sh");
    let runs = rig.scenario.path().join("root/demo");
    let text = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = --version ]; then\n\
           for run in {}/*/runs/*; do rm -f $run/{name}; mkdir $run/{name}; done\n\
           echo 1.0; exit\n\
         fi\n\
         exec /bin/sh {}/actor.sh\n",
        runs.display(),
        rig.scenario.path().display(),
    );
    fs::write(&probe, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&probe, mode).unwrap();
    let settings = format!(
        "  spoiled: {{type: command, command: [{}]}}\n",
        probe.display()
    );
    rig.settings(&settings)
}

#[test]
fn a_run_that_cannot_be_recorded_is_stopped_and_the_failure_is_told() {
    let rig = with_spoiling_probe(Rig::new(WAITING), "run-info.yaml");
    let started = rig.start(&["--agent", "spoiled", "--grace", "1s"]).run();
    started.assert_code(1);
    assert!(started.stderr.contains("run-info.yaml"), "{started:#?}");
    rig.scenario.survivors().wait_for_none();
    let standing = rig.standing();
    assert_eq!(standing.status, "failed", "{standing:#?}");
    assert!(!standing.active, "{standing:#?}");
    let told = rig.messages();
    let told = told.iter().filter(|m| m["type"] == "ERROR").count();
    assert_eq!(told, 1, "the failure is on the bus");
    assert!(rig.scenario.begun().len() <= 1, "nothing is tried again");
    rig.scenario.assert_no_clash();
}

#[test]
fn a_record_that_is_spoiled_later_fails_the_task_when_the_agent_has_ended() {
    let rig = Rig::new(WAITING);
    let command = rig.start(&[]).spawn();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    let run = rig.task().runs().unwrap().pop().unwrap();
    block(&run.info());
    let standing = rig.standing();
    assert!(standing.active, "an owner is at work: {standing:#?}");
    rig.scenario.release("go");
    let ended = command.finish();
    ended.assert_code(1);
    assert!(ended.stderr.contains("run-info.yaml"), "{ended:#?}");
    rig.scenario.survivors().wait_for_none();
    assert!(!rig.standing().active);
    // A damaged record does not stand in the way of the next launch.
    rig.resume_to_done();
}

#[test]
fn an_agent_whose_record_was_damaged_is_ended_before_another_one_starts() {
    let rig = Rig::new(WAITING);
    rig.start(&["--detach"]).ok();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    rig.kill_supervisor();
    let run = rig.task().runs().unwrap().pop().unwrap();
    fs::write(run.info(), "version: [").unwrap();
    assert!(rig.scenario.survivors().exist());
    rig.assert_lost_and_true();
    let shown = rig.scenario.command(&["ps", "--json"]).ok();
    assert!(shown.stdout.contains(TASK), "{shown:#?}");
    rig.resume_to_done();
    assert_eq!(rig.scenario.begun().len(), 2);
}

#[test]
fn a_state_that_cannot_be_written_fails_the_task_and_leaves_no_agent() {
    let rig = Rig::new(WAITING);
    let command = rig.start(&["--grace", "1s"]).spawn();
    rig.wait_for_waiting();
    rig.wait_for_recorded_agent();
    block(&rig.task().state());
    rig.scenario.release("go");
    let ended = command.finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    rig.scenario.survivors().wait_for_none();
    fs::remove_dir(rig.task().state()).unwrap();
    assert!(!rig.standing().active);
    rig.resume_to_done();
}
