use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::id::ProjectId;
use crate::layout::RunDir;
use crate::marker::Marker;
use crate::owner::Ownership;
use crate::run_info::{self, RunInfo};
use crate::task_state::{Child, ResultStatus, TaskResult, TaskState};
use crate::{FailureKind, marker};

/// Enough for every file to count as settled.
const AGED: i128 = 10 * SETTLED_AFTER;

struct Fixture {
    folder: tempfile::TempDir,
    root: Root,
    project: ProjectDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path()).unwrap();
    let project = root.project(&ProjectId::parse("p").unwrap()).unwrap();
    Fixture {
        folder,
        root,
        project,
    }
}

impl Fixture {
    fn task(&self, n: u32) -> TaskDir {
        let id = TaskId::parse(&format!("task-20260101-000000-t{n:03}")).unwrap();
        let task = self.project.task(&id).unwrap();
        task.ensure().unwrap();
        task
    }

    /// A task that its owner has ended well.
    fn ended_task(&self, n: u32) -> TaskDir {
        let task = self.task(n);
        add_run(&task, 1, RunStatus::Failed);
        add_run(&task, 2, RunStatus::Completed);
        write_state(&task, ResultStatus::Completed);
        write(&task.launch(), LAUNCH);
        marker::create_done(&task).unwrap();
        task
    }

    fn sweep(&self) {
        sweep_aged(&self.root, &self.project, AGED);
        self.wait_for_tick();
    }

    /// Waits until changes get a later file time than those before; needed
    /// only because the tests do not let two seconds pass.
    fn wait_for_tick(&self) {
        let path = self.folder.path().join("tick");
        let time = || {
            write(&path, "");
            let meta = fs::metadata(&path).unwrap();
            (meta.ctime(), meta.ctime_nsec())
        };
        let (first, until) = (time(), Instant::now() + Duration::from_secs(10));
        while time() == first {
            assert!(Instant::now() < until, "file times stand still");
            std::thread::yield_now();
        }
    }

    fn parse(&self, bytes: &[u8]) -> ProjectIndex {
        ProjectIndex {
            folder: Some(open_folder(self.project.path()).unwrap()),
            ..ProjectIndex::parse(bytes.to_vec())
        }
    }

    fn find(&self, task: &TaskDir) -> Option<Ended> {
        ProjectIndex::open(&self.root, &self.project).find(task)
    }

    /// What a look at the files says.
    fn read(&self, task: &TaskDir) -> Option<Ended> {
        Ended::of(&TaskView::read(&self.root, task, Timestamp::UNIX_EPOCH).unwrap())
    }

    fn files(&self) -> Files {
        Files::of(&self.root, "p")
    }
}

const LAUNCH: &str = "version: 1\nlaunch_id: l\nkind: task\norigin: foreground\n\
                      launched_at: \"2026-01-01T00:00:00Z\"\nagent_name: a\ndepth: 0\n";

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
}

fn add_run(task: &TaskDir, second: u32, status: RunStatus) -> RunDir {
    let now: Timestamp = format!("2026-01-01T00:00:{second:02}Z").parse().unwrap();
    let run = task.create_run(now).unwrap();
    let mut info = RunInfo::preparing(&run, "scripted", now);
    info.status = status;
    info.exit_code = i32::from(status == RunStatus::Failed);
    info.phase = None;
    run_info::create(&run, &info).unwrap();
    run
}

fn write_state(task: &TaskDir, status: ResultStatus) {
    let failure = (status == ResultStatus::Failed)
        .then(|| Failure::new(FailureKind::AgentCrash, "exit: \"1\"\u{e4}"));
    let mut state = TaskState {
        result: Some(TaskResult {
            status,
            exit_code: 0,
            ended_at: Timestamp::UNIX_EPOCH,
            failure,
            left_children: Vec::new(),
        }),
        ..TaskState::default()
    };
    state.write(task).unwrap();
}

#[test]
fn an_ended_task_is_found_as_it_reads() {
    let fixture = fixture();
    let task = fixture.ended_task(1);
    assert_eq!(fixture.find(&task), None, "no index yet");
    fixture.sweep();
    let found = fixture.find(&task).unwrap();
    assert_eq!(Some(&found), fixture.read(&task).as_ref());
    assert_eq!((found.runs, found.is_done), (2, true));
    assert_eq!(fixture.find(&fixture.ended_task(2)), None);
    fs::remove_dir_all(fixture.root.conductor_folder().join("index")).unwrap();
    assert_eq!(fixture.find(&task), None, "it may be deleted at any time");
}

#[test]
fn a_growing_bus_is_activity_of_an_ended_task() {
    let fixture = fixture();
    let task = fixture.ended_task(1);
    write(&task.bus(), "");
    fixture.sweep();
    let later = fs::metadata(task.bus()).unwrap().modified().unwrap() + Duration::from_hours(1);
    let bus = fs::File::options().append(true).open(task.bus()).unwrap();
    bus.set_modified(later).unwrap();
    let found = fixture.find(&task).unwrap();
    assert_eq!(
        found.last_activity,
        fixture.read(&task).unwrap().last_activity
    );
    let later = Timestamp::try_from(later).unwrap().as_second();
    assert_eq!(found.last_activity.unwrap().as_second(), later);
}

/// Changes a record in place, to one of the same size.
fn flip_last_digit(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let changed = text.replacen("exit_code: 0", "exit_code: 3", 1);
    assert_ne!(text, changed);
    write(path, changed);
}

#[test]
fn whatever_changes_a_task_ends_its_entry() {
    type Change = fn(&TaskDir);
    let changes: [(&str, Change); 14] = [
        ("a marker goes", |task| {
            marker::clear(task, Marker::Done).unwrap();
        }),
        ("a marker comes", |task| {
            marker::cancel(
                task,
                &marker::Cancellation {
                    at: Timestamp::UNIX_EPOCH,
                    reason: "x".into(),
                    superseded_by: None,
                },
            )
            .unwrap();
        }),
        ("a stop", |task| {
            marker::request_stop(
                task,
                &marker::StopMark::permanent("x"),
                Timestamp::UNIX_EPOCH,
            )
            .unwrap();
        }),
        ("a marker is no file", |task| {
            fs::remove_file(Marker::Done.path(task)).unwrap();
            fs::create_dir(Marker::Done.path(task)).unwrap();
        }),
        ("an owner", |task| {
            Ownership::acquire(task, "l", Timestamp::UNIX_EPOCH, Duration::ZERO).unwrap();
        }),
        ("a new run", |task| {
            drop(add_run(task, 3, RunStatus::Running));
        }),
        ("a record in place", |task| {
            flip_last_digit(&task.runs().unwrap()[1].info());
        }),
        ("a record replaced", |task| {
            run_info::update(&task.runs().unwrap()[0], |info| info.exit_code = 2).unwrap();
        }),
        ("a run deleted", |task| {
            fs::remove_dir_all(task.runs().unwrap()[0].path()).unwrap();
        }),
        ("a record deleted", |task| {
            fs::remove_file(task.runs().unwrap()[0].info()).unwrap();
        }),
        ("a state in place", |task| flip_last_digit(&task.state())),
        ("a state replaced", |task| {
            write_state(task, ResultStatus::Failed);
        }),
        ("a launch in place", |task| {
            write(&task.launch(), LAUNCH.replace("kind: task", "kind: jobs"));
        }),
        ("another folder", |task| {
            let other = task.path().with_extension("other");
            copy(task.path(), &other);
            fs::remove_dir_all(task.path()).unwrap();
            durable::rename(&other, task.path()).unwrap();
        }),
    ];
    for (name, change) in changes {
        let fixture = fixture();
        let task = fixture.ended_task(1);
        fixture.sweep();
        let opened_before = ProjectIndex::open(&fixture.root, &fixture.project);
        assert!(opened_before.find(&task).is_some(), "{name}");
        change(&task);
        assert_eq!(opened_before.find(&task), None, "{name}");
        assert_eq!(fixture.find(&task), None, "{name}");
        fixture.wait_for_tick();
        fixture.sweep();
        assert_eq!(
            fixture.find(&task),
            fixture.read(&task),
            "{name}, swept again"
        );
    }
}

/// What a listing shows of a task, from the index or else from its files.
fn listed(fixture: &Fixture, index: &ProjectIndex, task: &TaskDir) -> (TaskStatus, usize) {
    if let Some(ended) = index.find(task) {
        return (ended.status, ended.runs);
    }
    let view = TaskView::read(&fixture.root, task, Timestamp::MAX).unwrap();
    (view.status, view.runs.len())
}

/// Ends run after run, well and badly by turns; notes each step before it is taken.
fn end_runs(fixture: &Fixture, task: &TaskDir, steps: &AtomicUsize) {
    for run in 0..LIVELY_RUNS {
        let now = Timestamp::from_second(i64::try_from(run).unwrap()).unwrap();
        steps.fetch_add(1, Ordering::SeqCst);
        let (run_dir, _) = run_info::begin(task, now, |run_dir| {
            let mut info = RunInfo::preparing(run_dir, "scripted", now);
            let me = crate::process::ProcessIdentity::current().unwrap();
            (info.pid, info.process_start) = (me.pid, Some(me.start));
            info.phase = Some(run_info::Phase::Running);
            info
        })
        .unwrap();
        steps.fetch_add(1, Ordering::SeqCst);
        run_info::update(&run_dir, |info| {
            (info.status, info.phase) = (status_of_run(run), None);
        })
        .unwrap();
        note_end_aged(&fixture.root, task, AGED);
        // Instead of the two seconds, which the tests do not let pass.
        fixture.wait_for_tick();
    }
}

const LIVELY_RUNS: usize = 12;

fn status_of_run(run: usize) -> RunStatus {
    [RunStatus::Completed, RunStatus::Failed][run % 2]
}

/// What is shown after so many steps of [`end_runs`]; each run takes two.
fn shown_after(steps: usize) -> (TaskStatus, usize) {
    let runs = steps.div_ceil(2);
    let failed_before = runs > 2;
    let status = match (steps, steps % 2) {
        (0, _) => TaskStatus::Idle,
        (_, 1) if failed_before => TaskStatus::PartialFailure,
        (_, 1) => TaskStatus::Running,
        _ if status_of_run(runs - 1) == RunStatus::Completed => TaskStatus::Completed,
        _ => TaskStatus::Failed,
    };
    (status, runs)
}

#[test]
fn a_listing_beside_owners_shows_only_what_was_and_never_what_is_over() {
    let fixture = fixture();
    let tasks: Vec<TaskDir> = (0..2).map(|n| fixture.task(n)).collect();
    let steps: Vec<AtomicUsize> = tasks.iter().map(|_| AtomicUsize::new(0)).collect();
    let mut seen = 0;
    std::thread::scope(|scope| {
        let owners: Vec<_> = (tasks.iter().zip(&steps))
            .map(|(task, steps)| scope.spawn(|| end_runs(&fixture, task, steps)))
            .collect();
        while !(owners.iter()).all(std::thread::ScopedJoinHandle::is_finished) {
            for (task, steps) in tasks.iter().zip(&steps) {
                // The step that was noted last may be under way.
                let before = steps.load(Ordering::SeqCst).saturating_sub(1);
                let index = ProjectIndex::open(&fixture.root, &fixture.project);
                let found = listed(&fixture, &index, task);
                let after = steps.load(Ordering::SeqCst);
                let possible: Vec<_> = (before..=after).map(shown_after).collect();
                assert!(possible.contains(&found), "{found:?}, {possible:?}");
                seen += 1;
            }
        }
    });
    assert!(seen > 0);
    // Now that nothing happens any more, all ways to look agree.
    for task in &tasks {
        let last = shown_after(2 * LIVELY_RUNS);
        let index = ProjectIndex::open(&fixture.root, &fixture.project);
        assert_eq!(listed(&fixture, &index, task), last);
        let without = ProjectIndex::default();
        assert_eq!(listed(&fixture, &without, task), last);
    }
    fixture.sweep();
    for task in &tasks {
        assert!(fixture.find(task).is_some());
        assert_eq!(fixture.find(task), fixture.read(task));
    }
    fs::remove_dir_all(fixture.root.conductor_folder().join("index")).unwrap();
    for task in &tasks {
        let index = ProjectIndex::open(&fixture.root, &fixture.project);
        assert_eq!(listed(&fixture, &index, task), shown_after(2 * LIVELY_RUNS));
    }
}

#[test]
fn the_index_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = fixture();
    note_end(&fixture.root, &fixture.ended_task(1));
    fixture.sweep();
    let files = fixture.files();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&fixture.root.conductor_folder().join("index")), 0o700);
    assert_eq!(mode(&files.index), 0o600);
    assert_eq!(mode(&files.pending), 0o600);
}

#[test]
fn text_of_any_shape_survives_a_line() {
    let fixture = fixture();
    let task = fixture.ended_task(1);
    for agent in ["-", "", "\"", "a b", "\u{e4}\\t", "[x]"] {
        let launch = serde_json::to_string(agent).unwrap();
        write(
            &task.launch(),
            LAUNCH.replace("agent_name: a", &format!("agent_name: {launch}")),
        );
        fixture.wait_for_tick();
        fixture.sweep();
        let found = fixture.find(&task).unwrap();
        assert_eq!(found.agent.as_deref(), Some(agent));
        assert_eq!(Some(found), fixture.read(&task));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            write(&target, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn a_task_that_changed_just_now_is_left_to_the_next_owner() {
    let fixture = fixture();
    let (first, second) = (fixture.ended_task(1), fixture.ended_task(2));
    note_end(&fixture.root, &first);
    assert_eq!(fixture.find(&first), None, "its files are too young");
    note_end_aged(&fixture.root, &second, AGED);
    assert_eq!(fixture.find(&first), fixture.read(&first));
    assert!(fixture.find(&first).is_some() && fixture.find(&second).is_some());
    let pending = fs::read_to_string(fixture.files().pending).unwrap();
    assert_eq!(pending, "", "nothing is left to do");
    // A clock that was set back: everything is from the future.
    let third = fixture.ended_task(3);
    note_end_aged(&fixture.root, &third, -AGED);
    assert_eq!(fixture.find(&third), None);
}

#[test]
fn owners_at_the_same_time_lose_no_entry() {
    let fixture = fixture();
    let tasks: Vec<TaskDir> = (0..8).map(|n| fixture.ended_task(n)).collect();
    std::thread::scope(|scope| {
        for task in &tasks {
            scope.spawn(|| note_end_aged(&fixture.root, task, AGED));
        }
    });
    // One that did not get the lock in time has lost its note, which costs only time.
    note_end_aged(&fixture.root, &tasks[0], AGED);
    let found = tasks.iter().filter(|task| fixture.find(task).is_some());
    assert!(found.count() > 1);
    for task in &tasks {
        assert!(
            fixture
                .find(task)
                .is_none_or(|found| Some(found) == fixture.read(task))
        );
    }
}

#[test]
fn a_damaged_index_says_nothing_wrong() {
    let fixture = fixture();
    let task = fixture.ended_task(1);
    fixture.sweep();
    let truth = fixture.find(&task).unwrap();
    let path = fixture.files().index;
    let good = fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        let found = fixture.parse(bytes).find(&task);
        assert!(found.is_none_or(|found| found == truth));
    };
    for at in 0..good.len() {
        check(&good[..at]);
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            check(&bad);
        }
    }
    let text = String::from_utf8(good).unwrap();
    for version in [
        "conductor-index 0 ",
        "conductor-index 1 ",
        "conductor-index 2 ",
        "",
    ] {
        let other = text.replacen("conductor-index 3 ", version, 1);
        assert_eq!(fixture.parse(other.as_bytes()).find(&task), None);
        write(&path, other);
        note_end_aged(&fixture.root, &task, AGED);
        assert_eq!(
            fixture.find(&task).as_ref(),
            Some(&truth),
            "replaced by an owner"
        );
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(fixture.find(&task), None);
    note_end_aged(&fixture.root, &task, AGED);
}

#[test]
fn compaction_keeps_the_last_line_of_each_task_that_is_there() {
    let fixture = fixture();
    let (task, gone) = (fixture.ended_task(1), fixture.ended_task(2));
    fixture.sweep();
    let once = fs::read(fixture.files().index).unwrap();
    write_state(&task, ResultStatus::Failed);
    fixture.wait_for_tick();
    note_end_aged(&fixture.root, &task, AGED);
    let grown = fs::read(fixture.files().index).unwrap();
    assert!(grown.len() > once.len());
    fs::remove_dir_all(gone.path()).unwrap();
    let text = compacted(&grown, fixture.project.path());
    assert_eq!(text.lines().count(), 2, "header and one task");
    let found = fixture.parse(text.as_bytes()).find(&task);
    assert_eq!(found, fixture.read(&task));
    assert!(found.unwrap().failure.is_some());
}

/// A task as random owners and people leave it.
fn build(fixture: &Fixture, n: u32, bits: u32, runs: &[u8]) -> TaskDir {
    let task = fixture.task(n);
    let has = |bit: u32| bits & (1 << bit) != 0;
    for (second, kind) in (1..).zip(runs) {
        match kind {
            0 => drop(add_run(&task, second, RunStatus::Completed)),
            1 => drop(add_run(&task, second, RunStatus::Failed)),
            2 => drop(add_run(&task, second, RunStatus::Running)),
            3 => write(
                &add_run(&task, second, RunStatus::Failed).info(),
                "version: [",
            ),
            _ => drop(task.create_run(Timestamp::UNIX_EPOCH).unwrap()),
        }
    }
    if has(0) {
        marker::create_done(&task).unwrap();
    }
    if has(1) {
        marker::cancel(
            &task,
            &marker::Cancellation {
                at: Timestamp::UNIX_EPOCH,
                reason: "x".into(),
                superseded_by: None,
            },
        )
        .unwrap();
    }
    if has(2) {
        let timed = if has(3) {
            "permanent\n"
        } else {
            "2026-01-01T00:00:00Z\n"
        };
        write(&Marker::StopRequested.path(&task), timed);
    }
    if has(4) {
        write_state(
            &task,
            [ResultStatus::Failed, ResultStatus::Stopped][usize::from(has(5))],
        );
    }
    if has(6) {
        write(&task.launch(), LAUNCH);
    }
    if has(7) && has(8) {
        write(
            &task.owner(),
            "version: 1\npid: 1\nprocess_start: boot:1\nlaunch_id: l\nsince: \"2026-01-01T00:00:00Z\"\n",
        );
    }
    if has(9) && has(10) {
        let mut state = TaskState {
            children: vec![Child {
                project: ProjectId::parse("p").unwrap(),
                task: TaskId::parse("task-20260101-000000-t000").unwrap(),
                parent_run: RunId::parse("20260101-0000000000-1-1").unwrap(),
            }],
            ..TaskState::default()
        };
        state.write(&task).unwrap();
    }
    task
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_is_shown_the_same_with_and_without_index(
        shapes in prop::collection::vec((any::<u32>(), prop::collection::vec(0..5_u8, 0..4)), 1..8)
    ) {
        let fixture = fixture();
        let tasks: Vec<TaskDir> = (1..)
            .zip(&shapes)
            .map(|(n, (bits, runs))| build(&fixture, n, *bits, runs))
            .collect();
        fixture.sweep();
        for ((bits, _), task) in shapes.iter().zip(&tasks) {
            let (found, read) = (fixture.find(task), fixture.read(task));
            // What a clock decides is never in the index.
            let is_timed = bits & 0b1100 == 0b100;
            prop_assert!(found == read || (is_timed && found.is_none()), "{found:?} {read:?}");
        }
    }
}

#[test]
fn pipes_and_links_in_place_of_the_index_are_left_alone() {
    let fixture = fixture();
    let task = fixture.ended_task(1);
    fixture.sweep();
    let files = Files::of(&fixture.root, "p");
    let own = fixture.root.conductor_folder();
    let is_found = || {
        let index = ProjectIndex::open(&fixture.root, &fixture.project);
        index.find(&task).is_some()
    };
    assert!(is_found());
    for path in [&files.index, &files.pending] {
        fs::remove_file(path).unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
        assert!(!is_found());
        note_end(&fixture.root, &task);
        fs::remove_file(path).unwrap();
    }
    fixture.sweep();
    let outside = fixture.folder.path().join("outside");
    for linked in [own.join("index"), own.clone()] {
        durable::rename(&linked, &outside).unwrap();
        let names = || fs::read_dir(&outside).unwrap().count();
        let before = names();
        std::os::unix::fs::symlink(&outside, &linked).unwrap();
        assert!(!is_found(), "{}", linked.display());
        sweep_aged(&fixture.root, &fixture.project, AGED);
        assert_eq!(names(), before);
        fs::remove_file(&linked).unwrap();
        durable::rename(&outside, &linked).unwrap();
        assert!(is_found(), "{}", linked.display());
    }
}
