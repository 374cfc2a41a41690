//! Looking at every task of a project, next to the bare system calls that truth costs.
//!
//! The floor reads what a listing must read when nothing is derived: the records
//! of every task and run, and one look at each marker. Ours and the floor take
//! turns; the ratio is what counts, and no figure is checked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cl_storage::index::{self, ProjectIndex};
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::task_state::{ResultStatus, TaskResult, TaskState};
use cl_storage::{ProjectDir, ProjectId, Root, RunId, TaskDir, TaskId, snapshot};
use cl_testkit::bench_rows::{Plan, Row, millis};
use jiff::Timestamp;

const RUNS: u32 = 3;
const BEGIN: &str = "2026-01-01T00:00:00Z";

fn main() -> std::io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    if plan.wants("L1") {
        for tasks in [plan.amount(1000, 10), plan.amount(10_000, 20)] {
            list(&mut plan, tasks)?;
        }
    }
    plan.finish()
}

fn list(plan: &mut Plan, tasks: u32) -> std::io::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = Root::at(folder.path()).expect("the folder can be a root");
    let project = make_tree(&root, tasks);
    let [ours, floor] = plan.take_turns([
        &mut || millis(|| read_all(&root, &project, tasks)),
        &mut || millis(|| touch_all(&project)),
    ]);
    plan.push(
        Row::new("L1", &format!("library, {tasks} × {RUNS}"), "ms", &ours)
            .floor(&floor)
            .note("one thread; floor: the same files opened, read and looked at"),
    );
    let all = project.tasks().expect("the tree is readable");
    wait_for_index(&root, &project, &all);
    let [ours, floor] = plan
        .take_turns([&mut || millis(|| find_all(&root, &project)), &mut || {
            millis(|| look_at_all(&all))
        }]);
    let what = format!("library, {tasks} × {RUNS}, with a valid index");
    plan.push(
        Row::new("L1", &what, "ms", &ours)
            .floor(&floor)
            .note("one thread; floor: one look at everything that must be unchanged"),
    );
    Ok(())
}

fn read_all(root: &Root, project: &ProjectDir, tasks: u32) {
    let views = snapshot::read_project(root, project, begin()).expect("the tree is readable");
    assert_eq!(views.len(), tasks as usize, "every task is there");
    assert!(
        views.iter().all(|view| view.runs.len() == RUNS as usize),
        "every run is there"
    );
}

/// Opens, reads and looks at the same files, and makes nothing of them.
fn touch_all(project: &ProjectDir) {
    let mut bytes = 0;
    for entry in fs::read_dir(project.path()).expect("a folder") {
        let task = entry.expect("an entry").path();
        for marker in ["DONE", "CANCELLED", "STOP-REQUESTED", "owner.yaml"] {
            bytes += fs::symlink_metadata(task.join(marker)).map_or(0, |meta| meta.len());
        }
        for record in ["task-state.yaml", "launch.yaml"] {
            bytes += fs::read(task.join(record)).map_or(0, |text| text.len() as u64);
        }
        for run in fs::read_dir(task.join("runs")).expect("a folder") {
            let record = run.expect("an entry").path().join("run-info.yaml");
            bytes += fs::read(record).map_or(0, |text| text.len() as u64);
        }
    }
    std::hint::black_box(bytes);
}

/// Sweeps until the tree is old enough to be described.
fn wait_for_index(root: &Root, project: &ProjectDir, tasks: &[TaskDir]) {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        index::sweep(root, project);
        let found = ProjectIndex::open(root, project);
        if tasks.iter().all(|task| found.find(task).is_some()) {
            return;
        }
        assert!(Instant::now() < until, "the tree never settles");
    }
}

fn find_all(root: &Root, project: &ProjectDir) {
    let found = ProjectIndex::open(root, project);
    for task in project.tasks().expect("the tree is readable") {
        assert!(found.find(&task).is_some(), "nothing has changed");
    }
}

/// One look at everything that must be unchanged.
fn look_at_all(tasks: &[TaskDir]) {
    let mut bytes = 0;
    for task in tasks {
        for name in [
            "",
            "runs",
            "task-state.yaml",
            "launch.yaml",
            "TASK-MESSAGE-BUS.md",
        ] {
            bytes += fs::symlink_metadata(task.path().join(name)).map_or(0, |meta| meta.len());
        }
        for run in task.runs().expect("the tree is readable") {
            bytes += fs::symlink_metadata(run.info()).map_or(0, |meta| meta.len());
        }
    }
    std::hint::black_box(bytes);
}

fn begin() -> Timestamp {
    BEGIN.parse().expect("a valid time")
}

fn make_tree(root: &Root, tasks: u32) -> ProjectDir {
    let id = ProjectId::parse("bench").expect("a valid id");
    let project = root.project(&id).expect("no link");
    for n in 0..tasks {
        let id = TaskId::parse(&format!("task-20260101-000000-bench-{n:06}")).expect("a valid id");
        make_task(&project.task(&id).expect("no link"), n);
    }
    project
}

/// Makes a task as its owner leaves it: attempts until the last one says it is done.
fn make_task(task: &TaskDir, n: u32) {
    fs::create_dir_all(task.runs_folder()).expect("a folder can be made");
    let mut previous = None;
    for attempt in 1..=RUNS {
        let id = RunId::parse(&format!(
            "20260101-000000{attempt:04}-{}-{attempt}",
            1000 + n
        ));
        let run = task.run(&id.expect("a valid id")).expect("no link");
        fs::create_dir(run.path()).expect("a folder can be made");
        let mut info = RunInfo::preparing(&run, "claude", begin());
        let is_last = attempt == RUNS;
        info.phase = None;
        info.status = if is_last {
            RunStatus::Completed
        } else {
            RunStatus::Failed
        };
        info.exit_code = i32::from(!is_last);
        info.previous_run_id = previous.replace(run.id().clone());
        info.end_time = Some(begin());
        info.pid = 4242;
        info.pgid = 4242;
        info.attempt = Some(attempt);
        info.agent_version = "2.1.50 (Claude Code)".into();
        info.commandline = "claude -p --output-format stream-json < prompt.md".into();
        info.argv = ["claude", "-p", "--output-format", "stream-json"]
            .map(str::to_owned)
            .into();
        write(&run.info(), &info.to_yaml());
        write(&run.stdout(), "done\n");
        write(&run.output(), "done\n");
    }
    let state = TaskState {
        version: 1,
        launch_id: "20260101-000000-bench".to_owned(),
        result: Some(TaskResult {
            status: ResultStatus::Completed,
            exit_code: 0,
            ended_at: begin(),
            failure: None,
            left_children: Vec::new(),
        }),
        ..TaskState::default()
    };
    let state = cl_storage::yaml::to_text(&state).expect("plain values");
    write(&task.state(), &state);
    write(&task.launch(), LAUNCH);
    write(&task.bus(), "");
    write(&task.path().join("DONE"), "");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the disk takes it");
}

/// As a launch is recorded, cut to what matters for the size.
const LAUNCH: &str = "\
version: 1
launch_id: 20260101-000000-bench
kind: task
origin: foreground
launched_at: \"2026-01-01T00:00:00Z\"
agent_name: claude
depth: 0
cwd: /srv/work
agent:
    name: claude
    kind: claude
    program: claude
    prompt: stdin
secrets: {}
policy:
    max_attempts: 100
    restart_delay_ms: 1000
    idle_timeout_ms: null
    gates: []
    resume_session: false
";
