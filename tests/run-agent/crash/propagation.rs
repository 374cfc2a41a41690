//! A supervisor dies while it tells the project that its task is done.

use cl_bus::{Bus, Message};
use cl_testkit::scenario::PROJECT;

use crate::rig::{Rig, WAITING};

/// Returns the messages on the project's bus that tell of a task's end.
fn told(rig: &Rig) -> Vec<Message> {
    let bus = rig.task().path().with_file_name("PROJECT-MESSAGE-BUS.md");
    let messages = Bus::new(bus).all().unwrap().into_messages();
    let kind = |message: &Message| message.meta.get("kind").cloned().unwrap_or_default();
    messages
        .into_iter()
        .filter(|message| kind(message) == "task_completion_propagation")
        .collect()
}

/// Starts a task whose supervisor dies at `point` with the work done.
fn crash(point: &str) -> Rig {
    let rig = Rig::new(WAITING);
    rig.scenario.release("go");
    rig.start(&[]).crash_at(point).run();
    rig.assert_crashed_at(point);
    rig
}

#[track_caller]
fn check(point: &str, told_before: usize, notice: &str) {
    let rig = crash(point);
    assert_eq!(told(&rig).len(), told_before);
    for _ in 0..2 {
        rig.scenario.command(&["recover"]).ok();
        let messages = told(&rig);
        assert_eq!(messages.len(), 1, "{messages:#?}");
        let state = std::fs::read_to_string(rig.task().propagation()).unwrap();
        let key = &messages[0].meta["propagation_key"];
        assert!(
            state.contains(messages[0].id.as_str()) && state.contains(key),
            "{state}"
        );
    }
    rig.assert_done();
    let said = rig.messages();
    let notices: Vec<_> = said
        .iter()
        .filter_map(|message| message["body"].as_str())
        .filter(|body| body.starts_with("task completion facts"))
        .collect();
    assert_eq!(notices.len(), 1, "{notices:#?}");
    assert!(notices[0].contains(notice), "{notices:#?}");
}

#[test]
fn before_anything_was_told() {
    check("result-recorded", 0, "propagated to project bus");
}

#[test]
fn before_the_message_was_posted() {
    check("propagation-unposted", 0, "propagated to project bus");
}

#[test]
fn between_message_and_state() {
    check("propagation-posted", 1, "propagated to project bus");
}

#[test]
fn before_the_notice() {
    check("propagation-recorded", 1, "already propagated");
}

#[test]
fn a_task_that_recovery_completes_is_told_of() {
    check("end-recorded", 0, "propagated to project bus");
}

#[test]
fn a_task_that_goes_on_is_told_of_again() {
    let rig = crash("propagation-posted");
    rig.resume_to_done();
    let messages = told(&rig);
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert!(messages.iter().all(|message| message.project_id == PROJECT));
    let counts: Vec<_> = messages
        .iter()
        .map(|m| m.meta["run_count"].as_str())
        .collect();
    assert_eq!(counts, ["1", "2"]);
}
