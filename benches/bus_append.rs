//! Appending to a bus, next to the bare system calls on the same disk.
//!
//! Ours and the floor take turns, so that a disk that slows down hits both. The
//! ratio is what counts; no figure is checked.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use cl_bus::{Bus, Draft, Durability};
use cl_storage::durable::{self, SyncPoint};
use cl_storage::{ProjectId, TaskId};

/// The body of a usual message.
const BODY_BYTES: usize = 256;
const ROUNDS: u32 = 5;

fn main() {
    // `cargo test --benches` runs benchmarks to see that they work; once is enough.
    let is_test = std::env::args().any(|arg| arg == "--test");
    println!(
        "{:<28} {:>12} {:>12} {:>8}",
        "bus append, 256 bytes", "ours/s", "floor/s", "ratio"
    );
    for (name, durability, appends) in [
        ("os", Durability::Os, 5000),
        ("disk", Durability::Disk, 200),
    ] {
        let (rounds, appends) = if is_test { (1, 10) } else { (ROUNDS, appends) };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (mut ours, mut floor) = (Duration::ZERO, Duration::ZERO);
        for round in 0..rounds {
            ours += bus(folder.path(), durability, appends);
            floor += raw(
                &folder.path().join(format!("raw-{round}")),
                durability,
                appends,
            );
        }
        let rate = |took: Duration| f64::from(rounds * appends) / took.as_secs_f64();
        println!(
            "{name:<28} {:>12.0} {:>12.0} {:>8.2}",
            rate(ours),
            rate(floor),
            rate(ours) / rate(floor)
        );
    }
}

fn bus(folder: &std::path::Path, durability: Durability, appends: u32) -> Duration {
    let project = ProjectId::parse("p").expect("a valid id");
    let task = TaskId::parse("task-20260101-000000-bench").expect("a valid id");
    let folder = folder.join("p").join(task.as_str());
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let bus = Bus::new(folder.join(cl_bus::TASK_BUS)).with_durability(durability);
    let draft = Draft::new("INFO", project, vec![b'x'; BODY_BYTES]).task(task);
    let started = Instant::now();
    for _ in 0..appends {
        bus.append(&draft).expect("the disk takes it");
    }
    started.elapsed()
}

fn raw(path: &std::path::Path, durability: Durability, appends: u32) -> Duration {
    let mut file = File::create(path).expect("a file can be made");
    let record = [b'x'; BODY_BYTES];
    let started = Instant::now();
    for _ in 0..appends {
        file.write_all(&record).expect("the disk takes it");
        if durability == Durability::Disk {
            durable::sync_data(&file, SyncPoint::BusRecord).expect("the disk syncs");
        }
    }
    started.elapsed()
}
