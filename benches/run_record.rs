//! Recording a run from its creation to its end, next to the bare durable writes that it needs (R1).
//!
//! Ours begins the run with its first record and updates it twice, as an owner
//! does. The floor is two durable replaces and one durable append. Both take turns
//! with the same number of threads, each on a task of its own.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use cl_storage::durable::{self, Mode, SyncPoint};
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, TaskDir, TaskId};
use cl_testkit::bench_rows::{Goal, Plan, Row};
use jiff::Timestamp;

const RECORD_BYTES: usize = 1200;
/// How many runs one turn records, over all threads.
const RUNS: u32 = 160;
const MANY_THREADS: u32 = 16;

fn main() -> std::io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    if plan.wants("R1") {
        run_records(&mut plan)?;
    }
    plan.finish()
}

fn run_records(plan: &mut Plan) -> std::io::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = Root::at(&folder.path().join("root")).expect("the folder can be a root");
    let made = AtomicU32::new(0);
    let mut alone = 0.0;
    for threads in [1, MANY_THREADS] {
        let runs = plan.amount(RUNS / threads, 2);
        let mut ours = || {
            rate_of(threads, runs, |runs| {
                let task = task(&root, made.fetch_add(1, Ordering::Relaxed));
                (0..runs).for_each(|_| record_run(&task));
            })
        };
        let mut floor = || {
            rate_of(threads, runs, |runs| {
                let number = made.fetch_add(1, Ordering::Relaxed);
                let folder = folder.path().join(format!("raw-{number}"));
                durable::create_folders(&folder, Mode::Shared).expect("a folder can be made");
                (0..runs).for_each(|_| raw(&folder));
            })
        };
        let [ours, floor] = plan.take_turns([&mut ours, &mut floor]);
        let what = match threads {
            1 => "runs, 1 thread".to_owned(),
            _ => format!("runs, {threads} threads"),
        };
        let row = Row::new("R1", &what, "/s", &ours).floor(&floor);
        plan.push(if threads == 1 {
            alone = ours.median();
            row.goal(Goal::RatioAtLeast(0.8)).reference("285/s")
        } else {
            row.goal(Goal::AtLeast(3.0 * alone))
                .note("goal: 3 × one thread")
        });
    }
    Ok(())
}

/// Lets each of `threads` do `work` on `runs` runs; returns runs a second of all together.
fn rate_of(threads: u32, runs: u32, work: impl Fn(u32) + Sync) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(runs));
        }
    });
    f64::from(threads * runs) / started.elapsed().as_secs_f64()
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
    let first = |run: &_| RunInfo::preparing(run, "claude", now);
    let (run, _) = run_info::begin(task, now, first).expect("the disk takes it");
    run_info::update_for_now(&run, |info| {
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
