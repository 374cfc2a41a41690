//! What several modules of tests need.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cl_bus::{
    After, Bus, Draft, Durability, Edge, Event, FollowOptions, Follower, Message, Query, Reading,
    Reason, Start, Wake,
};
use cl_storage::ProjectId;

/// A bus in a folder that goes away with it.
pub(crate) struct TestBus {
    pub(crate) bus: Bus,
    folder: tempfile::TempDir,
}

impl TestBus {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::new(folder.path().join("bus.md")).with_durability(Durability::Os);
        Self { bus, folder }
    }

    pub(crate) fn with_bytes(bytes: &[u8]) -> Self {
        let test = Self::new();
        test.write(bytes);
        test
    }

    pub(crate) fn path(&self) -> &Path {
        self.bus.path()
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts `bytes` into the file, in place.
    pub(crate) fn write(&self, bytes: &[u8]) {
        std::fs::write(self.path(), bytes).unwrap();
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    pub(crate) fn post(&self, body: &str) -> cl_bus::Appended {
        self.bus.append(&fact(body)).unwrap()
    }

    pub(crate) fn follow(&self, start: &Start) -> Follower {
        let options = FollowOptions {
            wake: Wake::Poll,
            ..FollowOptions::default()
        };
        self.bus.follow(start, options).unwrap()
    }
}

/// A message of type `FACT`.
pub(crate) fn fact(body: impl Into<Vec<u8>>) -> Draft {
    Draft::new("FACT", ProjectId::parse("p").unwrap(), body)
}

pub(crate) fn bodies(reading: &Reading) -> Vec<String> {
    reading
        .messages()
        .map(|message| message.body.clone())
        .collect()
}

/// What a follower has to say right now; it tells one file at a time.
pub(crate) fn events_now(follower: &mut Follower) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let more = follower.poll(Duration::ZERO).unwrap();
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

pub(crate) fn messages_of(events: &[Event]) -> Vec<&Message> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message(entry) => Some(&entry.message),
            _ => None,
        })
        .collect()
}

/// Polls until `done` says so.
pub(crate) fn poll_until(
    follower: &mut Follower,
    mut done: impl FnMut(&[Event]) -> bool,
) -> Vec<Event> {
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut events = Vec::new();
    while !done(&events) {
        assert!(Instant::now() < deadline, "still waiting after {events:?}");
        events.extend(follower.poll(Duration::from_secs(1)).unwrap());
    }
    events
}

/// Reads `test` in every way there is, and requires that all agree with a full read.
#[track_caller]
pub(crate) fn read_in_every_way(test: &TestBus) -> Reading {
    let full = test.bus.all().unwrap();
    let count = full.entries.len();
    for n in 0..=count + 1 {
        let tail = test.bus.tail(n).unwrap();
        let expected = if n == 0 { 0 } else { count.saturating_sub(n) };
        assert_eq!(tail.entries, full.entries[expected..], "tail {n}");
    }
    // A cursor spares the reader what stands before it, as does a follower that starts
    // behind a message; neither sees that something repeats that.
    let repeats = |damage: &cl_bus::Damage| damage.reason == cl_bus::Reason::DuplicateId;
    let has_repeats = full.damage.iter().any(repeats);
    for (at, entry) in full.entries.iter().enumerate() {
        let by_id = After::Id(entry.message.id.clone());
        let by_cursor = (!has_repeats).then(|| After::Cursor(entry.cursor()));
        for after in std::iter::once(by_id).chain(by_cursor) {
            let since = test.bus.since(&after).unwrap();
            assert_eq!(since.entries, full.entries[at + 1..], "since {after:?}");
            check_pages(test, &full, at, &after);
            if has_repeats {
                continue;
            }
            let mut follower = test.follow(&Start::After(after));
            let events = events_now(&mut follower);
            let followed = messages_of(&events);
            assert_eq!(followed, full.messages().skip(at + 1).collect::<Vec<_>>());
        }
    }
    let mut follower = test.follow(&Start::Beginning);
    let events = events_now(&mut follower);
    assert_eq!(messages_of(&events), full.messages().collect::<Vec<_>>());
    let mut follower = test.follow(&Start::End);
    assert_eq!(
        messages_of(&events_now(&mut follower)),
        Vec::<&Message>::new()
    );
    let report = test.bus.check().unwrap();
    let mut reported = report.damage;
    // Readers leave it to its writer, and a check says that it is there.
    reported.retain(|damage| damage.reason != Reason::UnfinishedTail || damage.archive.is_some());
    assert_eq!((report.messages, &reported), (count, &full.damage));
    full
}

/// Requires that what stands before and behind a message is paged as it stands.
#[track_caller]
fn check_pages(test: &TestBus, full: &Reading, at: usize, place: &After) {
    for limit in [0, 1, full.entries.len() / 2, full.entries.len()] {
        for keep in [Edge::Oldest, Edge::Newest] {
            let before = Query {
                before: Some(place.clone()),
                limit: Some(limit),
                keep,
                ..Query::default()
            };
            let behind = Query {
                after: before.before.clone(),
                before: None,
                ..before.clone()
            };
            for (query, range) in [
                (before, &full.entries[..at]),
                (behind, &full.entries[at + 1..]),
            ] {
                let page = test.bus.page(&query).unwrap();
                let count = limit.min(range.len());
                let expected = match keep {
                    Edge::Oldest => &range[..count],
                    Edge::Newest => &range[range.len() - count..],
                };
                assert_eq!(page.entries, expected, "{query:?}");
                assert_eq!(page.has_more, count < range.len(), "{query:?}");
            }
        }
    }
}
