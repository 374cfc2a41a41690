//! Deleting a task, after making sure that nothing of it runs.
//!
//! ```text
//! look -> (stop what runs, verified) -> owner.lock -> look again -> rename -> unlock -> remove
//! ```
//!
//! The lock comes before the second look, so nobody can start the task between
//! that look and the rename. A crash leaves the task, maybe stopped, or a folder
//! that readers ignore and the next collection removes.

use std::fmt;
use std::time::Duration;

use cl_storage::gc::{Deleted, Deletion, GcError};
use cl_storage::process::{ProcessIdentity, ProcessStat};
use cl_storage::queue;
use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, LayoutError, ProjectId, Root, RunId, TaskDir, TaskId};

use crate::process::census;
use crate::settle;
use crate::stop::{StopError, StopOptions, StopReport, stop_task};

/// How long a starter, a collection or a command that settles may hold the task.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// What happens to a task that is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhenActive {
    /// It is left as it is.
    Refuse,
    /// It is stopped first, and its children.
    Stop(StopOptions),
}

/// Something that keeps a task from being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Active {
    /// Its supervisor is alive.
    Supervisor {
        /// The supervisor.
        pid: i32,
    },
    /// One of its runs has not ended.
    Run {
        /// The run.
        run: RunId,
        /// Its process; none is recorded while it is being made ready.
        pid: Option<i32>,
    },
    /// A task that one of its runs has launched is active.
    Child {
        /// The project of the child.
        project: ProjectId,
        /// The child.
        task: TaskId,
    },
    /// A process works for it that no record names.
    Process {
        /// The process.
        pid: i32,
        /// Name of its executable, cut by the kernel.
        name: String,
    },
}

impl fmt::Display for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervisor { pid } => write!(f, "supervisor (pid {pid})"),
            Self::Run { run, pid: None } => write!(f, "run {run}"),
            Self::Run {
                run,
                pid: Some(pid),
            } => write!(f, "run {run} (pid {pid})"),
            Self::Child { project, task } => write!(f, "child task {project}/{task}"),
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
        }
    }
}

/// What deleting a task did.
#[derive(Debug)]
pub struct DeleteReport {
    /// What was deleted.
    pub deleted: Deleted,
    /// What was active before and was stopped.
    pub stopped: Vec<Active>,
}

/// Why a task was not deleted; it is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// Something of it runs.
    #[error("{task} is active: {}", list(what))]
    Active {
        /// The task.
        task: TaskId,
        /// What runs.
        what: Vec<Active>,
    },
    /// It could not be stopped.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// It was stopped, but not all of it ended.
    #[error("{survivors} processes and {children} child tasks of {task} survive")]
    Survivors {
        /// The task.
        task: TaskId,
        /// Processes that could not be ended.
        survivors: u32,
        /// Children that are still active.
        children: usize,
    },
    /// Its files could not be looked at.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// It could not be locked or renamed.
    #[error(transparent)]
    Delete(#[from] GcError),
}

impl DeleteError {
    /// Tells whether the task may be deleted later, or by other means, but not now.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Active { .. } | Self::Stop(StopError::External { .. }) => true,
            Self::Delete(GcError::Lock(error)) => error.is_timeout(),
            _ => false,
        }
    }
}

fn list(what: &[Active]) -> String {
    let shown: Vec<String> = what
        .iter()
        .take(MOST_NAMED)
        .map(ToString::to_string)
        .collect();
    match what.len().saturating_sub(MOST_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// How many active things an error names.
const MOST_NAMED: usize = 8;

/// Deletes the folder of `task`, which exists, with everything in it, and takes it out of the queue.
///
/// Blocks for the grace period of `when_active` and some seconds more. Afterwards
/// nobody sees the task, even if some of its files could not be removed.
pub fn delete_task(
    root: &Root,
    task: &TaskDir,
    when_active: &WhenActive,
    clock: &dyn Clock,
) -> Result<DeleteReport, DeleteError> {
    let stopped = active(root, task, clock)?;
    if !stopped.is_empty() {
        match when_active {
            WhenActive::Refuse => {
                return Err(DeleteError::Active {
                    task: task.id().clone(),
                    what: stopped,
                });
            }
            WhenActive::Stop(options) => stop(root, task, options, clock)?,
        }
    }
    let deletion = Deletion::begin(task, LOCK_WAIT)?;
    let what = active(root, task, clock)?;
    if !what.is_empty() {
        return Err(DeleteError::Active {
            task: task.id().clone(),
            what,
        });
    }
    // Nobody begins it as long as the deletion has its lock.
    if let Err(error) = queue::drop_entries(root, task.project(), task.id()) {
        // An entry without a task is dropped when its turn comes.
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, task = %task.id(), "is still in the queue");
    }
    let deleted = deletion.carry_out(root)?;
    Ok(DeleteReport { deleted, stopped })
}

/// Deletes the folder of one run of `task`; returns how much room that makes, in bytes.
///
/// Refused while the run is active, and while anybody is at work on the task: whoever is
/// may go on from this very run. Blocks for some seconds at the most.
pub fn delete_run(
    root: &Root,
    task: &TaskDir,
    run: &RunId,
    clock: &dyn Clock,
) -> Result<u64, DeleteError> {
    let refused = |what| {
        Err(DeleteError::Active {
            task: task.id().clone(),
            what,
        })
    };
    let is_its = |found: &Active| matches!(found, Active::Run { run: active, .. } if active == run);
    let deletion = match Deletion::begin(task, LOCK_WAIT) {
        Ok(deletion) => deletion,
        Err(error) => {
            let what = active(root, task, clock)?;
            return if what.is_empty() {
                Err(error.into())
            } else {
                refused(what)
            };
        }
    };
    let mut what = active(root, task, clock)?;
    what.retain(|found| is_its(found) || matches!(found, Active::Supervisor { .. }));
    if !what.is_empty() {
        return refused(what);
    }
    Ok(deletion.carry_out_run(root, run)?)
}

fn stop(
    root: &Root,
    task: &TaskDir,
    options: &StopOptions,
    clock: &dyn Clock,
) -> Result<(), DeleteError> {
    let (mut survivors, mut children) = match stop_task(root, task, options, clock)? {
        StopReport::NothingRunning { .. } | StopReport::StillRunning => (0, 0),
        StopReport::Stopped {
            survivors,
            left_children,
        } => (survivors, left_children),
        StopReport::EndedDeleted { survivors, .. }
        | StopReport::ChildrenStopped { survivors, .. }
        | StopReport::SettledLost { survivors, .. } => (survivors, 0),
    };
    if survivors == 0 {
        // What no record names carries the mark of the task all the same.
        survivors = settle::end_marked(root, task, options.grace).1;
    }
    let view = TaskView::read(root, task, clock.now())?;
    children = children.max(view.active_children.len());
    if survivors == 0 && children == 0 {
        return Ok(());
    }
    Err(DeleteError::Survivors {
        task: task.id().clone(),
        survivors,
        children,
    })
}

/// Lists what is active of `task`.
fn active(root: &Root, task: &TaskDir, clock: &dyn Clock) -> Result<Vec<Active>, DeleteError> {
    let view = TaskView::read(root, task, clock.now())?;
    let marked = census::of_task(root.path(), task);
    Ok(judge(&view, &marked))
}

/// Decides what counts as active: everything that is alive or may be.
fn judge(view: &TaskView, marked: &[ProcessIdentity]) -> Vec<Active> {
    let mut found = Vec::new();
    let owner = view.owner.as_ref().filter(|owner| owner.is_alive());
    found.extend(owner.map(|owner| Active::Supervisor { pid: owner.pid }));
    for run in view.runs.iter().filter(|run| run.is_active) {
        let info = run.info.as_ref().ok();
        let pid = info
            .filter(|info| info.has_agent_process())
            .map(|info| info.pid);
        found.push(Active::Run {
            run: run.run.id().clone(),
            pid,
        });
    }
    for child in &view.active_children {
        found.push(Active::Child {
            project: child.project.clone(),
            task: child.task.clone(),
        });
    }
    if found.is_empty() {
        let processes = marked.iter().filter_map(|process| {
            let stat = ProcessStat::read(process.pid).ok()??;
            Some(Active::Process {
                pid: process.pid,
                name: stat.name,
            })
        });
        found.extend(processes);
    }
    found
}
