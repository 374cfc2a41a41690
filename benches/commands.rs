//! Commands of the binary as whole processes, next to a command that does nothing and the bare system calls.
//!
//! - B5: `bus post`
//! - B6: `bus read` of a bus of 100 000 messages
//! - L1: `list` and `status` of many tasks

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use cl_storage::index::{self, ProjectIndex};
use cl_storage::{ProjectId, Root};
use cl_testkit::bench_process;
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, data_folder, millis};
use cl_testkit::{bench_data, bench_floor};

const RUNS: u32 = 3;
/// How many messages are posted for one figure; single processes are at the mercy of the scheduler.
const POSTS: u32 = 75;

fn main() -> io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = data_folder(place.path());
    if plan.wants("B5") {
        post(&mut plan, place.path())?;
    }
    if plan.wants("B6") {
        read(&mut plan, &data)?;
    }
    if plan.wants("L1") {
        let big = plan.amount(10_000, 20);
        for (tasks, most, indexed) in [(plan.amount(1000, 10), 30.0, Some(8.0)), (big, 250.0, None)]
        {
            let root = bench_data::root(&data, tasks, RUNS)?;
            // The index of an earlier benchmark would be read, too.
            forget_index(&root)?;
            list(&mut plan, &root, tasks, "", Some(most))?;
            make_index(&root, tasks);
            list(&mut plan, &root, tasks, ", with a valid index", indexed)?;
            forget_index(&root)?;
        }
    }
    plan.finish()
}

/// Returns how long the built binary takes for a command, in milliseconds.
fn command(args: &[&OsStr]) -> f64 {
    let run = bench_process::run(program(), args);
    run.expect("the command ends well").millis
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_run-agent"))
}

/// Starts the binary for nothing but its version.
fn nothing() -> f64 {
    command(&["version".as_ref()])
}

fn post(plan: &mut Plan, folder: &Path) -> io::Result<()> {
    let bus = folder.join("MESSAGE-BUS.md");
    let body = "x".repeat(bench_data::BODY_BYTES);
    for durability in ["os", "disk"] {
        let args: [&OsStr; 10] = [
            "bus".as_ref(),
            "post".as_ref(),
            "--bus".as_ref(),
            bus.as_ref(),
            "--project".as_ref(),
            bench_data::PROJECT.as_ref(),
            "--durability".as_ref(),
            durability.as_ref(),
            "--body".as_ref(),
            body.as_ref(),
        ];
        let mut raw = bench_floor::open(&folder.join(durability))?;
        let mut append = || {
            let started = Instant::now();
            let record = body.as_bytes();
            let appended = match durability {
                "os" => io::Write::write_all(&mut raw, record),
                _ => bench_floor::synced_append(&mut raw, record),
            };
            appended.expect("the disk takes it");
            started.elapsed().as_secs_f64() * 1e3
        };
        let [ours, start, append] =
            plan.take_turns_for(POSTS, [&mut || command(&args), &mut nothing, &mut append]);
        let append = append.median();
        let goal = match durability {
            "os" => Goal::AtMost(3.0),
            _ => Goal::AtMostAndSync {
                limit: 3.0,
                sync: append,
            },
        };
        plan.push(
            Row::new("B5", &format!("bus post, {durability}"), "ms", &ours)
                .floor(&Samples::one(start.median() + append))
                .goal(goal)
                .reference(if durability == "os" { "4 ms" } else { "–" })
                .note("floor: a command that does nothing, and a raw append"),
        );
        let what = format!("bus post, {durability}: peak memory");
        let peak = Samples::one(bench_process::peak_mb(
            program(),
            &args,
            plan.amount(50, 1),
        )?);
        plan.push(
            Row::new("B5", &what, "MB", &peak)
                .goal(Goal::AtMost(8.0))
                .reference("9.8 MB"),
        );
    }
    Ok(())
}

fn read(plan: &mut Plan, data: &Path) -> io::Result<()> {
    let count = plan.amount(100_000, 100);
    let bus = bench_data::bus(data, count)?;
    let middle = bench_data::message_id(count / 2);
    let selections: [(&str, &[&str], f64); 3] = [
        ("--tail 20", &["--tail", "20"], 4.0),
        ("--tail 0", &["--tail", "0"], 120.0),
        (
            "--since ID --tail 20",
            &["--since", &middle, "--tail", "20"],
            4.0,
        ),
    ];
    for (name, selection, most) in selections {
        let mut args: Vec<&OsStr> = ["bus", "read", "--bus"].map(OsStr::new).into();
        args.push(bus.as_ref());
        args.extend(selection.iter().map(OsStr::new));
        let [ours, floor] = plan.take_turns([&mut || command(&args), &mut || {
            nothing() + millis(|| bench_floor::read(&bus).expect("the data can be read"))
        }]);
        // The goal is the library's; what the process itself takes comes on top.
        let start = plan.take_turns_for(15, [&mut nothing])[0].median();
        plan.push(
            Row::new("B6", &format!("bus read {name}"), "ms", &ours)
                .floor(&floor)
                .goal(Goal::AtMost(most + start))
                .note("whole process; floor: a command that does nothing, and a read of the file"),
        );
        let peak = Samples::one(bench_process::peak_mb(program(), &args, plan.amount(5, 1))?);
        plan.push(
            Row::new("B6", &format!("bus read {name}: peak memory"), "MB", &peak)
                .goal(Goal::AtMost(16.0)),
        );
    }
    Ok(())
}

/// Removes what is derived below `root`.
fn forget_index(root: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(root.join(".conductor").join("index")) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Has every task described as `recover` does, once its files are old enough.
fn make_index(root: &Path, tasks: u32) {
    let root = Root::at(root).expect("the root is there");
    let project = ProjectId::parse(bench_data::PROJECT).expect("a valid id");
    let project = root.project(&project).expect("no link");
    let all = project.tasks().expect("the tree is readable");
    assert_eq!(all.len(), tasks as usize, "every task is there");
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        index::sweep(&root, &project);
        let found = ProjectIndex::open(&root, &project);
        if all.iter().all(|task| found.find(task).is_some()) {
            return;
        }
        assert!(Instant::now() < until, "the tree never settles");
    }
}

fn list(plan: &mut Plan, root: &Path, tasks: u32, how: &str, most: Option<f64>) -> io::Result<()> {
    for (name, reference) in [("list", "145 ms"), ("status", "156 ms")] {
        let args: [&OsStr; 5] = [
            name.as_ref(),
            "--root".as_ref(),
            root.as_ref(),
            "--project".as_ref(),
            bench_data::PROJECT.as_ref(),
        ];
        let printed = bench_process::run(program(), &args)?.stdout;
        let lines = printed.lines().filter(|line| line.contains("task-2026"));
        assert_eq!(lines.count(), tasks as usize, "{name} shows every task");
        let [ours, floor] = plan.take_turns([&mut || command(&args), &mut || {
            nothing() + millis(|| bench_floor::read_records(root).expect("the data can be read"))
        }]);
        let what = format!("{name}, {tasks} × {RUNS}{how}");
        let mut row = Row::new("L1", &what, "ms", &ours)
            .floor(&floor)
            .note("whole process; floor: a command that does nothing, and a read of all records");
        if let Some(most) = most {
            row = row.goal(Goal::AtMost(most));
        }
        if tasks == 1000 {
            row = row.reference(reference);
        }
        plan.push(row);
    }
    Ok(())
}
