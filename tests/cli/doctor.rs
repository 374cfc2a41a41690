//! `doctor storage`, as the built binary answers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::SystemTime;

use cl_storage::run_info::RunStatus;
use serde_json::Value;

use crate::place::{CHILD, DEAD, PROJECT, Place, TASK, add_run, alive, ended, own};

/// Codes that depend on the disk that the test runs on.
const MACHINE: [&str; 3] = ["passing_file_system", "network_file_system", "low_space"];

fn private(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
}

fn place() -> Place {
    let place = Place::new();
    private(place.root.path());
    place
}

/// Runs the command and returns its findings; it must change nothing.
#[track_caller]
fn findings(place: &Place, code: i32) -> Vec<Value> {
    let ran = place.run_changing_nothing("doctor storage --json");
    assert_eq!(ran.code, Some(code), "{}{}", ran.out, ran.err);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let mut found = json["findings"].as_array().unwrap().clone();
    found.retain(|one| !MACHINE.contains(&one["code"].as_str().unwrap()));
    found
}

/// Checks that there is exactly one finding, of this kind and at this path.
#[track_caller]
fn check(place: &Place, exit: i32, code: &str, path: &Path) {
    let found = findings(place, exit);
    assert_eq!(found.len(), 1, "{found:#?}");
    let one = &found[0];
    assert_eq!(one["code"], code);
    assert_eq!(one["path"], path.to_str().unwrap());
    let level = if exit == 0 { "warning" } else { "error" };
    assert_eq!(one["level"], level);
    for part in ["what", "why", "advice"] {
        assert!(!one[part].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_sound_root_has_no_findings() {
    let place = place();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    add_run(&task, 2, alive);
    own(&task, None);
    fs::write(task.path().join("DONE"), "").unwrap();
    assert_eq!(findings(&place, 0), [""; 0]);
    let text = place.run("doctor storage").ok();
    assert!(
        text.contains("1 projects, 1 tasks, 2 runs; 0 errors"),
        "{text}"
    );
}

#[test]
fn damaged_and_newer_records_are_told_apart() {
    for name in [
        "run-info.yaml",
        "task-state.yaml",
        "launch.yaml",
        "owner.yaml",
    ] {
        let place = place();
        let task = place.task(TASK);
        let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
        let path = if name == "run-info.yaml" {
            run.info()
        } else {
            task.path().join(name)
        };
        fs::write(&path, "version: [").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        check(&place, 1, "damaged_record", &path);
        let newer = if name == "run-info.yaml" {
            "version: 9\nstatus: completed\n"
        } else {
            "version: 9\n"
        };
        fs::write(&path, newer).unwrap();
        check(&place, 0, "newer_record", &path);
    }
}

#[test]
fn a_damaged_bus_is_told_with_its_places() {
    let place = place();
    let task = place.task(TASK);
    fs::write(task.bus(), b"no message\n---\nmsg_id: x\n").unwrap();
    let found = findings(&place, 1);
    assert!(
        found.iter().any(|one| one["code"] == "damaged_bus"),
        "{found:#?}"
    );
}

#[test]
fn what_died_is_told() {
    let place = place();
    let task = place.task(TASK);
    let run = add_run(&task, 1, |info| {
        alive(info);
        info.pid = DEAD;
    });
    check(&place, 0, "dead_running", &run.info());
    own(&task, Some(DEAD));
    let found = findings(&place, 1);
    assert_eq!(found[0]["code"], "owner_lost");
    assert_eq!(found[0]["path"], task.path().to_str().unwrap());
}

#[test]
fn folders_without_record_are_told_unless_they_start() {
    let place = place();
    let task = place.task(TASK);
    task.create_run(cl_storage::Clock::now(&cl_storage::SystemClock))
        .unwrap();
    assert_eq!(findings(&place, 0), [""; 0]);
    let orphan = task.create_run("2026-01-01T00:00:01Z".parse().unwrap());
    check(&place, 0, "unrecorded", orphan.unwrap().path());
}

#[test]
fn leftovers_are_told_when_nobody_writes_them() {
    let place = place();
    let task = place.task(TASK);
    let path = task.path().join(".task-state.yaml.x.tmp");
    fs::write(&path, "").unwrap();
    assert_eq!(findings(&place, 0), [""; 0]);
    let long_ago: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let file = fs::File::open(&path).unwrap();
    file.set_modified(SystemTime::from(long_ago)).unwrap();
    check(&place, 0, "leftover", &path);
    fs::remove_file(&path).unwrap();
    let trash = task.runs_folder().join(".gc-x");
    fs::create_dir(&trash).unwrap();
    check(&place, 0, "leftover", &trash);
}

#[test]
fn markers_that_are_no_files_are_told() {
    let place = place();
    let done = place.task(TASK).path().join("DONE");
    fs::create_dir(&done).unwrap();
    check(&place, 1, "marker_not_a_file", &done);
}

#[test]
fn what_stands_in_the_place_of_something_else_is_told() {
    let place = place();
    let task = place.task(TASK);
    let own = place.root.conductor_folder();
    fs::write(&own, "x").unwrap();
    check(&place, 1, "not_a_folder", &own);
    fs::remove_file(&own).unwrap();
    for path in [task.owner_lock(), task.bus(), task.state()] {
        fs::create_dir(&path).unwrap();
        check(&place, 1, "not_a_file", &path);
        fs::remove_dir(&path).unwrap();
    }
    fs::create_dir(&own).unwrap();
    private(&own);
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, own.join("index")).unwrap();
    check(&place, 1, "linked_folder", &own.join("index"));
    fs::remove_file(own.join("index")).unwrap();
    fs::remove_dir(&own).unwrap();
    symlink(&outside, &own).unwrap();
    check(&place, 1, "linked_folder", &own);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_file(&own).unwrap();
    fs::write(task.state(), "version: 1\nattempts: {total: 1}\n").unwrap();
    assert_eq!(findings(&place, 0), [""; 0]);
    fs::remove_dir(task.runs_folder()).unwrap();
    check(&place, 0, "runs_missing", &task.runs_folder());
    fs::write(task.runs_folder(), "x").unwrap();
    check(&place, 1, "not_a_folder", &task.runs_folder());
    fs::remove_file(task.runs_folder()).unwrap();
    fs::create_dir(task.runs_folder()).unwrap();
    for name in ["tsk", "task-2026-bad", "Not a task"] {
        let other = task.path().with_file_name(name);
        cl_storage::durable::rename(task.path(), &other).unwrap();
        check(&place, 0, "misnamed_task", &other);
        cl_storage::durable::rename(&other, task.path()).unwrap();
    }
}

#[test]
fn messages_that_never_reached_the_bus_are_told() {
    let place = place();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    fs::write(task.bus_spool(), "version: 1\nmessages: []\n").unwrap();
    private(&task.bus_spool());
    check(&place, 0, "unposted_messages", &task.bus_spool());
    own(&task, None);
    assert_eq!(findings(&place, 0), [""; 0], "its owner still tries");
}

#[test]
fn records_that_contradict_their_place_are_told() {
    let place = place();
    let task = place.task(TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let text = fs::read_to_string(run.info()).unwrap();
    for (key, value) in [
        ("run_id", "20260101-0000010000-1-1"),
        ("task_id", CHILD),
        ("project_id", "other"),
        ("status", "banana"),
    ] {
        let is_it = |line: &&str| line.starts_with(&format!("{key}:"));
        let line = text.lines().find(is_it).unwrap();
        let wrong = text.replace(line, &format!("{key}: {value}"));
        fs::write(run.info(), wrong).unwrap();
        check(&place, 1, "contradictory_record", &run.info());
    }
}

#[test]
fn links_are_told_and_not_followed() {
    let place = place();
    let task = place.task(TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let in_run = run.path().join("notes");
    symlink(&outside, &in_run).unwrap();
    check(&place, 0, "linked_file", &in_run);
    fs::remove_file(&in_run).unwrap();
    let project = place.root.path().join(PROJECT);
    for path in [
        place.root.path().join("linked"),
        project.join(CHILD),
        task.runs_folder().join("20260101-0000010000-1-1"),
    ] {
        symlink(&outside, &path).unwrap();
        check(&place, 1, "linked_folder", &path);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_others_may_read_is_told() {
    let place = place();
    let task = place.task(TASK);
    fs::set_permissions(place.root.path(), Permissions::from_mode(0o755)).unwrap();
    check(&place, 0, "open_root", place.root.path());
    private(place.root.path());
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    for path in [
        task.prompt(),
        task.supervisor_log(),
        run.prompt(),
        run.stderr(),
    ] {
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        check(&place, 0, "open_file", &path);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn damaged_bookkeeping_is_told_with_what_to_do() {
    for (name, code) in [
        ("limits/claude@work.yaml", "damaged_limits"),
        ("queue/000000000001-server-abcd.yaml", "damaged_queue_entry"),
        ("diversification.yaml", "damaged_turns"),
    ] {
        let place = place();
        let path = place.root.conductor_folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        };
        write("version: [");
        check(&place, 1, code, &path);
        write("version: 9\n");
        check(&place, 0, "newer_record", &path);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        check(&place, 1, "not_a_file", &path);
        fs::remove_dir(&path).unwrap();
        let copy = path.with_file_name("x.yaml.damaged-abcd");
        fs::write(&copy, "").unwrap();
        check(&place, 0, "set_aside", &copy);
    }
    let place = place();
    fs::create_dir(place.root.conductor_folder()).unwrap();
    for name in ["limits", "queue", "dependencies"] {
        let path = place.root.conductor_folder().join(name);
        fs::write(&path, "").unwrap();
        check(&place, 1, "not_a_folder", &path);
        fs::remove_file(&path).unwrap();
        symlink(place.work(), &path).unwrap();
        check(&place, 1, "linked_folder", &path);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn our_own_files_are_no_findings() {
    let place = place();
    let task = place.task(TASK);
    let own = place.root.conductor_folder();
    for folder in [
        task.gates_folder(),
        own.join("limits"),
        own.join("dependencies"),
    ] {
        fs::create_dir_all(folder).unwrap();
    }
    // Evidence is for everyone; a lock says nothing, whoever made it.
    fs::write(task.gates_folder().join("1.yaml"), "version: 1\n").unwrap();
    for name in [
        "limits/lock",
        "dependencies/demo.lock",
        "diversification.lock",
    ] {
        fs::write(own.join(name), "").unwrap();
    }
    assert_eq!(findings(&place, 0), [""; 0]);
    let printed = task.gates_folder().join("1.out");
    fs::write(&printed, "x").unwrap();
    check(&place, 0, "open_file", &printed);
}

#[test]
fn times_that_cannot_be_are_told() {
    let place = place();
    let task = place.task(TASK);
    let run = add_run(&task, 1, |info| {
        ended(RunStatus::Completed, 0)(info);
        info.end_time = Some("2025-01-01T00:00:00Z".parse().unwrap());
    });
    check(&place, 0, "odd_times", &run.info());
}

#[test]
fn a_root_without_room_is_an_error_and_takes_no_task() {
    let place = place();
    let small = place.path().join("small");
    fs::create_dir(&small).unwrap();
    let config = "agents:\n  s: {type: scripted, script: script.yaml}\n";
    fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let script = "version: 1\nsteps:\n  - done: true\n";
    fs::write(place.work().join("script.yaml"), script).unwrap();
    let [binary, root] = [env!("CARGO_BIN_EXE_run-agent"), small.to_str().unwrap()];
    let shell = format!(
        "cd {work} && mount -t tmpfs -o size=90m,mode=700 tmpfs {root} && \
         {binary} doctor storage --json --root {root}; echo code $?; \
         {binary} task --project demo --prompt x --root {root}; echo code $?; \
         ls -A {root}; mount -o remount,size=500m {root} && \
         {binary} task --project demo --prompt x --root {root}; echo code $?; \
         mount -o remount,ro {root} && {binary} doctor storage --root {root}; echo code $?",
        work = place.work().display(),
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "this test is about the process that users start"
    )]
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "/bin/sh", "-c", &shell])
        .env("HOME", "/nowhere");
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("code"))
        .collect();
    assert_eq!(
        lines,
        ["code 1", "code 1", "code 0", "code 0"],
        "{out}{err}"
    );
    let json: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    let codes: Vec<&str> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["passing_file_system", "no_space"]);
    assert!(err.contains("less than 100 MiB are free"), "{err}");
    assert!(err.contains("less than 1 GiB is free"), "{err}");
    assert!(out.contains("cannot be written to"), "{out}");
}
