//! Runs without a readable `run-info.yaml`: shown as unknown, told once, and in nobody's way.

use std::fs;
use std::process::{Child, Command, Stdio};

use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::RunStatus;
use cl_storage::{RunDir, TaskDir, marker};

use crate::place::{PROJECT, Place, TASK, add_run, ended};

/// Every command that looks at runs; `@` stands for the scope.
const COMMANDS: [&str; 17] = [
    "list",
    "list --project demo",
    "list @",
    "list @ --json",
    "status @",
    "status --json",
    "watch --timeout 100ms @",
    "stop @",
    "gc",
    "gc --dry-run --orphans --delete-done-tasks --older-than 0",
    "output @",
    "logs @",
    "task show @",
    "ps",
    "recover --dry-run",
    "doctor storage",
    "bus read @",
];

/// What may stand in the place of a record; none is a missing one.
fn broken() -> [(&'static str, Option<Vec<u8>>); 6] {
    let whole = {
        let place = Place::new();
        let run = add_run(&place.task(TASK), 1, ended(RunStatus::Completed, 0));
        fs::read(run.info()).unwrap()
    };
    let status = String::from_utf8_lossy(&whole).find("\nstatus: ").unwrap() + 1;
    [
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("truncated", Some(whole[..status / 2].to_vec())),
        ("cut at a line", Some(whole[..status].to_vec())),
        ("cut in its status", Some(whole[..status + 12].to_vec())),
        ("binary", Some((0..=255).cycle().take(4096).collect())),
    ]
}

/// Adds a run of `second` with something else than a record.
fn add_broken(task: &TaskDir, second: u32, record: Option<&[u8]>) -> RunDir {
    let at = format!("2026-01-01T00:00:{second:02}Z").parse().unwrap();
    let run = task.create_run(at).unwrap();
    if let Some(record) = record {
        fs::write(run.info(), record).unwrap();
    }
    run
}

fn scope() -> String {
    format!("--project {PROJECT} --task {TASK}")
}

#[test]
fn no_command_stumbles_over_a_broken_record() {
    for (what, record) in broken() {
        for has_good in [true, false] {
            for line in COMMANDS {
                let place = Place::new();
                let task = place.task(TASK);
                let good = has_good.then(|| {
                    let good = add_run(&task, 1, ended(RunStatus::Completed, 0));
                    fs::write(good.output(), "the good answer\n").unwrap();
                    fs::write(good.stdout(), "the good answer\n").unwrap();
                    fs::write(task.supervisor_log(), "it was here\n").unwrap();
                    good
                });
                add_broken(&task, 2, record.as_deref());
                let ran = place.run(&line.replace('@', &scope()));
                let told = format!("{what}, {line}: {:?} {}{}", ran.code, ran.out, ran.err);
                // A watch that nothing ends is late, and damage found is an answer.
                assert!(matches!(ran.code, Some(0 | 1 | 3 | 124)), "{told}");
                assert!(!ran.err.contains("panicked"), "{told}");
                if has_good && line.starts_with("output") {
                    assert_eq!(ran.out, "the good answer\n", "{told}");
                }
                let is_missing = record.is_none();
                let is_noise = ran.err.to_lowercase().contains("error");
                // Who asks for what such a run left, or waits for its end, is told why in vain.
                let has_nothing = !has_good && matches!(ran.code, Some(3 | 124));
                assert!(!is_missing || !is_noise || has_nothing, "{told}");
                let all = place.run(&format!("list {}", scope())).ok();
                assert!(all.contains("unknown"), "{told}\n{all}");
                let shown = place.run(&format!("status {} --json", scope())).json();
                let row = &shown["tasks"][0];
                if let Some(good) = good.filter(|good| good.path().exists()) {
                    assert!(all.contains(good.id().as_str()), "{told}\n{all}");
                    assert_eq!(row["latest_run"], good.id().as_str(), "{told}");
                    assert_eq!(row["status"], "completed", "{told}");
                } else {
                    assert_eq!(row["status"], "unknown", "{told}");
                }
            }
        }
    }
}

#[test]
fn a_folder_without_record_is_unknown_and_no_error() {
    let place = Place::new();
    let task = place.task(TASK);
    let run = add_broken(&task, 7, None);
    for line in ["list --project demo", "status", "ps"] {
        let ran = place.run_changing_nothing(line);
        assert!(!ran.err.contains("error") && !ran.err.contains("warning"));
        ran.ok();
    }
    let list = place.run(&format!("list {} --json", scope())).json();
    let row = &list["runs"][0];
    assert_eq!(row["status"], "unknown");
    assert_eq!(row["synthetic"], true);
    assert_eq!(row["started"], "2026-01-01T00:00:07Z", "from its name");
    assert_eq!(list["problems"].as_array().unwrap().len(), 0);
    let said = place.run_changing_nothing(&format!("status {}", scope()));
    let hint = format!(
        "run-info.yaml missing for run {}; status is unknown",
        run.id()
    );
    assert_eq!(said.err.matches(&hint).count(), 1, "{}", said.err);
    assert_eq!(said.out.matches("unknown").count(), 1, "{}", said.out);
    marker::create_done(&task).unwrap();
    let word = place.run(&format!("status {} --status", scope()));
    assert_eq!(word.ok(), "all_finished\n", "DONE decides");
    let found = place.run("doctor storage");
    assert!(found.out.contains("has no run-info.yaml"), "{}", found.out);
}

#[test]
fn a_damaged_record_is_warned_about_once() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    add_broken(&task, 2, Some(b"version: ["));
    for line in [format!("list {}", scope()), format!("status {}", scope())] {
        let ran = place.run_changing_nothing(&line);
        assert_eq!(ran.err.matches("is damaged").count(), 1, "{}", ran.err);
        ran.ok();
    }
}

#[test]
fn what_has_no_record_is_logged_once_by_a_process_that_looks_often() {
    let place = Place::new();
    add_broken(&place.task(TASK), 2, None);
    let ran = place.run(&format!("watch --timeout 1s -vv {}", scope()));
    let told = ran.err.matches("run-info.yaml is missing").count();
    assert_eq!(told, 1, "{}", ran.err);
}

#[test]
fn a_young_folder_is_starting() {
    let place = Place::new();
    let task = place.task(TASK);
    // Ahead of the clock, so that it is young however slow this machine is.
    task.create_run("2126-01-01T00:00:00Z".parse().unwrap())
        .unwrap();
    let list = place.run(&format!("list {} --json", scope())).json();
    assert_eq!(list["runs"][0]["phase"], "starting");
    let ran = place.run(&format!("status {}", scope()));
    assert!(!ran.err.contains("run-info.yaml"), "{}", ran.err);
    let found = place.run("doctor storage");
    assert!(!found.out.contains("run-info.yaml"), "{}", found.out);
    let ran = place.run("gc --orphans --older-than 0 --json").json();
    assert_eq!(ran["summary"]["runs"], 0);
}

/// A process that is nobody's agent by any mark of its own.
struct Sleeper(Child);

impl Sleeper {
    #[expect(clippy::disallowed_methods, reason = "an agent without a record")]
    fn new() -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn identity(&self) -> ProcessIdentity {
        let pid = i32::try_from(self.0.id()).unwrap();
        ProcessIdentity::of(pid).unwrap().unwrap()
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn stop_ends_the_process_that_the_pid_file_names() {
    for record in [None, Some(b"version: [".as_slice())] {
        let place = Place::new();
        let task = place.task(TASK);
        add_run(&task, 1, ended(RunStatus::Completed, 0));
        let run = add_broken(&task, 2, record);
        // A newer one without anything does not hide it.
        add_broken(&task, 3, None);
        let mut sleeper = Sleeper::new();
        let text = cl_storage::pid_file::text_of(&sleeper.identity());
        fs::write(run.pid_file(), text).unwrap();
        let list = place.run(&format!("list {} --json", scope())).json();
        assert_eq!(list["runs"][1]["status"], "running");
        place.run(&format!("stop {}", scope())).ok();
        assert!(!sleeper.is_alive());
        let word = place.run(&format!("status {} --status", scope()));
        assert_eq!(word.ok(), "stopped\n");
        assert_eq!(
            run.info().exists(),
            record.is_some(),
            "nothing is made up on disk"
        );
    }
}

#[test]
fn stop_leaves_alone_whom_it_cannot_recognise() {
    let mut sleeper = Sleeper::new();
    let ProcessIdentity { pid, start } = sleeper.identity();
    let other = ProcessIdentity::of(1).unwrap().unwrap().start;
    assert_ne!(start, other);
    for text in [
        format!("{pid}\n{pid}\n{other}\n"),
        format!("{pid}\n{pid}\n"),
        format!("{pid}\n"),
        "nonsense\n\n\n".to_owned(),
        "-1\n-1\n".to_owned() + &start.to_string(),
    ] {
        let place = Place::new();
        let run = add_broken(&place.task(TASK), 2, None);
        fs::write(run.pid_file(), &text).unwrap();
        let ran = place.run_changing_nothing(&format!("stop {}", scope()));
        let hint = format!(
            "run-info.yaml missing for run {}; status is unknown",
            run.id()
        );
        assert_eq!(ran.err.matches(&hint).count(), 1, "{}", ran.err);
        ran.ok();
        assert!(sleeper.is_alive(), "{text:?}");
    }
}

#[test]
fn gc_warns_once_for_each_and_goes_on_past_them() {
    let place = Place::new();
    let task = place.task(TASK);
    marker::create_done(&task).unwrap();
    let good = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let orphans = [2, 3].map(|second| add_broken(&task, second, None));
    let now = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    for orphan in &orphans {
        let folder = fs::File::open(orphan.path()).unwrap();
        folder.set_times(now).unwrap();
    }
    let ran = place.run("gc");
    for orphan in &orphans {
        let path = orphan.path().display().to_string();
        let told = ran.err.lines().filter(|line| line.contains(&path));
        assert_eq!(told.count(), 1, "{}", ran.err);
        assert!(orphan.path().exists());
    }
    ran.ok();
    assert!(!good.path().exists());
    place.run("gc --orphans").ok();
    assert!(orphans.iter().all(|orphan| !orphan.path().exists()));
}
