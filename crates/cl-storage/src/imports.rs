//! Processes of others that are watched: each by one task of a root.
//!
//! ```text
//! lock -> is it watched? -> [its watcher takes a task and records the process] -> unlock
//! ```
//!
//! A crash frees the lock; what the watcher has recorded by then counts.

use std::time::Duration;

use crate::durable::Mode;
use crate::layout::{LayoutError, Root, TaskDir};
use crate::lock::{HeldLock, LockError};
use crate::process::ProcessIdentity;
use crate::run_info::{RunInfo, RunStatus};
use crate::task_state::LaunchSummary;

/// The kind of launch of an adopted process, in `launch.yaml`.
pub const KIND: &str = "import";

/// Keeps others from adopting a process of `root` until the lock is dropped.
///
/// Makes the root if it is missing. Blocks for `wait` at the most.
pub fn lock(root: &Root, wait: Duration) -> Result<HeldLock, LockError> {
    let path = root.conductor_folder().join("imports.lock");
    root.ensure()
        .map_err(std::io::Error::other)
        .and_then(|()| root.ensure_conductor_folder())
        .map_err(LockError::io(&path))?;
    HeldLock::acquire(&path, Mode::Private, wait)
}

/// Returns the task whose watcher has adopted `process`, also if that watcher was lost.
///
/// Reads the records of all adopted processes that nobody has seen the end of. One that
/// cannot be read is passed over.
pub fn task_of(root: &Root, process: &ProcessIdentity) -> Result<Option<TaskDir>, LayoutError> {
    for project in root.projects()? {
        for task in project.tasks()? {
            // Whoever has given a task up watches nothing.
            if task.owner().exists() && watches(&task, process) {
                return Ok(Some(task));
            }
        }
    }
    Ok(None)
}

fn watches(task: &TaskDir, process: &ProcessIdentity) -> bool {
    let launch = LaunchSummary::read(task).ok().flatten();
    let is_import = launch.is_some_and(|launch| launch.kind == KIND);
    let runs = if is_import { task.runs() } else { return false };
    runs.unwrap_or_default().iter().any(|run| {
        let info = RunInfo::read(run).ok().flatten();
        info.is_some_and(|info| {
            info.status == RunStatus::Running
                && info.pid == process.pid
                && info.process_start.as_ref() == Some(&process.start)
        })
    })
}
