//! Following a bus through everything that can happen to its file.

use std::time::Duration;

use cl_bus::{After, Event, FollowOptions, Start, Wake};
use cl_storage::MessageId;
use cl_storage::durable;

use crate::support::{TestBus, events_now, messages_of, poll_until};

/// Names every event: a message by its body, the rest by what it is.
fn described(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Message(entry) => entry.message.body.clone(),
            Event::Damage(damage) => format!("damage: {}", damage.reason),
            Event::Reset(cause) => format!("reset: {cause:?}"),
        })
        .collect()
}

#[track_caller]
fn check_next(follower: &mut cl_bus::Follower, expected: &[&str]) {
    assert_eq!(described(&events_now(follower)), expected);
}

#[test]
fn a_follower_starts_where_it_is_told() {
    let test = TestBus::new();
    let mut early = test.follow(&Start::Beginning);
    check_next(&mut early, &[]);
    let one = test.post("one");
    let two = test.post("two");
    check_next(&mut early, &["one", "two"]);
    let mut at_end = test.follow(&Start::End);
    let mut behind_one = test.follow(&Start::After(After::Cursor(one.cursor())));
    let mut behind_two = test.follow(&Start::After(After::Id(two.id)));
    check_next(&mut behind_one, &["two"]);
    test.post("three");
    for follower in [&mut early, &mut at_end, &mut behind_one, &mut behind_two] {
        check_next(follower, &["three"]);
        check_next(follower, &[]);
    }
    let unknown = Start::After(After::Id(MessageId::parse("MSG-1").unwrap()));
    let options = FollowOptions::default();
    assert!(
        test.bus
            .follow(&unknown, options)
            .unwrap_err()
            .is_unknown_message()
    );
}

#[test]
fn a_follower_may_wait_for_ever() {
    let test = TestBus::new();
    let mut follower = test.follow(&Start::Beginning);
    test.post("one");
    assert_eq!(described(&follower.poll(Duration::MAX).unwrap()), ["one"]);
}

#[test]
fn the_end_of_a_bus_without_messages_is_its_end() {
    let test = TestBus::with_bytes(b"# A title\n");
    let mut follower = test.follow(&Start::End);
    test.post("one");
    check_next(&mut follower, &["one"]);
}

#[test]
fn a_cursor_that_points_elsewhere_is_found_by_its_id() {
    let test = TestBus::new();
    test.post("one");
    let mut cursor = test.post("two").cursor();
    test.post("three");
    for position in [0, 1, cursor.position + 4, u64::MAX] {
        cursor.position = position;
        let after = After::Cursor(cursor.clone());
        let since = test.bus.since(&after).unwrap();
        assert_eq!(crate::support::bodies(&since), ["three"], "{position}");
        check_next(&mut test.follow(&Start::After(after)), &["three"]);
    }
}

#[test]
fn a_record_on_its_way_is_withheld_until_it_is_whole() {
    let test = TestBus::new();
    test.post("one");
    let whole = test.bytes();
    test.write(&whole[..whole.len() - 3]);
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &[]);
    test.write(&whole);
    check_next(&mut follower, &["one"]);
}

#[test]
fn a_torn_record_is_reported_once_the_next_one_is_there() {
    let test = TestBus::with_bytes(b"---\nmsg_id: A\nts: 20");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &[]);
    test.post("next");
    check_next(&mut follower, &["damage: torn header", "next"]);
}

#[test]
fn a_replaced_file_is_a_reset_and_repeats_nothing_that_is_still_there() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &["one"]);
    // What an editor does: a new file with the old content and more.
    test.post("two");
    let copy = TestBus::with_bytes(&test.bytes());
    copy.post("three");
    durable::replace(test.path(), &copy.bytes(), durable::Mode::Shared).unwrap();
    check_next(&mut follower, &["two", "reset: Replaced", "three"]);
    test.post("four");
    check_next(&mut follower, &["four"]);
}

#[test]
fn a_new_file_is_read_from_its_start_after_the_rest_of_the_old_one() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &["one"]);
    test.post("two");
    durable::rename(test.path(), &test.beside("old.md")).unwrap();
    test.post("three");
    check_next(&mut follower, &["two", "reset: Replaced", "three"]);
}

#[test]
fn a_removed_file_is_a_reset_and_the_next_one_is_followed() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::End);
    durable::remove(test.path()).unwrap();
    check_next(&mut follower, &["reset: Removed"]);
    check_next(&mut follower, &[]);
    test.post("two");
    check_next(&mut follower, &["two"]);
}

#[test]
fn a_cut_file_is_a_reset() {
    let test = TestBus::new();
    test.post("one");
    let short = test.bytes();
    test.post("two");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &["one", "two"]);
    test.write(&short);
    check_next(&mut follower, &["reset: Truncated"]);
    test.post("three");
    check_next(&mut follower, &["three"]);
}

#[test]
fn a_file_that_was_rewritten_in_place_is_a_reset() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &["one"]);
    let other = TestBus::new();
    other.post("another, and longer");
    test.write(&other.bytes());
    check_next(&mut follower, &["reset: Rewritten", "another, and longer"]);
    // Text in front of everything moves it, and changes nothing else.
    test.write(&[b"# A title\n", other.bytes().as_slice()].concat());
    check_next(&mut follower, &["reset: Rewritten"]);
    test.post("last");
    check_next(&mut follower, &["last"]);
}

#[test]
fn a_repeated_id_is_reported_and_not_repeated() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &["one"]);
    let twice = [test.bytes(), b"\n".to_vec(), test.bytes()].concat();
    test.write(&twice);
    check_next(&mut follower, &["damage: duplicate id"]);
}

#[test]
fn a_link_at_the_path_is_an_error_and_no_message() {
    let test = TestBus::new();
    test.post("one");
    let mut follower = test.follow(&Start::Beginning);
    check_next(&mut follower, &["one"]);
    let moved = test.beside("moved.md");
    durable::rename(test.path(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, test.path()).unwrap();
    assert!(follower.poll(Duration::ZERO).is_err());
    durable::remove(test.path()).unwrap();
    durable::rename(&moved, test.path()).unwrap();
    test.post("two");
    check_next(&mut follower, &["two"]);
}

#[test]
fn notifications_wake_a_follower() {
    // Without a poll that could do it in their place.
    let options = FollowOptions {
        wake: Wake::Notifications,
        slow_poll: Duration::from_hours(1),
        poll: Duration::from_hours(1),
    };
    let test = TestBus::new();
    let mut follower = test.bus.follow(&Start::Beginning, options).unwrap();
    std::thread::scope(|scope| {
        let bus = &test.bus;
        scope.spawn(move || {
            for n in 0..50 {
                bus.append(&crate::support::fact(format!("{n}"))).unwrap();
            }
        });
        let events = poll_until(&mut follower, |events| messages_of(events).len() == 50);
        let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        assert_eq!(described(&events), expected);
    });
}

#[test]
fn without_a_folder_to_watch_the_poll_finds_the_file() {
    let test = TestBus::new();
    let folder = test.beside("later");
    let bus = cl_bus::Bus::new(folder.join("bus.md"));
    let mut follower = bus
        .follow(&Start::Beginning, FollowOptions::default())
        .unwrap();
    std::fs::create_dir(&folder).unwrap();
    bus.append(&crate::support::fact("one")).unwrap();
    let events = poll_until(&mut follower, |events| !events.is_empty());
    assert_eq!(described(&events), ["one"]);
}
