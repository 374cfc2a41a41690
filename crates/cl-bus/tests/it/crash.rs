//! Writers that are killed at every named step.

use std::os::unix::process::ExitStatusExt as _;

use cl_bus::{Event, Reason, Start};

use crate::support::{TestBus, events_now};
use crate::writers::{Writer, WriterOptions, check_bus, check_next_append, survivor};

const SIGKILL: i32 = 9;

#[track_caller]
fn check_crash_point(point: &str, passage: usize, torn: &[Reason], extra: usize) {
    let test = TestBus::new();
    let log = test.beside("crash.log");
    let armed = format!("{point}:{passage}");
    let variables = [
        ("CL_CRASH_POINT", armed.as_str()),
        ("CL_CRASH_LOG", log.to_str().unwrap()),
    ];
    let mut follower = test.follow(&Start::Beginning);
    let options = WriterOptions::new(5);
    let (status, acknowledged) = Writer::start(test.path(), "w", options, &variables).finish();
    assert_eq!(status.signal(), Some(SIGKILL), "{status:?}");
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        format!("{point}\n"),
        "the fault landed"
    );
    assert_eq!(acknowledged.len(), passage - 1);

    let mut events = events_now(&mut follower);
    assert_eq!(test.bus.all().unwrap().entries.len(), passage - 1 + extra);
    check_next_append(&test.bus);
    check_bus(&test.bus, &[acknowledged, survivor(&test.bus)].concat(), 1);
    let reading = test.bus.all().unwrap();
    let reasons: Vec<Reason> = reading.damage.iter().map(|damage| damage.reason).collect();
    assert_eq!(reasons, torn);
    assert_eq!(test.bus.check().unwrap().damage, reading.damage);
    events.extend(events_now(&mut follower));
    let followed = events
        .iter()
        .filter(|event| matches!(event, Event::Message(_)))
        .count();
    assert_eq!(followed, reading.entries.len());
}

#[test]
fn killed_while_holding_the_lock() {
    check_crash_point("bus-locked", 1, &[], 0);
    check_crash_point("bus-locked", 3, &[], 0);
}

#[test]
fn killed_with_half_a_record_written() {
    check_crash_point("bus-half-written", 1, &[Reason::TornHeader], 0);
    check_crash_point("bus-half-written", 3, &[Reason::TornHeader], 0);
}

#[test]
fn killed_with_a_record_written_and_not_synced() {
    check_crash_point("bus-written", 1, &[], 1);
    check_crash_point("bus-written", 3, &[], 1);
}

#[test]
fn killed_before_the_acknowledgement() {
    check_crash_point("bus-synced", 1, &[], 1);
    check_crash_point("bus-synced", 3, &[], 1);
}

#[test]
fn killed_between_the_rename_and_the_new_file() {
    let test = TestBus::new();
    let log = test.beside("crash.log");
    let variables = [
        ("CL_CRASH_POINT", "bus-rotated:2"),
        ("CL_CRASH_LOG", log.to_str().unwrap()),
    ];
    let mut follower = test.follow(&Start::Beginning);
    // Every file is at its limit with one record.
    let options = WriterOptions {
        rotate_at: Some(1),
        ..WriterOptions::new(5)
    };
    let (status, acknowledged) = Writer::start(test.path(), "w", options, &variables).finish();
    assert_eq!(status.signal(), Some(SIGKILL), "{status:?}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "bus-rotated\n");
    assert_eq!(acknowledged.len(), 2);
    assert!(
        !test.path().exists(),
        "the file has gone and no new one came"
    );

    assert_eq!(test.bus.all().unwrap().entries.len(), 2);
    assert_eq!(test.bus.tail(2).unwrap().entries.len(), 2);
    check_next_append(&test.bus);
    check_bus(&test.bus, &[acknowledged, survivor(&test.bus)].concat(), 0);
    assert!(test.bus.check().unwrap().is_clean());
    let messages = events_now(&mut follower);
    assert_eq!(messages.len(), 3, "no reset: {messages:?}");
}
