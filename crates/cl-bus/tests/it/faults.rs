//! A disk that refuses: what is promised after a failed write, sync, lock, rename or read.
//!
//! Each test asks the armed fault whether it landed.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cl_bus::{AppendError, Event, Start};
use cl_storage::clock::FixedClock;
use cl_storage::fault::{Armed, Fault, arm};

use crate::support::{TestBus, bodies, events_now, fact, messages_of, read_in_every_way};

/// A body of several lines with what could mislead a reader.
const BODY: &str = "one\n---\nmsg_id: x\n\nend";

/// Arms a fault for the files of one test.
fn arm_for(test: &TestBus, fault: Fault) -> Armed {
    arm(fault.on(test.path().parent().unwrap()))
}

/// A bus with one message, whose clock stands, so that equal records have equal lengths.
fn standing() -> TestBus {
    let mut test = TestBus::new();
    let now = "2026-02-23T19:18:15.000001Z".parse().unwrap();
    test.bus = test.bus.clone().with_clock(Arc::new(FixedClock::new(now)));
    test.post("before");
    test
}

/// How many bytes the record of `body` has behind another one, its separator included.
fn record_length(body: &str) -> usize {
    let test = standing();
    let before = test.bytes().len();
    test.post(body);
    test.bytes().len() - before
}

#[test]
fn a_write_that_fails_at_any_byte_leaves_nothing() {
    let errors = ["ENOSPC", "EIO", "EDQUOT", "EROFS"];
    for taken in 0..record_length(BODY) {
        let test = standing();
        let bytes = test.bytes();
        let error = errors[taken % errors.len()];
        let fault = Fault::new("append", error).after_bytes(taken).times(1);
        // A test build writes a record in two parts.
        let half = record_length(BODY) / 2;
        let fault = if taken > half {
            fault.at(2).after_bytes(taken - half)
        } else {
            fault
        };
        let armed = arm_for(&test, fault);
        let told = test.bus.append(&fact(BODY)).unwrap_err();
        assert_eq!(armed.fired(), 1, "the fault landed at byte {taken}");
        assert!(matches!(told, AppendError::Write { .. }), "{told:?}");
        assert_eq!(test.bytes(), bytes, "nothing of it is left at byte {taken}");
        test.post(BODY);
        let reading = test.bus.all().unwrap();
        assert_eq!(bodies(&reading), ["before", BODY]);
        assert!(reading.damage.is_empty(), "{:?}", reading.damage);
    }
}

#[test]
fn what_cannot_be_taken_back_is_a_torn_record() {
    let half = record_length(BODY) / 2;
    for taken in (1..record_length(BODY)).filter(|taken| *taken != half) {
        let test = standing();
        let mut follower = test.follow(&Start::Beginning);
        let fault = Fault::new("append", "EIO").times(1);
        let fault = if taken > half {
            fault.at(2).after_bytes(taken - half)
        } else {
            fault.after_bytes(taken)
        };
        let write = arm_for(&test, fault);
        let cut = arm_for(&test, Fault::new("cut", "EIO"));
        let told = test.bus.append(&fact(BODY)).unwrap_err();
        assert_eq!((write.fired(), cut.fired()), (1, 1), "byte {taken}");
        drop((write, cut));
        test.post("after");
        let reading = test.bus.all().unwrap();
        if taken + 1 == record_length(BODY) {
            assert!(matches!(told, AppendError::Unsynced { .. }), "{told:?}");
            assert_eq!(bodies(&reading), ["before", BODY, "after"]);
            continue;
        }
        assert!(matches!(told, AppendError::Write { .. }), "{told:?}");
        let whole: Vec<&str> = (reading.messages().filter(|m| !m.truncated))
            .map(|m| m.body.as_str())
            .collect();
        assert_eq!(whole, ["before", "after"], "byte {taken}");
        let followed = messages_of(&events_now(&mut follower)).len();
        assert_eq!(followed, reading.entries.len(), "byte {taken}");
    }
}

#[test]
fn short_and_interrupted_writes_make_one_message() {
    let test = TestBus::new();
    test.post("before");
    let fault = Fault::new("append", "EINTR").after_bytes(1).times(40);
    let armed = arm_for(&test, fault);
    test.post(BODY);
    assert_eq!(armed.fired(), 40);
    let reading = read_in_every_way(&test);
    assert_eq!(bodies(&reading), ["before", BODY]);
    assert!(reading.damage.is_empty(), "{:?}", reading.damage);
}

#[test]
fn a_failed_sync_is_told_with_the_id_of_a_message_that_is_there() {
    let test = TestBus::new();
    let bus = test.bus.clone().with_durability(cl_bus::Durability::Disk);
    bus.append(&fact("before")).unwrap();
    for error in ["EIO", "ENOSPC"] {
        let armed = arm_for(&test, Fault::new("BusRecord", error).times(1));
        let told = bus.append(&fact("unsynced")).unwrap_err();
        assert_eq!(armed.fired(), 1);
        let AppendError::Unsynced { id, .. } = told else {
            panic!("{told:?}");
        };
        let last = test.bus.tail(1).unwrap().into_messages().remove(0);
        assert_eq!((last.id, last.body.as_str()), (id, "unsynced"));
        bus.append(&fact("after")).unwrap();
    }
    let all = ["before", "unsynced", "after", "unsynced", "after"];
    assert_eq!(bodies(&test.bus.all().unwrap()), all);
}

#[test]
fn without_its_name_on_disk_a_new_bus_takes_no_message() {
    let test = TestBus::new();
    let armed = arm_for(&test, Fault::new("BusEntry", "EIO").times(1));
    let told = test.bus.append(&fact("one")).unwrap_err();
    assert_eq!(armed.fired(), 1);
    assert!(matches!(told, AppendError::Write { .. }), "{told:?}");
    assert_eq!(test.bytes(), b"");
    test.post("two");
    assert_eq!(bodies(&test.bus.all().unwrap()), ["two"]);
}

#[test]
fn a_file_system_without_locks_takes_no_message() {
    let test = TestBus::new();
    test.post("before");
    let armed = arm_for(&test, Fault::new("lock", "ENOLCK"));
    let told = test.bus.append(&fact("x")).unwrap_err();
    assert_eq!(armed.fired(), 1, "only a lock that is held is tried again");
    assert!(matches!(told, AppendError::Lock { .. }), "{told:?}");
    assert!(!told.is_lock_timeout());
    drop(armed);
    assert_eq!(bodies(&test.bus.all().unwrap()), ["before"]);
}

#[test]
fn an_interrupted_lock_is_waited_for() {
    let test = TestBus::new();
    let armed = arm_for(&test, Fault::new("lock", "EINTR").times(3));
    test.post("one");
    assert_eq!(armed.fired(), 3);
}

#[test]
fn a_file_that_may_not_be_opened_takes_no_message() {
    for error in ["EACCES", "EROFS", "EIO"] {
        let test = TestBus::new();
        let armed = arm_for(&test, Fault::new("open", error));
        let told = test.bus.append(&fact("x")).unwrap_err();
        assert_eq!(armed.fired(), 1);
        assert!(matches!(told, AppendError::File(_)), "{told:?}");
        assert!(!test.path().exists());
    }
}

/// Lets sixteen threads post at once while a fault is armed; returns how many failed.
#[track_caller]
fn check_crowd(fault: Fault, durability: cl_bus::Durability) -> usize {
    const THREADS: usize = 16;
    let test = TestBus::new();
    let bus = test.bus.clone().with_durability(durability);
    bus.append(&fact("before")).unwrap();
    let armed = arm_for(&test, fault);
    let barrier = Barrier::new(THREADS);
    let told: Vec<_> = std::thread::scope(|scope| {
        let (bus, barrier) = (&bus, &barrier);
        let post = |n| {
            move || {
                barrier.wait();
                bus.append(&fact(format!("message {n}")))
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(post(n))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    // Without a further commit there is none to fail.
    let failed = told.iter().filter(|told| told.is_err()).count();
    assert_eq!(failed > 0, armed.fired() > 0, "what failed was told");
    drop(armed);
    bus.append(&fact("after")).unwrap();
    let mut expected = vec!["before".to_owned(), "after".to_owned()];
    for (n, told) in told.iter().enumerate() {
        match told {
            Ok(_) | Err(AppendError::Unsynced { .. }) => expected.push(format!("message {n}")),
            Err(AppendError::Write { .. } | AppendError::Lock { .. } | AppendError::File(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let reading = test.bus.all().unwrap();
    assert!(reading.damage.is_empty(), "{:?}", reading.damage);
    let mut found = bodies(&reading);
    for list in [&mut found, &mut expected] {
        list.sort();
    }
    assert_eq!(found, expected, "what was told is what is there");
    failed
}

#[test]
fn every_thread_of_a_failed_commit_is_told() {
    let disk = cl_bus::Durability::Disk;
    for (operation, durability, at) in [
        ("append", cl_bus::Durability::Os, 3),
        ("append", disk, 4),
        ("BusRecord", disk, 2),
        ("lock", disk, 2),
        ("lock", disk, 1),
    ] {
        let deadline = Instant::now() + Duration::from_mins(2);
        // A failed lock is told to the leader alone, the others try themselves.
        let wanted = if operation == "lock" { 1 } else { 2 };
        loop {
            let fault = Fault::new(operation, "EIO").at(at).times(1);
            if check_crowd(fault, durability) >= wanted {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{operation} {at}: no commit of {wanted} failed"
            );
        }
    }
}

#[test]
fn a_rotation_that_fails_stops_no_message() {
    let test = TestBus::new();
    let bus = test.bus.clone().rotating_at(Some(1));
    bus.append(&fact("one")).unwrap();
    let armed = arm_for(&test, Fault::new("rename", "EACCES").times(1));
    bus.append(&fact("two")).unwrap();
    assert_eq!(armed.fired(), 1);
    assert_eq!(test.bus.check().unwrap().archives, 0);
    bus.append(&fact("three")).unwrap();
    assert_eq!(test.bus.check().unwrap().archives, 1);
    assert_eq!(bodies(&read_in_every_way(&test)), ["one", "two", "three"]);
}

#[test]
fn after_a_rename_that_was_not_synced_the_archive_stays_as_it_is() {
    let test = TestBus::new();
    let bus = test.bus.clone().rotating_at(Some(1));
    bus.append(&fact("one")).unwrap();
    let archived = test.bytes();
    let mut follower = test.follow(&Start::Beginning);
    let armed = arm_for(&test, Fault::new("RenamedEntry", "EIO").times(1));
    bus.append(&fact("two")).unwrap();
    assert_eq!(armed.fired(), 1);
    let archive = std::fs::read_dir(test.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "archived"))
        .unwrap();
    assert_eq!(std::fs::read(archive).unwrap(), archived);
    assert_eq!(messages_of(&events_now(&mut follower)).len(), 2);
    assert_eq!(bodies(&read_in_every_way(&test)), ["one", "two"]);
}

/// A bus of a few files, each larger than one read.
fn large_bus() -> TestBus {
    let test = TestBus::new();
    let bus = test.bus.clone().rotating_at(Some(200_000));
    for n in 0..60 {
        bus.append(&fact(format!("{n} {}", "x".repeat(10_000))))
            .unwrap();
    }
    test
}

#[test]
fn a_read_that_fails_is_an_error_and_no_short_answer() {
    let test = large_bus();
    let full = test.bus.all().unwrap();
    let first = full.entries[0].cursor();
    for passage in 1.. {
        let mut landed = false;
        let mut check = |what: &str, read: &dyn Fn() -> Result<usize, cl_bus::ReadError>| {
            let whole = read().unwrap();
            let armed = arm_for(&test, Fault::new("read", "EIO").at(passage).times(1));
            let answer = read();
            match (armed.fired(), answer) {
                (0, answer) => assert_eq!(answer.unwrap(), whole),
                (_, Err(cl_bus::ReadError::File(_))) => landed = true,
                (_, answer) => panic!("{what}, read {passage}: {answer:?}"),
            }
        };
        check("all", &|| Ok(test.bus.all()?.entries.len()));
        check("tail", &|| Ok(test.bus.tail(30)?.entries.len()));
        let after = cl_bus::After::Cursor(first.clone());
        check("since", &|| Ok(test.bus.since(&after)?.entries.len()));
        check("check", &|| Ok(test.bus.check()?.messages));
        if !landed {
            assert!(passage > 5, "reads are hooked");
            break;
        }
    }
}

#[test]
fn an_interrupted_read_goes_on() {
    let test = large_bus();
    let armed = arm_for(&test, Fault::new("read", "EINTR").times(5));
    assert_eq!(test.bus.all().unwrap().entries.len(), 60);
    assert_eq!(armed.fired(), 5);
}

#[test]
fn a_follower_goes_on_where_a_read_failed() {
    let whole = large_bus().bus.all().unwrap().entries.len();
    for passage in 1.. {
        let test = large_bus();
        let mut follower = test.follow(&Start::Beginning);
        let armed = arm_for(&test, Fault::new("read", "EIO").at(passage).times(1));
        let (mut followed, mut errors) = (Vec::new(), 0);
        loop {
            match follower.poll(Duration::ZERO) {
                Ok(events) if events.is_empty() => break,
                Ok(events) => followed.extend(events),
                Err(_) => errors += 1,
            }
        }
        assert_eq!(errors, armed.fired());
        drop(armed);
        assert!(
            followed
                .iter()
                .all(|event| matches!(event, Event::Message(_))),
            "read {passage}"
        );
        let expected = test.bus.all().unwrap();
        assert_eq!(expected.entries.len(), whole);
        assert!(
            messages_of(&followed) == expected.messages().collect::<Vec<_>>(),
            "read {passage}: {} of {whole}",
            followed.len()
        );
        if errors == 0 {
            assert!(passage > 5, "reads are hooked");
            break;
        }
    }
}

#[test]
fn a_follower_that_may_not_open_the_next_file_keeps_what_it_has_read() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::Beginning);
    assert_eq!(events_now(&mut follower).len(), 1);
    test.post("two");
    test.bus.rotate(0).unwrap().unwrap();
    std::os::unix::fs::symlink("elsewhere", test.path()).unwrap();
    follower.poll(Duration::ZERO).unwrap_err();
    std::fs::remove_file(test.path()).unwrap();
    test.post("three");
    let events = events_now(&mut follower);
    let found: Vec<&str> = messages_of(&events)
        .into_iter()
        .map(|m| m.body.as_str())
        .collect();
    assert_eq!(found, ["two", "three"]);
}

#[test]
fn a_file_that_is_removed_under_a_writer_is_made_again() {
    let test = TestBus::new();
    test.post("one");
    std::fs::remove_file(test.path()).unwrap();
    test.post("two");
    assert_eq!(bodies(&test.bus.all().unwrap()), ["two"]);
    cl_storage::durable::rename(test.path(), &test.beside("moved")).unwrap();
    std::fs::write(test.path(), "---\nmsg_id: A\ntype: FACT\n---\nbody\n").unwrap();
    test.post("three");
    assert_eq!(bodies(&test.bus.all().unwrap()), ["body", "three"]);
}

#[test]
fn a_reader_keeps_the_file_that_was_removed_under_it() {
    let test = large_bus();
    let mut seen = 0;
    let query = cl_bus::Query::default();
    test.bus
        .for_each(&query, |found| {
            if seen == 0 {
                for entry in std::fs::read_dir(test.path().parent().unwrap()).unwrap() {
                    std::fs::remove_file(entry.unwrap().path()).unwrap();
                }
            }
            assert!(matches!(found, cl_bus::Found::Entry(_)));
            seen += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert!(seen > 0 && !test.path().exists());
    assert_eq!(test.bus.all().unwrap(), cl_bus::Reading::default());
}
