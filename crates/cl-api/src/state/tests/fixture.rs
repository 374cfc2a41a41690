//! A root, what is done to it, and an index over it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cl_storage::marker::Cancellation;
use cl_storage::queue::{self, Accepted};
use cl_storage::run_info::{self, RunInfo, RunStatus};
use cl_storage::{Clock as _, ProjectId, Root, RunDir, SystemClock, TaskDir, TaskId};
use cl_testkit::patience;

use crate::state::index::{Following, Index};
use crate::state::keeper::Pace;
use crate::state::view::TaskEntry;
use crate::state::watches::{MakeNotifier, Notifier, Sink, WatchError};

pub(super) const NEVER: Duration = Duration::from_hours(1);
pub(super) const SOON: Duration = Duration::from_millis(20);

/// Follows notifications alone, and processes.
pub(super) fn only_told() -> Pace {
    Pace {
        glance: NEVER,
        list: NEVER,
        second: SOON,
        ..Pace::default()
    }
}

/// Follows nothing by itself.
pub(super) fn asleep() -> Pace {
    Pace {
        second: NEVER,
        ..only_told()
    }
}

/// Looks all the time.
pub(super) fn restless() -> Pace {
    Pace {
        glance: SOON,
        list: SOON,
        second: SOON,
        rest: 0,
        stroll: (Duration::from_secs(1), Duration::from_secs(1)),
        ..Pace::default()
    }
}

/// A notifier that tells nothing and has room for so many folders.
pub(super) fn mute(room: usize) -> MakeNotifier {
    Box::new(move |_| Ok(Box::new(Mute(room))))
}

/// A notifier that says nothing but that notifications were lost, as often as it is asked to.
pub(super) fn forgetful(lost: std::sync::mpsc::Sender<Sink>) -> MakeNotifier {
    Box::new(move |sink| {
        lost.send(sink).unwrap();
        Ok(Box::new(Mute(usize::MAX)))
    })
}

struct Mute(usize);

impl Notifier for Mute {
    fn watch(&mut self, _: &Path) -> Result<(), WatchError> {
        if self.0 == 0 {
            return Err(WatchError::Exhausted("no more watches".to_owned()));
        }
        self.0 -= 1;
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) {}
}

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) root: Root,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("root")).unwrap();
        root.ensure().unwrap();
        Self { folder, root }
    }

    pub(super) fn index(&self, make: MakeNotifier, pace: Pace) -> Index {
        self.index_beside(Vec::new(), make, pace)
    }

    pub(super) fn index_beside(
        &self,
        extra_roots: Vec<std::path::PathBuf>,
        make: MakeNotifier,
        pace: Pace,
    ) -> Index {
        let following = Following {
            root: self.root.clone(),
            extra_roots,
            is_read_only: true,
            clock: Arc::new(SystemClock),
        };
        Index::start_with(following, make, pace)
    }

    pub(super) fn make(&self, project: &str, task: &str) -> TaskDir {
        let task = self
            .root
            .task(&project_id(project), &task_id(task))
            .unwrap();
        task.ensure().unwrap();
        task
    }
}

pub(super) fn project_id(name: &str) -> ProjectId {
    ProjectId::parse(name).unwrap()
}

pub(super) fn task_id(name: &str) -> TaskId {
    TaskId::parse(&format!("task-20260101-000000-{name}")).unwrap()
}

pub(super) fn add_run(task: &TaskDir, status: RunStatus) -> RunDir {
    let now = SystemClock.now();
    let first = |run: &RunDir| {
        let mut info = RunInfo::preparing(run, "scripted", now);
        info.status = status;
        if status != RunStatus::Running {
            (info.phase, info.end_time) = (None, Some(now));
            info.exit_code = i32::from(status == RunStatus::Failed);
        }
        info
    };
    run_info::begin(task, now, first).unwrap().0
}

pub(super) fn given_up(superseded_by: Option<TaskId>) -> Cancellation {
    Cancellation {
        at: SystemClock.now(),
        reason: String::new(),
        superseded_by,
    }
}

/// Accepts a task as a server does that cannot launch it yet.
pub(super) fn accept(root: &Root, task: &TaskDir) {
    let accepted = Accepted {
        project: task.project(),
        task: task.id(),
        launch: "launch",
        run: None,
        request: serde_json::Value::Null,
        may_begin: false,
    };
    queue::submit(root, accepted, SystemClock.now()).unwrap();
}

/// Waits until the index shows a task as `is_it` wants it.
#[track_caller]
pub(super) fn shows(
    index: &Index,
    task: &TaskDir,
    what: &str,
    is_it: impl Fn(&TaskEntry) -> bool,
) -> Arc<TaskEntry> {
    patience::eventually(what, || {
        let view = index.view();
        let entry = view.task(task.project(), task.id())?;
        is_it(entry).then(|| Arc::clone(entry))
    })
}

/// Waits until the index shows no such task.
#[track_caller]
pub(super) fn shows_no(index: &Index, task: &TaskDir) {
    patience::until("the task is gone", || {
        index.view().task(task.project(), task.id()).is_none()
    });
}
