//! How fast it is and how much it takes; by hand, with `--release -- --ignored --nocapture measured`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cl_storage::process::{ProcessStat, ticks_per_second};
use cl_storage::{ProjectDir, Root, index};
use cl_testkit::bench_data;

use crate::state::index::{Following, Index};
use crate::state::keeper::Pace;
use crate::state::watches::system_notifier;

fn resident_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn processor_time() -> Duration {
    let me = i32::try_from(std::process::id()).unwrap();
    let ticks = ProcessStat::read(me).unwrap().unwrap().cpu_ticks;
    Duration::from_millis(ticks * 1000 / ticks_per_second())
}

fn measure(tasks: u32, runs: u32, has_index: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = bench_data::root(folder.path(), tasks, runs).unwrap();
    let root = Root::at(&path).unwrap();
    let project: ProjectDir = root.projects().unwrap().remove(0);
    if has_index {
        // Entries are made of files that have been left alone for two seconds.
        std::thread::sleep(Duration::from_secs(3));
        index::sweep(&root, &project);
    }
    println!("{tasks} tasks with {runs} runs each, on disk an index: {has_index}");
    let before = resident_mebibytes();
    let started = Instant::now();
    let following = Following {
        root: root.clone(),
        extra_roots: Vec::new(),
        is_read_only: true,
        clock: std::sync::Arc::new(cl_storage::SystemClock),
    };
    let index = Index::start_with(following, system_notifier(), Pace::default());
    let health = index.health();
    println!(
        "  started, {}building after {:?}",
        if health.is_building { "" } else { "not " },
        started.elapsed()
    );
    let view = index.view();
    println!(
        "  a whole view after {:?}, {} tasks",
        started.elapsed(),
        view.tasks().count()
    );
    println!("  resident {before} -> {} MiB", resident_mebibytes());
    let task = view.tasks().nth(1).unwrap();
    let (project, id) = (task.row.project_id.clone(), task.row.task_id.clone());
    let dir = root.task(&project, &id).unwrap();
    let timed = |what: &str, times: u32, work: &mut dyn FnMut()| {
        let started = Instant::now();
        for _ in 0..times {
            work();
        }
        println!("  {what}: {:?}", started.elapsed() / times);
    };
    timed("view", 100_000, &mut || drop(index.view()));
    let done = dir.path().join("CANCELLED");
    let mut is_there = false;
    timed("a changed task, read and shown", 200, &mut || {
        is_there = !is_there;
        if is_there {
            std::fs::write(&done, "").unwrap();
        } else {
            std::fs::remove_file(&done).unwrap();
        }
        index.look_again(&project, &id);
    });
    let rows: Vec<_> = view.tasks().map(|entry| &entry.row).collect();
    timed("all tasks as JSON", 5, &mut || {
        drop(serde_json::to_vec(&rows).unwrap());
    });
    let body = Bytes::from(serde_json::to_vec(&rows).unwrap());
    timed("the same from the cache", 100_000, &mut || {
        index
            .cached("tasks", 1, || Ok::<_, ()>(body.clone()))
            .unwrap();
    });
    drop((body, rows));
    timed("facts of all runs, first", 1, &mut || {
        let count: usize = view.tasks().map(|entry| index.run_facts(entry).len()).sum();
        assert_eq!(count, (tasks * runs) as usize);
    });
    timed("facts of all runs, again", 5, &mut || {
        let count: usize = view.tasks().map(|entry| index.run_facts(entry).len()).sum();
        assert_eq!(count, (tasks * runs) as usize);
    });
    println!("  resident then {} MiB", resident_mebibytes());
    std::thread::sleep(Duration::from_secs(12));
    let before = processor_time();
    std::thread::sleep(Duration::from_secs(30));
    println!(
        "  idle for 30 s: {:?} of processor time",
        processor_time().saturating_sub(before)
    );
}

#[test]
#[ignore = "measures for a minute; run by hand"]
fn measured_with_3_000_runs() {
    measure(1000, 3, true);
}

#[test]
#[ignore = "measures for two minutes; run by hand"]
fn measured_with_100_000_runs() {
    measure(33_334, 3, true);
}

#[test]
#[ignore = "measures for two minutes; run by hand"]
fn measured_with_100_000_runs_at_the_first_start() {
    measure(33_334, 3, false);
}
