//! What was acknowledged as on disk survives a loss of power at any moment, and
//! no sync of the bus is there for nothing.
//!
//! Each function of the workload is one way to write to a bus; [`look`] is a
//! restart: it reads in every way, and appends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cl_bus::{Bus, Damage, Durability, Message, Reason};
use cl_storage::durable::{self, Mode, SyncPoint};
use cl_storage::power_loss::{Examination, Operation, Recording};

use crate::support::fact;

const BUS: &str = "bus.md";
const COPY: &str = "copy.md";
const ATTACHED: &str = "attached";
const ROTATED: &str = "files moved aside";

struct Workload {
    recording: Recording,
    path: PathBuf,
}

impl Workload {
    /// Posts the message `name`, which is acknowledged if the bus promises the disk.
    fn post(&self, bus: &Bus, durability: Durability, name: &str) {
        self.recording.begin(name, "there");
        let appended = bus.append(&fact(text_of(name))).unwrap();
        assert_eq!(appended.durability, durability);
        if durability == Durability::Disk {
            self.recording.acknowledge(name, "there");
        }
    }

    /// Messages of both levels, one after another.
    fn both_levels(&self) {
        let disk = Bus::new(&self.path);
        let os = disk.clone().with_durability(Durability::Os);
        self.post(&os, Durability::Os, "os 1");
        self.post(&disk, Durability::Disk, "disk 1");
        self.post(&os, Durability::Os, "os 2");
        self.post(&os, Durability::Os, "os 3");
        self.post(&disk, Durability::Disk, "disk 2");
        self.post(&disk, Durability::Disk, "disk 3");
    }

    /// Threads that share syncs, and two handles as two processes would have.
    fn many_writers(&self) {
        let buses = [Bus::new(&self.path), Bus::new(&self.path)];
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let bus = &buses[thread % 2];
                scope.spawn(move || {
                    for n in 0..2 {
                        let name = format!("thread {thread} {n}");
                        self.post(bus, Durability::Disk, &name);
                    }
                });
            }
        });
    }

    /// A record whose writer died in the middle, and the next writer.
    fn torn_record(&self) {
        let file = durable::open_append(&self.path, Mode::Shared).unwrap();
        durable::append(&file, b"\n---\nmsg_id: MSG-1\nts: 20").unwrap();
        let bus = Bus::new(&self.path);
        self.post(&bus, Durability::Disk, "after a torn record");
        durable::append(
            &file,
            b"\n---\nmsg_id: MSG-2\ntype: FACT\nbody_bytes: 9\n---\none",
        )
        .unwrap();
        self.post(&bus, Durability::Disk, "after a torn body");
    }

    /// Files that are moved aside by a request and because they are full.
    fn rotations(&self) {
        let bus = Bus::new(&self.path);
        self.recording.step(ROTATED, "1", || {
            assert!(bus.rotate(1).unwrap().is_some());
        });
        self.post(&bus, Durability::Disk, "rotated 1");
        let full_at_once = bus.clone().rotating_at(Some(1));
        for number in 2..4 {
            let value = number.to_string();
            self.recording.begin(ROTATED, &value);
            self.post(
                &full_at_once,
                Durability::Disk,
                &format!("rotated {number}"),
            );
            self.recording.acknowledge(ROTATED, &value);
        }
        self.post(&bus, Durability::Disk, "rotated 4");
    }

    /// All messages in a new file; the last one is that of the rotations.
    fn copy(&self) {
        self.recording.begin(COPY, "a part");
        self.recording.step(COPY, "whole", || {
            cl_bus::repair_to(&self.path, &self.path.with_file_name(COPY)).unwrap();
        });
    }
}

impl Workload {
    /// A body that is too large for a message.
    fn attachment(&self) {
        let bus = Bus::new(&self.path);
        self.recording.step(ATTACHED, "there", || {
            let large = fact(text_of(ATTACHED).repeat(10_000));
            assert!(bus.append_large(&large).unwrap().attachment.is_some());
        });
    }
}

/// Tells whether the attachment of a message is the one that was posted.
fn has_attachment(folder: &Path, message: &Message) -> bool {
    let Some(name) = message.meta.get("attachment_path") else {
        return false;
    };
    let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
    message.meta["attachment_sha256"] == cl_storage::digest::sha256_hex(&bytes)
}

/// A body of several lines, so that a cut shows.
fn text_of(name: &str) -> String {
    format!("{name}\n---\n{}\nend of {name}", "text ".repeat(20))
}

/// Finds the messages of the bus in `folder`, in its archives and in itself; what is
/// damaged is reported, and never an error.
fn messages(folder: &Path) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let bus = Bus::new(folder.join(BUS));
    let reading = bus.all().unwrap();
    let last_two = reading.entries.len().saturating_sub(2);
    assert_eq!(bus.tail(2).unwrap().entries, reading.entries[last_two..]);
    bus.check().unwrap();
    for message in reading.messages() {
        // Blocks of a body that read as zeros are a known limit; nobody was
        // promised such a message.
        if message.truncated || message.edited || message.body.contains('\0') {
            continue;
        }
        let name = message.body.lines().next().unwrap_or_default();
        let value = match facts.get(name) {
            Some(_) => "there twice",
            None if message.body == text_of(name) => "there",
            None if name == ATTACHED && has_attachment(folder, message) => "there",
            None => "not as it was posted",
        };
        facts.insert(name.to_owned(), value.to_owned());
    }
    let is_twice = |damage: &&Damage| damage.reason == Reason::DuplicateId;
    if let Some(damage) = reading.damage.iter().find(is_twice) {
        facts.insert("damage".into(), damage.to_string());
    }
    facts
}

/// Restarts on what is left in `folder`: reads, appends, and reads again.
fn look(folder: &Path) -> BTreeMap<String, String> {
    let before = messages(folder);
    let bus = Bus::new(folder.join(BUS)).with_durability(Durability::Os);
    let next = bus.append(&fact(text_of("next"))).unwrap();
    let last = bus.tail(1).unwrap().into_messages().remove(0);
    assert_eq!((last.id, last.body), (next.id, text_of("next")));
    let mut after = messages(folder);
    assert_eq!(after.remove("next").as_deref(), Some("there"));
    // An append may complete what was withheld as unfinished, and harms nothing.
    for (name, value) in &before {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    let copy = folder.join(COPY);
    if copy.exists() {
        let copied = Bus::new(copy).all().unwrap();
        let is_last = |message: &Message| message.body == text_of("rotated 4");
        let is_whole = copied.messages().next_back().is_some_and(is_last);
        let value = if is_whole { "whole" } else { "a part" };
        after.insert(COPY.into(), value.into());
    }
    let moved_aside = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "archived"))
        .count();
    if moved_aside > 0 {
        after.insert(ROTATED.into(), moved_aside.to_string());
    }
    after
}

fn record_workload() -> (tempfile::TempDir, Vec<Operation>) {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload {
        recording: Recording::start(folder.path()).unwrap(),
        path: folder.path().join(BUS),
    };
    workload.both_levels();
    workload.torn_record();
    workload.many_writers();
    workload.rotations();
    workload.copy();
    workload.attachment();
    let operations = workload.recording.finish();
    (folder, operations)
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    let (folder, operations) = record_workload();
    let mut examination = Examination::new(&operations, &look);
    let unrecorded = examination.unrecorded(folder.path()).unwrap();
    assert_eq!(unrecorded, [""; 0], "changed past cl_storage::durable");
    let findings = examination.examine(None).unwrap();
    if let Some(breach) = findings.breach {
        panic!("{breach}");
    }
}

#[test]
fn no_sync_can_be_left_out() {
    let (_folder, operations) = record_workload();
    let mut examination = Examination::new(&operations, &look);
    let passed = examination.points();
    // Whole files have tests of their own; here a rename is a rotation.
    let is_own = |point: &SyncPoint| {
        *point == SyncPoint::RenamedEntry || format!("{point:?}").starts_with("Bus")
    };
    for point in SyncPoint::ALL.into_iter().filter(is_own) {
        assert!(passed.contains(&point), "{point:?} is not passed");
        let findings = examination.examine(Some(point)).unwrap();
        let Some(breach) = findings.breach else {
            panic!("nothing is lost without the sync {point:?}");
        };
        println!("without {point:?}: {breach}");
    }
}
