//! What happens to files is followed.

use cl_storage::marker::{self, Marker};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::process::ProcessIdentity;
use cl_storage::queue;
use cl_storage::run_info::{self, Phase, RunStatus};
use cl_storage::status::TaskStatus;
use cl_storage::task_state::{Child, TaskState};
use cl_storage::{Clock as _, SystemClock, TaskDir};
use cl_testkit::patience;
use tokio::sync::broadcast::error::TryRecvError;

use super::fixture::*;
use crate::state::index::{Index, Mode};
use crate::state::watches::{Event, system_notifier};
use crate::state::{Change, TaskEntry};

/// Leads a task of `index` through its life, whichever way the index learns of it.
fn follows_a_life(fixture: &Fixture, index: &Index) {
    let before = index.view().version;
    let task = fixture.make("p", "abc");
    shows(index, &task, "it appears", |entry| {
        entry.row.status == TaskStatus::Idle
    });
    let run = add_run(&task, RunStatus::Running);
    shows(index, &task, "its run appears", |entry| entry.row.runs == 1);
    run_info::update(&run, |info| {
        (info.status, info.phase, info.exit_code) = (RunStatus::Failed, None, 7);
    })
    .unwrap();
    let failed = shows(index, &task, "it fails", |entry| {
        entry.row.exit_code == Some(7)
    });
    assert_eq!(failed.row.status, TaskStatus::Failed);
    let other = fixture.make("q", "def");
    shows(index, &other, "another project", |_| true);
    std::fs::remove_dir_all(other.path()).unwrap();
    shows_no(index, &other);
    std::fs::remove_dir_all(fixture.root.path().join("q")).unwrap();
    patience::until("the project is gone", || {
        !index.view().projects.contains_key(&project_id("q"))
    });
    assert!(index.view().version > before);
}

#[test]
fn a_task_is_followed_by_notifications() {
    let fixture = Fixture::new();
    let index = fixture.index(system_notifier(), only_told());
    follows_a_life(&fixture, &index);
    assert_eq!(
        (index.health().mode, index.health().problem),
        (Mode::Watching, None)
    );
}

#[test]
fn without_notifications_files_are_polled_and_health_says_so() {
    let fixture = Fixture::new();
    let pace = crate::state::keeper::Pace {
        rest: 0,
        ..only_told()
    };
    let index = fixture.index(Box::new(|_| Err("no inotify".to_owned())), pace);
    follows_a_life(&fixture, &index);
    let health = index.health();
    assert_eq!(health.mode, Mode::Polling);
    assert_eq!(health.problem.as_deref(), Some("no inotify"));
}

#[test]
fn when_watches_run_out_files_are_polled() {
    let fixture = Fixture::new();
    let pace = crate::state::keeper::Pace {
        rest: 0,
        ..only_told()
    };
    let index = fixture.index(mute(3), pace);
    index.view();
    for name in ["one", "two", "three"] {
        fixture.make("p", name);
    }
    index.look_again(&project_id("p"), &task_id("one"));
    assert_eq!(index.health().mode, Mode::Polling);
    follows_a_life(&fixture, &index);
}

#[test]
fn lost_notifications_make_it_look_at_everything() {
    let fixture = Fixture::new();
    let (sender, sinks) = std::sync::mpsc::channel();
    let index = fixture.index(forgetful(sender), asleep());
    let first = fixture.make("p", "abc");
    let sink = sinks.recv().unwrap();
    patience::until("it is told", || {
        sink.events.send(Event::Lost).unwrap();
        index.view().task(first.project(), first.id()).is_some()
    });
    let second = fixture.make("p", "def");
    sink.is_full
        .store(true, std::sync::atomic::Ordering::Release);
    sink.events.send(Event::Wake).unwrap();
    shows(&index, &second, "the one that had no room", |_| true);
}

#[test]
fn ended_tasks_are_looked_at_now_and_then() {
    let fixture = Fixture::new();
    let tasks: Vec<TaskDir> = (0..5)
        .map(|n| fixture.make("p", &format!("t{n:03}")))
        .collect();
    let runs: Vec<_> = tasks
        .iter()
        .map(|task| add_run(task, RunStatus::Completed))
        .collect();
    let index = fixture.index(mute(usize::MAX), restless());
    shows(&index, &tasks[1], "it has ended", |entry| {
        entry.row.status == TaskStatus::Completed
    });
    marker::create_done(&tasks[1]).unwrap();
    shows(&index, &tasks[1], "it is done", |entry| entry.row.done);
    std::fs::remove_dir_all(tasks[2].path()).unwrap();
    shows_no(&index, &tasks[2]);
    // In place, which changes no folder.
    std::fs::write(runs[3].info(), "version: [").unwrap();
    shows(&index, &tasks[3], "its damage", |entry| {
        !entry.row.problems.is_empty()
    });
}

#[test]
fn two_hundred_tasks_that_change_at_once_are_all_followed() {
    let fixture = Fixture::new();
    let tasks: Vec<TaskDir> = (0..200)
        .map(|n| fixture.make("p", &format!("t{n:03}")))
        .collect();
    let index = fixture.index(system_notifier(), only_told());
    assert_eq!(index.view().tasks().count(), 200);
    for task in &tasks {
        add_run(task, RunStatus::Completed);
    }
    for task in &tasks {
        shows(&index, task, "its run", |entry| {
            entry.row.status == TaskStatus::Completed
        });
    }
}

#[test]
fn an_owner_that_dies_is_noticed_though_no_file_changes() {
    let fixture = Fixture::new();
    let task = fixture.make("p", "abc");
    #[expect(clippy::disallowed_methods, reason = "a supervisor that is killed")]
    let mut process = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let pid = i32::try_from(process.id()).unwrap();
    let identity = ProcessIdentity::of(pid).unwrap().unwrap();
    let owner = Owner {
        version: 1,
        pid,
        process_start: identity.start,
        launch_id: "l1".into(),
        since: SystemClock.now(),
    };
    std::fs::write(task.owner(), serde_json::to_string(&owner).unwrap()).unwrap();
    let index = fixture.index(mute(usize::MAX), only_told());
    shows(&index, &task, "its owner", |entry| {
        entry.row.owner == OwnerState::Alive
    });
    process.kill().unwrap();
    process.wait().unwrap();
    shows(&index, &task, "that it is lost", |entry| {
        entry.row.owner == OwnerState::Lost
    });
}

#[test]
fn places_in_the_queue_are_followed() {
    let fixture = Fixture::new();
    let tasks = ["one", "two", "three"].map(|name| fixture.make("p", name));
    let index = fixture.index(system_notifier(), only_told());
    index.view();
    for task in &tasks {
        accept(&fixture.root, task);
    }
    let place = |place| {
        move |entry: &TaskEntry| {
            let is_queued = entry.row.status == TaskStatus::Queued;
            entry.row.queue_position == place && is_queued == place.is_some()
        }
    };
    for (number, task) in tasks.iter().enumerate() {
        shows(&index, task, "its place", place(Some(number + 1)));
    }
    queue::drop_entries(&fixture.root, &project_id("p"), tasks[0].id()).unwrap();
    shows(&index, &tasks[0], "that it waits no more", place(None));
    for (number, task) in tasks[1..].iter().enumerate() {
        shows(&index, task, "its next place", place(Some(number + 1)));
    }
}

#[test]
fn what_a_task_shows_of_others_follows_them() {
    let fixture = Fixture::new();
    let [first, blocked] = ["first", "blocked"].map(|name| fixture.make("p", name));
    std::fs::write(blocked.config(), format!("depends_on: [{}]\n", first.id())).unwrap();
    let (parent, child) = (fixture.make("p", "parent"), fixture.make("q", "child"));
    let run = add_run(&parent, RunStatus::Completed);
    let mut state = TaskState::default();
    state.children.push(Child {
        project: child.project().clone(),
        task: child.id().clone(),
        parent_run: run.id().clone(),
    });
    state.write(&parent).unwrap();
    let index = fixture.index(mute(usize::MAX), asleep());
    let row = |task: &TaskDir| {
        index
            .view()
            .task(task.project(), task.id())
            .unwrap()
            .row
            .clone()
    };
    assert_eq!(row(&blocked).status, TaskStatus::Blocked);
    assert_eq!(row(&blocked).deadlocked_by, [first.id().clone()]);
    assert!(!row(&parent).children[0].active);
    // Only the others are looked at.
    marker::create_done(&first).unwrap();
    index.look_again(first.project(), first.id());
    assert_eq!(row(&blocked).status, TaskStatus::Idle);
    assert!(row(&blocked).deadlocked_by.is_empty());
    let me = ProcessIdentity::current().unwrap();
    let at_work = add_run(&child, RunStatus::Running);
    run_info::update(&at_work, |info| {
        info.phase = Some(Phase::Running);
        (info.pid, info.process_start) = (me.pid, Some(me.start));
    })
    .unwrap();
    index.look_again(child.project(), child.id());
    assert!(row(&child).active && row(&parent).active);
    assert!(row(&parent).children[0].active);
    std::fs::remove_dir_all(child.path()).unwrap();
    index.look_again(child.project(), child.id());
    assert!(!row(&parent).active && !row(&parent).children[0].active);
}

#[test]
fn who_asks_for_a_look_finds_it_in_the_next_view() {
    let fixture = Fixture::new();
    let index = fixture.index(mute(usize::MAX), asleep());
    assert!(index.view().projects.is_empty());
    let mut changes = index.changes();
    let task = fixture.make("p", "abc");
    index.look_again(task.project(), task.id());
    let view = index.view();
    let entry = view.task(task.project(), task.id()).unwrap();
    assert_eq!(entry.row.status, TaskStatus::Idle);
    assert!(matches!(changes.try_recv(), Ok(Change::Project(id)) if id == project_id("p")));
    assert!(matches!(changes.try_recv(), Ok(Change::Task(_))));
    marker::cancel(&task, &given_up(None)).unwrap();
    index.look_again(task.project(), task.id());
    let now = index.view();
    let now = now.task(task.project(), task.id()).unwrap();
    assert_eq!(now.row.status, TaskStatus::Cancelled);
    assert_eq!(entry.row.status, TaskStatus::Idle, "a view stays as it was");
    std::fs::remove_dir_all(task.path()).unwrap();
    index.look_again(task.project(), task.id());
    assert!(index.view().task(task.project(), task.id()).is_none());
    std::fs::remove_dir_all(fixture.root.path().join("p")).unwrap();
    index.look_again_at_project(task.project());
    assert!(index.view().projects.is_empty());
    let rest: Vec<Change> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    assert!(
        matches!(rest.last(), Some(Change::ProjectGone(_))),
        "{rest:?}"
    );
}

#[test]
fn who_lags_behind_takes_a_new_view() {
    let fixture = Fixture::new();
    let task = fixture.make("p", "abc");
    let index = fixture.index(mute(usize::MAX), asleep());
    index.view();
    let mut changes = index.changes();
    let done = Marker::Done.path(&task);
    for _ in 0..2100 {
        std::fs::write(&done, "").unwrap();
        index.look_again(task.project(), task.id());
        std::fs::remove_file(&done).unwrap();
        index.look_again(task.project(), task.id());
    }
    assert!(matches!(changes.try_recv(), Err(TryRecvError::Lagged(_))));
    assert_eq!(
        index.view().tasks().next().unwrap().row.status,
        TaskStatus::Idle
    );
}
