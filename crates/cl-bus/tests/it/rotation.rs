//! A bus that is moved aside when it has grown.

use cl_bus::{After, Bus, Edge, Event, FileError, Query, Reason, ResetCause, Start};

use crate::support::{TestBus, bodies, events_now, fact, messages_of, read_in_every_way};

/// A bus whose every message goes into a file of its own.
fn rotating() -> TestBus {
    let mut test = TestBus::new();
    test.bus = test.bus.clone().rotating_at(Some(1));
    test
}

fn archives(test: &TestBus) -> usize {
    test.bus.check().unwrap().archives
}

#[test]
fn archives_are_read_as_if_nothing_had_happened() {
    let test = rotating();
    let mut follower = test.follow(&Start::Beginning);
    for body in ["one", "two\n---\nmsg_id: x", "three", "four"] {
        test.post(body);
    }
    assert_eq!(archives(&test), 3);
    let full = read_in_every_way(&test);
    assert_eq!(
        bodies(&full),
        ["one", "two\n---\nmsg_id: x", "three", "four"]
    );
    let events = events_now(&mut follower);
    assert_eq!(messages_of(&events), full.messages().collect::<Vec<_>>());
}

#[test]
fn a_small_bus_stays_one_file_and_a_large_one_does_not() {
    let test = TestBus::new();
    let body = "x".repeat(1_000_000);
    for _ in 0..11 {
        test.post(&body);
    }
    assert_eq!(archives(&test), 0, "the limit is met by the next message");
    test.post("last");
    assert_eq!(archives(&test), 1);
    assert_eq!(test.bus.all().unwrap().entries.len(), 12);
    assert!(test.bytes().len() < 1000);
}

#[test]
fn rotating_on_request() {
    let test = TestBus::new();
    assert_eq!(test.bus.rotate(0).unwrap(), None, "there is no file");
    test.post("one");
    let size = test.bytes().len() as u64;
    assert_eq!(test.bus.rotate(size + 1).unwrap(), None);
    let archive = test.bus.rotate(size).unwrap().unwrap();
    assert!(archive.exists() && !test.path().exists());
    assert_eq!(test.bus.rotate(0).unwrap(), None, "it is gone already");
    assert_eq!(bodies(&test.bus.all().unwrap()), ["one"]);
    test.post("two");
    assert_eq!(bodies(&test.bus.all().unwrap()), ["one", "two"]);
    assert_eq!(bodies(&test.bus.tail(2).unwrap()), ["one", "two"]);
}

#[test]
fn a_writer_with_the_old_file_open_writes_to_the_new_one() {
    let test = TestBus::new();
    let other = Bus::new(test.path());
    test.post("one");
    other.append(&fact("two")).unwrap();
    other.rotate(0).unwrap().unwrap();
    // Both have the archive open.
    test.post("three");
    other.append(&fact("four")).unwrap();
    assert_eq!(
        bodies(&test.bus.all().unwrap()),
        ["one", "two", "three", "four"]
    );
    assert_eq!(test.bus.tail(2).unwrap().entries.len(), 2);
    assert_eq!(archives(&test), 1);
}

#[test]
fn a_cursor_leads_into_the_archive_that_its_file_became() {
    let test = TestBus::new();
    let cursors: Vec<_> = (0..4)
        .map(|n| test.post(&format!("{n}")).cursor())
        .collect();
    test.bus.rotate(0).unwrap();
    let later = test.post("later").cursor();
    test.bus.rotate(0).unwrap();
    assert!(!test.path().exists());
    for (n, cursor) in cursors.into_iter().enumerate() {
        let reading = test.bus.since(&After::Cursor(cursor)).unwrap();
        assert_eq!(reading.entries.len(), 4 - n);
    }
    let nothing = test.bus.since(&After::Cursor(later.clone())).unwrap();
    assert_eq!(nothing.entries, []);
    let page = Query {
        before: Some(After::Cursor(later)),
        limit: Some(2),
        keep: Edge::Newest,
        ..Query::default()
    };
    let page = test.bus.page(&page).unwrap();
    assert_eq!((page.entries.len(), page.has_more), (2, true));
}

#[test]
fn following_goes_on_when_there_is_no_file_for_a_while() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::End);
    test.bus.rotate(0).unwrap();
    assert_eq!(events_now(&mut follower), []);
    test.post("two");
    test.bus.rotate(0).unwrap();
    test.post("three");
    let events = events_now(&mut follower);
    let found: Vec<_> = messages_of(&events)
        .iter()
        .map(|m| m.body.clone())
        .collect();
    assert_eq!(found, ["two", "three"]);
    assert_eq!(events.len(), 2, "no reset: {events:?}");
}

#[test]
fn an_archive_that_is_taken_away_is_told_as_before() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::End);
    let archive = test.bus.rotate(0).unwrap().unwrap();
    std::fs::remove_file(archive).unwrap();
    test.post("two");
    let events = events_now(&mut follower);
    assert_eq!(events[0], Event::Reset(ResetCause::Replaced));
    assert_eq!(messages_of(&events)[0].body, "two");
}

#[test]
fn archives_of_the_earlier_implementation_come_first() {
    let test = TestBus::new();
    let header = |id: &str| {
        format!("---\nmsg_id: {id}\nts: 2026-02-01T10:00:00Z\ntype: FACT\nproject_id: p\n---\n")
    };
    let name = |stamp: &str| test.beside(&format!("bus.md.{stamp}.archived"));
    std::fs::write(name("20260202-000000"), format!("{}two\n", header("B"))).unwrap();
    std::fs::write(name("20260201-000000"), format!("{}one\n", header("A"))).unwrap();
    test.post("three");
    test.bus.rotate(0).unwrap();
    test.post("four");
    assert_eq!(
        bodies(&read_in_every_way(&test)),
        ["one", "two", "three", "four"]
    );
}

#[test]
fn damage_names_the_archive_that_it_is_in() {
    let test = TestBus::with_bytes(b"---\nmsg_id: A\ntorn");
    let archive = test.bus.rotate(0).unwrap().unwrap();
    test.post("one");
    let damage = test.bus.check().unwrap().damage;
    assert_eq!(damage[0].reason, Reason::UnfinishedTail);
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert_eq!(damage[0].archive.as_deref(), Some(name));
    assert!(damage[0].to_string().contains(name));
}

#[test]
fn a_link_that_looks_like_an_archive_is_none() {
    let test = TestBus::new();
    test.post("one");
    let elsewhere = test.beside("elsewhere");
    std::fs::write(&elsewhere, "[2026-02-01 10:00:00] FACT: forged\n").unwrap();
    let name = test.beside("bus.md.20260201-000000-000001.archived");
    std::os::unix::fs::symlink(&elsewhere, name).unwrap();
    assert_eq!(bodies(&test.bus.all().unwrap()), ["one"]);
    // Nor does it give its name away.
    test.bus.rotate(0).unwrap().unwrap();
    assert_eq!(bodies(&test.bus.all().unwrap()), ["one"]);
    let link = Bus::new(test.beside("link.md"));
    std::os::unix::fs::symlink(&elsewhere, link.path()).unwrap();
    let refused = link.rotate(0).unwrap_err();
    let is_link = |error: &cl_bus::AppendError| {
        matches!(error, cl_bus::AppendError::File(FileError::Symlink { .. }))
    };
    assert!(is_link(&refused), "{refused:?}");
}

#[test]
fn a_copy_holds_every_message_of_every_archive() {
    let test = TestBus::new();
    let first = test.post("one\n---\nmsg_id: x\n");
    let archive = test.bus.rotate(0).unwrap().unwrap();
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes.extend_from_slice(b"\n---\nmsg_id: MSG-torn\n");
    std::fs::write(&archive, bytes).unwrap();
    test.post("two");
    test.post("three");
    let cut = test.bytes().len() - 3;
    test.write(&test.bytes()[..cut]);
    test.post("four");
    let before = test.bus.all().unwrap();
    let copy = test.beside("copy.md");
    let repaired = cl_bus::repair_to(test.path(), &copy).unwrap();
    assert_eq!((repaired.messages, repaired.flagged), (4, 1));
    assert_eq!(repaired.left_out.len(), 1, "{:?}", repaired.left_out);
    assert!(repaired.left_out[0].archive.is_some());
    let report = test.bus.check().unwrap();
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert_eq!(report.archive_names, [name]);
    let again = Bus::new(&copy);
    assert!(again.check().unwrap().is_clean());
    let after = again.all().unwrap();
    assert_eq!(bodies(&after), bodies(&before));
    assert_eq!(after.entries[0].message.id, first.id);
    assert_eq!(after.entries[2].message.meta["damage"], "truncated");
    let error = cl_bus::repair_to(test.path(), &copy).unwrap_err();
    assert!(
        matches!(&error, cl_bus::ReadError::File(file) if file.is_in_the_way()),
        "{error:?}"
    );
    assert_eq!(bodies(&again.all().unwrap()).len(), 4);
}

#[test]
fn an_archive_that_is_not_there_is_told() {
    let test = rotating();
    for body in ["one", "two", "three", "four", "five"] {
        test.post(body);
    }
    assert!(test.bus.check().unwrap().is_clean());
    let names = test.bus.check().unwrap().archive_names;
    std::fs::remove_file(test.beside(&names[1])).unwrap();
    std::fs::remove_file(test.beside(&names[2])).unwrap();
    std::fs::create_dir(test.beside(&names[2])).unwrap();
    let report = test.bus.check().unwrap();
    let folder = format!("{} is no regular file", names[2]);
    assert_eq!(report.missing, [&folder, "archive number 2 is not there"]);
    assert!(!report.is_clean());
    // What came before all others may have been deleted on purpose.
    std::fs::remove_dir(test.beside(&names[2])).unwrap();
    std::fs::remove_file(test.beside(&names[0])).unwrap();
    assert!(test.bus.check().unwrap().is_clean());
}

#[test]
fn a_copy_may_not_become_an_archive() {
    let test = rotating();
    test.post("one");
    let copy = test.beside("bus.md.20260201-100000-000099.archived");
    let refused = cl_bus::repair_to(test.path(), &copy).unwrap_err();
    assert!(
        format!("{refused:?}").contains("archive of that bus"),
        "{refused:?}"
    );
    assert!(!copy.exists());
}

#[test]
fn a_bus_that_was_just_moved_aside_is_discovered() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let bus = Bus::new(below.join(cl_bus::LOOSE_BUS));
    bus.append(&fact("one")).unwrap();
    Bus::new(folder.path().join(cl_bus::LOOSE_BUS))
        .append(&fact("of another"))
        .unwrap();
    bus.rotate(0).unwrap().unwrap();
    assert_eq!(cl_bus::discover(&below).as_deref(), Some(bus.path()));
}
