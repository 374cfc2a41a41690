//! Appending to a bus, next to the bare system calls on the same disk.
//!
//! - B1: one handle, the system has the message
//! - B2: one handle, the disk has the message, one at a time
//! - B3: the same with 64 threads that share the handle

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cl_bus::{Bus, Draft, Durability};
use cl_storage::{ProjectId, TaskId};
use cl_testkit::bench_data::BODY_BYTES;
use cl_testkit::bench_floor;
use cl_testkit::bench_rows::{Goal, Plan, Row, rate};

/// How many threads share one handle.
const THREADS: u32 = 64;
/// How many appends lie between two looks at the clock, where an append takes microseconds.
const BATCH: u32 = 32;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let mut plan = Plan::from_args(args);
    let place = Place::new();
    if plan.wants("B1") {
        one_handle_os(&mut plan, &place);
    }
    if plan.wants("B2") {
        one_handle_disk(&mut plan, &place);
    }
    if plan.wants("B3") {
        shared_handle_disk(&mut plan, &place);
    }
    plan.finish()
}

/// Where files are made: on the disk of the build's output, a new one for each turn.
struct Place {
    folder: tempfile::TempDir,
    made: AtomicU32,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self {
            folder: folder.expect("a temporary folder can be made"),
            made: AtomicU32::new(0),
        }
    }

    /// Returns a path in a new folder, as of the bus of a task.
    fn bus(&self) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(number.to_string());
        let folder = folder.join(draft().project_id.as_str()).join(TASK);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder.join(cl_bus::TASK_BUS)
    }
}

const TASK: &str = "task-20260101-000000-bench";

fn draft() -> Draft {
    let project = ProjectId::parse("p").expect("a valid id");
    let task = TaskId::parse(TASK).expect("a valid id");
    Draft::new("INFO", project, vec![b'x'; BODY_BYTES]).task(task)
}

/// Returns the bytes that one message adds to a bus.
fn record(place: &Place) -> Vec<u8> {
    let path = place.bus();
    let bus = Bus::new(&path).with_durability(Durability::Os);
    bus.append(&draft()).expect("the disk takes it");
    let mut record = std::fs::read(&path).expect("a bus");
    record.push(b'\n');
    record
}

fn one_handle_os(plan: &mut Plan, place: &Place) {
    let record = record(place);
    let [ours, write, locked] = plan.take_turns([
        &mut || appends(plan, place, Durability::Os, BATCH),
        &mut || {
            let mut file = bench_floor::open(&place.bus()).expect("a file can be made");
            rate(plan.turn(), || {
                for _ in 0..BATCH {
                    file.write_all(&record).expect("the disk takes it");
                }
                BATCH
            })
        },
        &mut || locked_writes(plan.turn(), &place.bus(), &record),
    ]);
    let what = "append, os, one handle";
    plan.push(
        Row::new("B1", what, "1/s", &ours)
            .floor(&write)
            .goal(Goal::AtLeast(150e3))
            .reference("39 k/s")
            .note("floor: write"),
    );
    plan.push(
        Row::new("B1", what, "1/s", &ours)
            .floor(&locked)
            .note("floor: flock, fstat, stat, write, unlock"),
    );
}

fn one_handle_disk(plan: &mut Plan, place: &Place) {
    let record = record(place);
    let [ours, floor] = plan.take_turns([
        &mut || appends(plan, place, Durability::Disk, 1),
        &mut || synced_writes(plan.turn(), &place.bus(), &record),
    ]);
    plan.push(
        Row::new("B2", "append, disk, one at a time", "1/s", &ours)
            .floor(&floor)
            .goal(Goal::RatioAtLeast(0.9))
            .reference("0.9 k/s")
            .note("floor: write, fdatasync"),
    );
}

fn shared_handle_disk(plan: &mut Plan, place: &Place) {
    let group = record(place).repeat(THREADS as usize);
    let [ours, floor] = plan.take_turns([
        &mut || shared_appends(plan.turn(), &place.bus()),
        &mut || synced_writes(plan.turn(), &place.bus(), &group) * f64::from(THREADS),
    ]);
    plan.push(
        Row::new("B3", "append, disk, 64 threads on one handle", "1/s", &ours)
            .floor(&floor)
            .goal(Goal::RatioAtLeast(0.8))
            .reference("0.7 k/s")
            .note("floor: write of 64 records, fdatasync"),
    );
    plan.push(Row::new("B3", "the same, absolute", "1/s", &ours).goal(Goal::AtLeast(50e3)));
}

fn appends(plan: &Plan, place: &Place, durability: Durability, batch: u32) -> f64 {
    let bus = Bus::new(place.bus()).with_durability(durability);
    let draft = draft();
    rate(plan.turn(), || {
        for _ in 0..batch {
            bus.append(&draft).expect("the disk takes it");
        }
        batch
    })
}

/// Lets 64 threads append until the turn is over; each has one message in flight.
fn shared_appends(turn: Duration, path: &Path) -> f64 {
    let bus = Bus::new(path).with_durability(Durability::Disk);
    let draft = draft();
    let done = AtomicU32::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while started.elapsed() < turn {
                    bus.append(&draft).expect("the disk takes it");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    f64::from(done.into_inner()) / started.elapsed().as_secs_f64()
}

fn locked_writes(turn: Duration, path: &Path, record: &[u8]) -> f64 {
    let mut file = bench_floor::open(path).expect("a file can be made");
    rate(turn, || {
        for _ in 0..BATCH {
            bench_floor::locked_append(&mut file, path, record).expect("the disk takes it");
        }
        BATCH
    })
}

fn synced_writes(turn: Duration, path: &Path, record: &[u8]) -> f64 {
    let mut file = bench_floor::open(path).expect("a file can be made");
    rate(turn, || {
        bench_floor::synced_append(&mut file, record).expect("the disk takes it");
        1
    })
}
