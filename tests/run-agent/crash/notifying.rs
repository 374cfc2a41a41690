//! Somebody dies between an event and its telling: it is told, and once by its id.

use std::collections::BTreeSet;

use cl_storage::spool::Spool;
use cl_testkit::model_server::{ModelServer, Script, Turn, Turns};
use cl_testkit::patience::eventually;
use cl_testkit::receiver::{Received, Receiver};

use crate::rig::{Rig, WAITING};

fn rig(receiver: &Receiver) -> Rig {
    let url = receiver.url();
    let rig = Rig::new(WAITING).settings(&format!("webhook: {{url: \"{url}\"}}\n"));
    rig.scenario.release("go");
    rig
}

/// Waits until everything has arrived and nobody sends.
#[track_caller]
fn quiet(rig: &Rig) {
    let spool = Spool::of(&rig.scenario.root());
    eventually("an empty spool", || {
        (spool.is_empty() && spool.sender().is_none()).then_some(())
    });
}

/// Returns each event with its id, once.
fn told(received: &[Received]) -> BTreeSet<(String, String)> {
    let text = |one: &Received, key: &str| one.json()[key].as_str().unwrap().to_owned();
    let told = received.iter();
    told.map(|one| (text(one, "event"), text(one, "delivery_id")))
        .collect()
}

/// Waits until a process has died at `point`; more than one may.
#[track_caller]
fn wait_for_crash(rig: &Rig, point: &str) {
    eventually(point, || {
        let crashes = cl_testkit::run_agent::crashes(rig.scenario.path());
        crashes.iter().any(|at| at.contains(point)).then_some(())
    });
}

#[track_caller]
fn check(point: &str) {
    let receiver = Receiver::start(&[]).unwrap();
    let rig = rig(&receiver);
    rig.start(&[]).crash_at(point).run();
    rig.assert_crashed_at(point);
    for _ in 0..2 {
        rig.scenario.command(&["recover"]).ok();
        quiet(&rig);
        let received = receiver.received();
        let told = told(&received);
        let events: Vec<&str> = told.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(events, ["done", "run_stop"], "{received:?}");
    }
    rig.assert_done();
}

#[test]
fn before_the_end_of_the_run_is_told() {
    check("end-recorded");
}

#[test]
fn before_the_end_of_the_task_is_recorded() {
    check("result-unrecorded");
}

#[test]
fn before_the_sender_is_started() {
    check("result-recorded");
}

#[test]
fn a_sender_that_dies_behind_a_delivery_repeats_it_under_its_id() {
    let receiver = Receiver::start(&[]).unwrap();
    let rig = rig(&receiver);
    rig.start(&[]).crash_at("delivered-unremoved").ok();
    wait_for_crash(&rig, "delivered-unremoved");
    let spool = Spool::of(&rig.scenario.root());
    eventually("an empty spool", || {
        // A sender that is about to die like the first one may still be there.
        rig.scenario.command(&["gc"]).ok();
        (spool.is_empty() && spool.sender().is_none()).then_some(())
    });
    let received = receiver.received();
    assert!(received.len() > 2, "something came twice");
    assert_eq!(told(&received).len(), 2, "{received:?}");
}

#[test]
fn a_service_that_was_not_believed_yet_is_asked_again() {
    let answers = Turns::always(Turn::text("So it is.")).for_plain_requests();
    let server = ModelServer::start(Script::new(answers)).unwrap();
    let url = server.url();
    let rig = Rig::new(WAITING).settings(&format!(
        "  service: {{type: xai, base_url: \"{url}\", env: {{XAI_API_KEY: canary-key}}}}\n"
    ));
    let start = rig.start(&["--agent", "service", "--detach"]);
    start.crash_at("service-unclaimed").ok();
    wait_for_crash(&rig, "service-unclaimed");
    rig.scenario.command(&["recover"]).ok();
    eventually("the end", || {
        rig.task().path().join("DONE").is_file().then_some(())
    });
    assert_eq!(server.request_count(), 2);
}
