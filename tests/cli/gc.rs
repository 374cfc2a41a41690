//! `gc`, as the built binary does it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cl_storage::run_info::RunStatus;
use cl_storage::{RunDir, TaskDir, lock::HeldLock};
use serde_json::Value;

use crate::place::{CHILD, DEAD, PROJECT, Place, Ran, TASK, add_run, adopt, alive, ended, own};

/// Makes everything in a folder as old as the first minute of 2026.
fn make_old(folder: &Path) {
    let time: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let old = SystemTime::from(time);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            make_old(&path);
        } else if path.is_file() {
            fs::File::open(&path).unwrap().set_modified(old).unwrap();
        }
    }
    fs::File::open(folder).unwrap().set_modified(old).unwrap();
}

fn done_task(place: &Place, id: &str) -> TaskDir {
    let task = place.task(id);
    fs::write(task.path().join("DONE"), "").unwrap();
    task
}

fn ids(json: &Value, list: &str, key: &str) -> Vec<String> {
    let all = json[list].as_array().unwrap().iter();
    all.map(|item| item[key].as_str().unwrap().to_owned())
        .collect()
}

/// Runs `gc` and returns the names of the run folders that are left.
#[track_caller]
fn left(place: &Place, task: &TaskDir, args: &str) -> Vec<String> {
    place.run(&format!("gc {args}")).ok();
    let mut names: Vec<String> = fs::read_dir(task.runs_folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn names(runs: &[&RunDir]) -> Vec<String> {
    runs.iter().map(|run| run.id().to_string()).collect()
}

#[test]
fn old_ended_runs_go_and_the_account_says_so() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    fs::write(run.stdout(), vec![b'x'; 3 << 20]).unwrap();
    let failed = add_run(&task, 2, ended(RunStatus::Failed, 1));
    let now = add_run(&task, 3, |info| {
        ended(RunStatus::Completed, 0)(info);
        info.end_time = Some("2100-01-01T00:00:00Z".parse().unwrap());
    });
    let planned = place.run_changing_nothing("gc --dry-run").ok();
    assert!(planned.contains("[dry-run] would delete "), "{planned}");
    assert!(planned.contains("(status=completed, started=2026-01-01T00:00:01Z, size=3.0 MB)"));
    assert!(planned.ends_with("Would delete 2 runs, would free 3.0 MB\n"));
    assert!(!planned.contains(now.id().as_str()));

    let kept = left(&place, &task, "--keep-failed");
    assert_eq!(kept, names(&[&failed, &now]));
    let json = place.run("gc --json").json();
    assert_eq!(ids(&json, "runs", "run_id"), names(&[&failed]));
    assert_eq!(json["summary"]["runs"], 1);
    assert_eq!(json["dry_run"], false);
    assert_eq!(left(&place, &task, ""), names(&[&now]));
    let nothing = place.run("gc").ok();
    assert_eq!(nothing, "Deleted 0 runs, freed 0.0 MB\n");
}

#[test]
fn the_age_is_told_in_days_too() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    assert_eq!(left(&place, &task, "--older-than 40000d"), names(&[&run]));
    place
        .run("gc --older-than soon")
        .fails(2, "is not a duration");
    assert_eq!(left(&place, &task, "--older-than 7d"), [""; 0]);
}

#[test]
fn a_job_that_ended_well_is_still_completed_without_its_runs() {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    let state = "version: 1\nlaunch_id: launch-1\nresult:\n  status: completed\n  exit_code: 0\n  \
                 ended_at: 2026-01-01T00:01:00Z\n";
    fs::write(task.state(), state).unwrap();
    assert_eq!(left(&place, &task, ""), [""; 0]);
    let json = place
        .run(&format!("list --project {PROJECT} --json"))
        .json();
    assert_eq!(json["tasks"][0]["status"], "completed", "{json}");
}

#[test]
fn only_the_named_project_is_swept() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    fs::create_dir(place.root.path().join("other")).unwrap();
    assert_eq!(left(&place, &task, "--project other"), names(&[&run]));
    place
        .run("gc --project missing")
        .fails(3, "missing does not exist");
    place.run(&format!("gc --task {TASK}")).fails(2, "--task");
    assert_eq!(
        left(&place, &task, &format!("--project {PROJECT}")),
        [""; 0]
    );
}

#[test]
fn what_runs_stays_and_what_died_goes() {
    let place = Place::new();
    let task = place.task(TASK);
    let dead = add_run(&task, 1, |info| {
        alive(info);
        info.pid = DEAD;
    });
    let recent = add_run(&task, 2, |info| {
        alive(info);
        info.pid = DEAD;
    });
    let runs = add_run(&task, 3, alive);
    make_old(dead.path());
    assert_eq!(left(&place, &task, ""), names(&[&recent, &runs]));
    // An owner that is alive keeps everything of its task.
    let old = add_run(&task, 0, ended(RunStatus::Failed, 1));
    own(&task, None);
    let ran = place.run("gc");
    assert!(ran.err.contains("its owner is at work"), "{}", ran.err);
    ran.ok();
    assert!(old.path().exists());
}

#[test]
fn a_task_that_is_locked_is_skipped_with_a_word() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let mode = cl_storage::durable::Mode::Shared;
    let held = HeldLock::acquire(&task.owner_lock(), mode, Duration::ZERO).unwrap();
    let ran = place.run("gc --json");
    assert!(ran.err.contains("owner.lock is held"), "{}", ran.err);
    assert_eq!(ran.json()["kept"][0]["reason"], "locked");
    assert!(run.path().exists());
    drop(held);
    assert_eq!(left(&place, &task, ""), [""; 0]);
}

#[test]
fn a_lost_task_keeps_its_newest_run() {
    let place = Place::new();
    let task = place.task(TASK);
    let older = add_run(&task, 1, ended(RunStatus::Failed, 1));
    let newest = add_run(&task, 2, ended(RunStatus::Failed, 1));
    own(&task, Some(DEAD));
    assert_eq!(left(&place, &task, ""), names(&[&newest]));
    assert!(!older.path().exists());
}

#[test]
fn folders_without_record_are_kept_until_somebody_asks() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let at = "2026-01-01T00:00:01Z".parse().unwrap();
    let orphan = task.create_run(at).unwrap();
    let live = task.create_run(at).unwrap();
    let recent = task.create_run(at).unwrap();
    let me = cl_storage::process::ProcessIdentity::current().unwrap();
    let pid = format!("{}\n{}\n{}\n", me.pid, me.pid, me.start);
    fs::write(live.pid_file(), pid).unwrap();
    make_old(orphan.path());
    make_old(live.path());
    let ran = place.run_changing_nothing("gc");
    let warnings = ran.err.matches("run-info.yaml is missing").count();
    assert_eq!(warnings, 2, "one each, none for a fresh one: {}", ran.err);
    ran.ok();
    assert_eq!(left(&place, &task, "--orphans"), names(&[&live, &recent]));
}

#[test]
fn damaged_and_newer_records_are_left_alone() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let damaged = add_run(&task, 1, ended(RunStatus::Completed, 0));
    fs::write(damaged.info(), "version: [").unwrap();
    let newer = add_run(&task, 2, ended(RunStatus::Completed, 0));
    let text = fs::read_to_string(newer.info()).unwrap();
    fs::write(newer.info(), text.replace("version: 1", "version: 9")).unwrap();
    let good = add_run(&task, 3, ended(RunStatus::Completed, 0));
    let json = place.run("gc --orphans --older-than 0 --json").json();
    assert_eq!(ids(&json, "kept", "reason"), ["damaged", "newer"]);
    assert_eq!(ids(&json, "runs", "run_id"), names(&[&good]));
    assert!(damaged.path().exists() && newer.path().exists());
}

#[test]
fn links_are_never_followed() {
    let place = Place::new();
    let outside = place.path().join("outside");
    fs::create_dir_all(outside.join("runs")).unwrap();
    fs::write(outside.join("sentinel"), "x").unwrap();
    let task = done_task(&place, TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    symlink(&outside, run.path().join("folder")).unwrap();
    symlink(outside.join("sentinel"), run.path().join("file")).unwrap();
    // A run, a task and a project that are links.
    let elsewhere = add_run(&place.task(CHILD), 1, ended(RunStatus::Completed, 0));
    let moved = outside.join("run");
    #[expect(clippy::disallowed_methods, reason = "a test prepares its stage")]
    fs::rename(elsewhere.path(), &moved).unwrap();
    symlink(&moved, task.runs_folder().join(elsewhere.id().as_str())).unwrap();
    let linked_task = "task-20260101-000200-linked";
    let project = place.root.path().join(PROJECT);
    symlink(place.task(CHILD).path(), project.join(linked_task)).unwrap();
    symlink(&outside, place.root.path().join("linked")).unwrap();
    let json = place.run("gc --delete-done-tasks --json").json();
    assert_eq!(ids(&json, "runs", "run_id"), names(&[&run]));
    assert_eq!(ids(&json, "kept", "reason"), ["linked"; 3]);
    assert!(!run.path().exists());
    assert!(outside.join("sentinel").exists());
    assert!(moved.join("run-info.yaml").exists());
    assert!(
        task.path().exists(),
        "a stranger in its runs folder keeps it"
    );
}

#[test]
fn what_may_not_be_read_does_not_keep_the_rest() {
    let nobody = 65534;
    let place = Place::new();
    let closed = place.root.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let task = done_task(&place, TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let sealed = add_run(&task, 2, ended(RunStatus::Completed, 0));
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        hand_over(place.path(), nobody);
    }
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("run-agent");
    fs::copy(env!("CARGO_BIN_EXE_run-agent"), &binary).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(sealed.info(), Permissions::from_mode(0o000)).unwrap();
    let ran = gc_as(&place, &binary, is_root.then_some(nobody));
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    assert!(!run.path().exists(), "{}", ran.err);
    assert!(sealed.path().exists(), "{}", ran.err);
    assert!(
        ran.err.contains("run-info.yaml cannot be read"),
        "{}",
        ran.err
    );
    ran.fails(1, "could not use");
}

fn hand_over(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            hand_over(&entry.unwrap().path(), user);
        }
    }
}

fn gc_as(place: &Place, binary: &Path, user: Option<u32>) -> Ran {
    use std::os::unix::process::CommandExt as _;
    #[expect(
        clippy::disallowed_methods,
        reason = "this test is about the process that users start"
    )]
    let mut command = std::process::Command::new(binary);
    command
        .arg("gc")
        .env_clear()
        .env("HOME", "/nowhere")
        .env("CONDUCTOR_ROOT", place.root.path())
        .current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn finished_tasks_go_on_request_if_they_are_old() {
    let place = Place::new();
    let done = done_task(&place, TASK);
    add_run(&done, 1, ended(RunStatus::Completed, 0));
    let fresh = done_task(&place, CHILD);
    make_old(done.path());
    place.run("gc --dry-run").ok();
    let ran = place.run("gc --delete-done-tasks").ok();
    assert!(ran.contains("Deleted 1 task directories (DONE + empty runs)"));
    assert!(!done.path().exists());
    assert!(fresh.path().exists());
    let hidden = fs::read_dir(place.root.path().join(PROJECT)).unwrap();
    assert_eq!(hidden.count(), 1, "nothing is left of it");
}

#[test]
fn the_child_of_a_task_that_runs_stays() {
    let place = Place::new();
    let parent = place.task(TASK);
    let run = add_run(&parent, 1, alive);
    let child = done_task(&place, CHILD);
    adopt(&run, &child);
    make_old(child.path());
    let json = place.run("gc --delete-done-tasks --json").json();
    assert_eq!(ids(&json, "kept", "reason"), ["live_relative"]);
    assert!(child.path().exists());
    // The parent's word alone is enough.
    fs::remove_file(child.launch()).unwrap();
    make_old(child.path());
    place.run("gc --delete-done-tasks").ok();
    assert!(child.path().exists());
    fs::remove_dir_all(run.path()).unwrap();
    place.run("gc --delete-done-tasks").ok();
    assert!(!child.path().exists());
}

#[test]
fn what_a_killed_collection_left_is_removed() {
    let place = Place::new();
    let task = done_task(&place, TASK);
    let in_runs = task
        .runs_folder()
        .join(".gc-20260101-0000000000-1-1-abcdefgh");
    let in_project = place.root.path().join(PROJECT).join(".gc-task-x");
    for folder in [&in_runs, &in_project] {
        fs::create_dir_all(folder.join("deep")).unwrap();
    }
    assert!(place.run("list --project demo").ok().contains(TASK));
    place.run_changing_nothing("gc --dry-run").ok();
    let json = place.run("gc --json").json();
    assert_eq!(json["leftovers"].as_array().unwrap().len(), 2);
    assert!(!in_runs.exists() && !in_project.exists());
}

#[test]
fn large_buses_are_moved_aside() {
    let place = Place::new();
    let task = place.task(TASK);
    for body in ["one", "two"] {
        place
            .run(&format!(
                "bus post --project {PROJECT} --task {TASK} --body {body}"
            ))
            .ok();
    }
    let line = "gc --rotate-bus --bus-max-size";
    let ran = place.run_changing_nothing(&format!("{line} 1MB")).ok();
    assert!(!ran.contains("otate"), "{ran}");
    let ran = place
        .run_changing_nothing(&format!("{line} 10 --dry-run"))
        .ok();
    assert!(ran.contains("Would rotate 1 message bus file(s)"), "{ran}");
    let size = fs::metadata(task.bus()).unwrap().len();
    let exactly = format!("{line} {size} --json");
    assert_eq!(place.run(&exactly).json()["summary"]["rotated"], 0);
    let json = place.run(&format!("{line} {} --json", size - 1)).json();
    let archive = Path::new(json["rotated"][0]["archive"].as_str().unwrap());
    assert_eq!(fs::metadata(archive).unwrap().len(), size);
    assert!(!task.bus().exists());
}

#[test]
fn a_root_that_is_not_there_has_no_garbage() {
    let place = Place::new();
    fs::remove_dir(place.root.path()).unwrap();
    let ran = place.run("gc");
    assert_eq!(ran.code, Some(3), "somebody named it: {}", ran.err);
}

#[test]
fn a_dry_run_leaves_out_the_buses_of_tasks_it_would_delete() {
    let place = Place::new();
    let doomed = done_task(&place, TASK);
    let kept = place.task(CHILD);
    for task in [&doomed, &kept] {
        fs::write(task.bus(), "x".repeat(100)).unwrap();
    }
    make_old(doomed.path());
    let line = "gc --older-than 0 --delete-done-tasks --rotate-bus --bus-max-size 10 --json";
    let planned = place
        .run_changing_nothing(&format!("{line} --dry-run"))
        .json();
    assert_eq!(ids(&planned, "tasks", "task_id"), [TASK]);
    let rotated = ids(&planned, "rotated", "path");
    assert_eq!(rotated, [kept.bus().to_str().unwrap()]);
    let done = place.run(line).json();
    assert_eq!(ids(&done, "rotated", "path"), rotated);
}
