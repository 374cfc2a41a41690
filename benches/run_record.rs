//! Recording a run from its creation to its end, next to the bare durable writes that it needs.
//!
//! Ours makes the folder, writes the first record and updates it twice. The floor
//! is two durable replaces and one durable append. Both take turns with the same
//! number of threads; the ratio is what counts, and no figure is checked.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::time::{Duration, Instant};

use cl_storage::durable::{self, Mode, SyncPoint};
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, TaskDir, TaskId};
use jiff::Timestamp;

const ROUNDS: u32 = 5;
const RECORD_BYTES: usize = 1200;

fn main() {
    // `cargo test --benches` runs benchmarks to see that they work; once is enough.
    let is_test = std::env::args().any(|arg| arg == "--test");
    println!(
        "{:<28} {:>12} {:>12} {:>8}",
        "run records, disk", "ours/s", "floor/s", "ratio"
    );
    for (threads, runs) in [(1, 50), (16, 10)] {
        let (rounds, runs) = if is_test { (1, 2) } else { (ROUNDS, runs) };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = Root::at(&folder.path().join("root")).expect("the folder can be a root");
        let (mut ours, mut floor) = (Duration::ZERO, Duration::ZERO);
        for round in 0..rounds {
            ours += at_once(threads, |thread| {
                let task = task(&root, round * threads + thread);
                (0..runs).for_each(|_| record_run(&task));
            });
            floor += at_once(threads, |thread| {
                let folder = folder.path().join(format!("raw-{round}-{thread}"));
                durable::create_folders(&folder, Mode::Shared).expect("a folder can be made");
                (0..runs).for_each(|_| raw(&folder));
            });
        }
        let rate = |took: Duration| f64::from(rounds * threads * runs) / took.as_secs_f64();
        println!(
            "{:<28} {:>12.0} {:>12.0} {:>8.2}",
            format!("{threads} threads"),
            rate(ours),
            rate(floor),
            rate(ours) / rate(floor)
        );
    }
}

fn at_once(threads: u32, work: impl Fn(u32) + Sync) -> Duration {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
    started.elapsed()
}

fn task(root: &Root, n: u32) -> TaskDir {
    let project = ProjectId::parse("bench").expect("a valid id");
    let id = TaskId::parse(&format!("task-20260101-000000-bench-{n:04}")).expect("a valid id");
    let task = root.task(&project, &id).expect("no link");
    task.ensure().expect("a folder can be made");
    task
}

fn record_run(task: &TaskDir) {
    let now = Timestamp::UNIX_EPOCH;
    let run = task.create_run(now).expect("a folder can be made");
    let info = RunInfo::preparing(&run, "claude", now);
    run_info::create(&run, &info).expect("the disk takes it");
    run_info::update(&run, |info| {
        info.phase = Some(Phase::Running);
        info.pid = 4242;
    })
    .expect("the disk takes it");
    run_info::update(&run, |info| {
        info.phase = None;
        info.status = RunStatus::Completed;
        info.end_time = Some(now);
    })
    .expect("the disk takes it");
}

/// Two durable replaces and one durable append.
fn raw(folder: &Path) {
    let record = [b'x'; RECORD_BYTES];
    for _ in 0..2 {
        durable::replace(&folder.join("record"), &record, Mode::Shared).expect("the disk takes it");
    }
    let log = durable::open_append(&folder.join("log"), Mode::Shared).expect("a file");
    durable::append(&log, &record).expect("the disk takes it");
    durable::sync_data(&log, SyncPoint::BusRecord).expect("the disk syncs");
}
