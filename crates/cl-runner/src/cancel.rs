//! Giving a task up for good, and taking that back.
//!
//! The wish is on disk before anything is ended: whoever is killed in between leaves a task
//! that ends and is not begun again.

use std::io;
use std::path::PathBuf;

use cl_storage::layout::LayoutError;
use cl_storage::marker::{self, Cancellation, Marker};
use cl_storage::owner::OwnerState;
use cl_storage::queue::{self, QueueError};
use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, Root, TaskDir, TaskId};

use crate::decision;
use crate::stop::{StopError, StopOptions, StopReport, stop_task};

/// How many tasks in a row, each in the place of the one before, are followed.
const MOST_SUCCESSORS: usize = 1000;

/// What becomes of that which runs.
#[derive(Debug, Clone)]
pub enum WhenActive {
    /// It is in the way: nothing is done.
    Refuse,
    /// It is stopped, before the call returns.
    Stop(StopOptions),
    /// Whoever asks stops it afterwards.
    Leave,
}

/// A task that was given up.
#[derive(Debug)]
pub struct Cancelled {
    /// It had not been given up before.
    pub is_new: bool,
    /// What holds: that which was said first.
    pub cancellation: Cancellation,
    /// Something was there to be stopped, and was.
    pub has_stopped: bool,
    /// What else there is to say; nothing of it undoes the rest.
    pub warnings: Vec<String>,
}

/// Why a task was not given up, or not stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// The task that is to count in its place is the task itself.
    #[error("task {0} cannot be superseded by itself")]
    Itself(TaskId),
    /// The task that is to count in its place was given up for this one.
    #[error("task {task} cannot be superseded by {successor}, which it supersedes")]
    Circle {
        /// The task.
        task: TaskId,
        /// The one that was to count in its place.
        successor: TaskId,
    },
    /// Something of it runs.
    #[error("{what} of task {task} is active")]
    Active {
        /// The task.
        task: TaskId,
        /// What runs.
        what: String,
    },
    /// The task cannot be looked at.
    #[error(transparent)]
    Look(#[from] LayoutError),
    /// The marker cannot be written.
    #[error("could not write {}", .path.display())]
    Mark {
        /// The marker.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// It is given up, and stays in the queue, from which nobody will take it.
    #[error("could not take the task out of the queue")]
    Queue(#[from] QueueError),
    /// It is given up, and may run on.
    #[error("the task was given up, but not stopped")]
    Stop(#[from] StopError),
    /// It is given up, and some of it could not be ended.
    #[error(
        "task {task} was given up, but {left} processes of it survive; `run-agent ps` shows them"
    )]
    Survivors {
        /// The task.
        task: TaskId,
        /// How many.
        left: u32,
    },
}

impl CancelError {
    /// Tells whether what was asked for can never be done.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Itself(_) | Self::Circle { .. })
    }

    /// Tells whether the present state of the task is in the way.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Active { .. })
    }
}

/// Gives `task` up, takes it out of the queue and says so on its bus.
///
/// Returns after the marker is on disk and, with [`WhenActive::Stop`], after everything that
/// ran has ended; blocks for the grace of the stop at the longest, and some seconds. A task that
/// was given up before stays as it was said first, and is stopped all the same.
pub fn cancel_task(
    root: &Root,
    task: &TaskDir,
    cancellation: Cancellation,
    when_active: &WhenActive,
    clock: &dyn Clock,
) -> Result<Cancelled, CancelError> {
    let id = task.id();
    let mut warnings = Vec::new();
    if let Some(successor) = &cancellation.superseded_by {
        check_successor(root, task, successor)?;
        let there = root.task(task.project(), successor);
        if !there.is_ok_and(|there| there.exists()) {
            warnings.push(format!("task {successor} does not exist"));
        }
    }
    let view = TaskView::read(root, task, clock.now())?;
    if let (WhenActive::Refuse, Some(what)) = (when_active, active(&view)) {
        let task = id.clone();
        return Err(CancelError::Active { task, what });
    }
    let is_new = marker::cancel(task, &cancellation).map_err(|source| CancelError::Mark {
        path: Marker::Cancelled.path(task),
        source,
    })?;
    let mut has_stopped = false;
    if let WhenActive::Stop(options) = when_active
        && (view.is_active() || view.owner_state != OwnerState::None)
    {
        let report = stop_task(root, task, options, clock)?;
        let left = report.survivors();
        if left > 0 {
            let task = id.clone();
            return Err(CancelError::Survivors { task, left });
        }
        has_stopped = !matches!(report, StopReport::NothingRunning { .. });
    }
    queue::drop_entries(root, task.project(), id)?;
    // What was said first is what counts.
    let cancellation = marker::cancellation(task).unwrap_or(cancellation);
    if is_new {
        let successor = cancellation.superseded_by.as_ref();
        let successor = successor.map(|id| format!("; superseded by {id}"));
        let successor = successor.unwrap_or_default();
        let text = format!("task cancelled: {}{successor}", cancellation.reason);
        warnings.extend(decision::post(task, text).err().map(|e| e.to_string()));
    }
    Ok(Cancelled {
        is_new,
        cancellation,
        has_stopped,
        warnings,
    })
}

/// Takes the giving up of `task` back and says so on its bus; nothing is started.
///
/// Returns `None` if it was not given up, else what else there is to say. Returns after the
/// marker's removal is on disk.
pub fn uncancel_task(task: &TaskDir) -> Result<Option<Vec<String>>, CancelError> {
    let path = Marker::Cancelled.path(task);
    if !path.is_file() {
        return Ok(None);
    }
    marker::clear(task, Marker::Cancelled).map_err(|source| CancelError::Mark { path, source })?;
    let failed = decision::post(task, "task uncancelled".to_owned()).err();
    Ok(Some(failed.iter().map(ToString::to_string).collect()))
}

/// Follows the successors of `successor`, so that none of them is `task`.
///
/// Two that are given up for each other at the same moment are not seen; whoever waits for
/// either then finds a dependency that cannot be met.
fn check_successor(root: &Root, task: &TaskDir, successor: &TaskId) -> Result<(), CancelError> {
    if successor == task.id() {
        return Err(CancelError::Itself(successor.clone()));
    }
    let mut at = successor.clone();
    for _ in 0..MOST_SUCCESSORS {
        let said = root.task(task.project(), &at).ok();
        let Some(next) = said.and_then(|dir| marker::cancellation(&dir)?.superseded_by) else {
            return Ok(());
        };
        if &next == task.id() {
            break;
        }
        at = next;
    }
    Err(CancelError::Circle {
        task: task.id().clone(),
        successor: successor.clone(),
    })
}

/// Returns what of the task runs, in words.
fn active(view: &TaskView) -> Option<String> {
    let run = view.runs.iter().find(|run| run.is_active);
    let run = run.map(|run| format!("run {}", run.run.id()));
    let child = view.active_children.first();
    run.or_else(|| child.map(|child| format!("child task {}", child.task)))
}
