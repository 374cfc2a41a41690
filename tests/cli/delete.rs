//! `task delete`, as the built binary does it.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use cl_storage::lock::HeldLock;
use cl_storage::run_info::RunStatus;
use cl_testkit::terminal::Terminal;

use crate::place::{CHILD, DEAD, PROJECT, Place, TASK, add_run, adopt, alive, ended, own};
use crate::schema::assert_valid;

#[test]
fn a_task_that_has_ended_goes_with_all_it_has() {
    let place = Place::new();
    let task = place.task(TASK);
    let other = place.task(CHILD);
    add_run(&task, 1, ended(RunStatus::Completed, 0));
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("sentinel"), "x").unwrap();
    symlink(&outside, task.path().join("link")).unwrap();
    let json = place
        .run(&format!("task delete {TASK} --project {PROJECT} --json"))
        .json();
    assert_valid("task-delete", &json);
    assert_eq!(json["task"], TASK);
    assert!(!task.path().exists());
    assert!(other.path().exists());
    assert!(outside.join("sentinel").exists());
    place
        .run(&format!("task delete {TASK} --project {PROJECT}"))
        .fails(3, "does not exist");
    let said = place.run(&format!("task delete {CHILD} --project {PROJECT}"));
    assert_eq!(said.ok(), format!("Deleted task: {CHILD}\n"));
}

#[test]
fn what_is_active_is_named_and_left_alone() {
    let place = Place::new();
    let task = place.task(TASK);
    let run = add_run(&task, 1, alive);
    let line = format!("task delete {TASK} --project {PROJECT}");
    let refused = place.run_changing_nothing(&line);
    assert!(refused.err.contains(run.id().as_str()), "{}", refused.err);
    let pid = format!("(pid {})", std::process::id());
    assert!(refused.err.contains(&pid), "{}", refused.err);
    refused.fails(4, "--force");
    // An owner counts without any run, and a child without an owner.
    let owned = place.task(CHILD);
    own(&owned, None);
    let line = format!("task delete {CHILD} --project {PROJECT}");
    place
        .run_changing_nothing(&line)
        .fails(4, "supervisor (pid");
}

#[test]
fn a_live_child_keeps_its_parent() {
    let place = Place::new();
    let task = place.task(TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let child = place.task(CHILD);
    adopt(&run, &child);
    add_run(&child, 2, alive);
    let line = format!("task delete {TASK} --project {PROJECT}");
    place
        .run_changing_nothing(&line)
        .fails(4, &format!("child task {PROJECT}/{CHILD}"));
}

#[test]
fn what_is_dead_or_lost_may_go() {
    let place = Place::new();
    let task = place.task(TASK);
    own(&task, Some(DEAD));
    add_run(&task, 1, |info| {
        alive(info);
        info.pid = DEAD;
    });
    place
        .run(&format!("task delete {TASK} --project {PROJECT}"))
        .ok();
    assert!(!task.path().exists());
}

#[test]
fn a_task_is_not_deleted_while_somebody_holds_its_lock() {
    let place = Place::new();
    let task = place.task(TASK);
    let mode = cl_storage::durable::Mode::Shared;
    let held = HeldLock::acquire(&task.owner_lock(), mode, Duration::ZERO).unwrap();
    let line = format!("task delete {TASK} --project {PROJECT}");
    place.run_changing_nothing(&line).fails(4, "owner.lock");
    drop(held);
    place.run(&line).ok();
}

#[test]
fn of_many_that_delete_a_task_at_once_one_does_and_the_others_find_none() {
    for _ in 0..5 {
        let place = Place::new();
        let task = place.task(TASK);
        let mode = cl_storage::durable::Mode::Shared;
        let held = HeldLock::acquire(&task.owner_lock(), mode, Duration::ZERO).unwrap();
        let line = format!("task delete {TASK} --project {PROJECT}");
        let children: Vec<_> = (0..3).map(|_| place.start(&line)).collect();
        // All of them have seen the task; then it is free.
        let lock = task.owner_lock();
        cl_testkit::patience::until("all to wait for the lock", || {
            children.iter().all(|child| {
                let open = fs::read_dir(format!("/proc/{}/fd", child.id()));
                let mut open = open.into_iter().flatten().flatten();
                open.any(|file| fs::read_link(file.path()).is_ok_and(|path| path == lock))
            })
        });
        drop(held);
        let ends = children.into_iter().map(|child| {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code().unwrap(), said)
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort();
        let codes: Vec<i32> = ends.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [0, 3, 3], "{ends:?}");
        assert!(!task.path().exists());
    }
}

#[test]
fn names_that_leave_the_root_and_links_are_refused() {
    let place = Place::new();
    let sentinel = place.path().join("work/sentinel");
    fs::create_dir(&sentinel).unwrap();
    place.task(TASK);
    for id in ["../work", "..", "/etc", "a/b", "%2e%2e", ".hidden", "_x"] {
        let ran = place.run_changing_nothing(&format!("task delete {id} --project {PROJECT}"));
        assert!(matches!(ran.code, Some(2 | 3)), "{id}: {}", ran.err);
        let ran = place.run_changing_nothing(&format!("task delete {TASK} --project {id}"));
        assert!(matches!(ran.code, Some(2 | 3)), "{id}: {}", ran.err);
    }
    let link = place.root.path().join(PROJECT).join(CHILD);
    symlink(&sentinel, &link).unwrap();
    place
        .run_changing_nothing(&format!("task delete {CHILD} --project {PROJECT} --force"))
        .fails(4, "symbolic link");
    assert!(sentinel.exists());
}

#[test]
fn the_task_must_be_named() {
    let place = Place::new();
    let task = place.task(TASK);
    let mut command = place.command(["task", "delete", "--project", PROJECT]);
    command.env("JRUN_TASK_FOLDER", task.path());
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    // Nor does a task delete itself.
    let mut command = place.command(["task", "delete", TASK, "--project", PROJECT]);
    command.env("JRUN_TASK_FOLDER", task.path());
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(4));
    assert!(task.path().exists());
}

#[test]
fn dependents_are_warned_of() {
    let place = Place::new();
    place.task(TASK);
    let other = place.task(CHILD);
    fs::write(
        other.path().join("TASK-CONFIG.yaml"),
        format!("depends_on: [{TASK}]\n"),
    )
    .unwrap();
    let ran = place.run(&format!("task delete {TASK} --project {PROJECT} --json"));
    assert!(
        ran.err.contains(&format!("{CHILD} waits for {TASK}")),
        "{}",
        ran.err
    );
    let json = ran.json();
    assert_valid("task-delete", &json);
    assert_eq!(json["dependents"][0], CHILD);
}

#[test]
fn a_terminal_is_asked() {
    let place = Place::new();
    let task = place.task(TASK);
    let command = || place.command(["task", "delete", TASK, "--project", PROJECT]);
    let terminal = Terminal::start(&command());
    terminal.wait_for("[y/N]");
    terminal.enter("\r");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("Nothing was deleted"), "{shown}");
    // Ctrl-C while it asks changes nothing, either.
    let terminal = Terminal::start(&command());
    terminal.wait_for("[y/N]");
    terminal.enter("\x03");
    assert_eq!(terminal.finish().0, 130);
    assert!(task.path().exists());
    let terminal = Terminal::start(&command());
    terminal.wait_for("[y/N]");
    terminal.enter("yes\r");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0, "{shown}");
    assert!(!task.path().exists());
    place.task(TASK);
    let mut sure = command();
    sure.arg("--yes");
    assert_eq!(Terminal::start(&sure).finish().0, 0);
    assert!(!task.path().exists());
}
