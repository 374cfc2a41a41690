//! Letting a task begin without the tasks that it waits for.

use cl_storage::dependencies::{self, DependencyError, joined};
use cl_storage::task_config::TaskConfig;
use cl_storage::{Root, TaskDir, TaskId};
use jiff::Timestamp;

use crate::decision::{self, NotPosted};

/// What was done.
#[derive(Debug)]
pub struct Unblocked {
    /// The dependencies that count no more since now.
    pub lifted: Vec<TaskId>,
    /// What the task depends on, as it stands behind that.
    pub config: TaskConfig,
    /// The bus of the task has not been told.
    pub warning: Option<NotPosted>,
}

/// Why a task was not unblocked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnblockError {
    /// The task does not depend on what was named.
    #[error("task {task} does not depend on {unknown}")]
    Unknown {
        /// The task.
        task: TaskId,
        /// What was named.
        unknown: TaskId,
        /// What it does depend on.
        depends_on: Vec<TaskId>,
    },
    /// The dependencies could not be read or written.
    #[error("could not unblock task {task}")]
    Dependencies {
        /// The task.
        task: TaskId,
        /// Why.
        source: DependencyError,
    },
}

impl UnblockError {
    /// Returns what there is to say to someone who named what the task does not depend on.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { depends_on, .. } if depends_on.is_empty() => {
                Some("it depends on no task".to_owned())
            }
            Self::Unknown { depends_on, .. } => {
                Some(format!("it depends on {}", joined(depends_on, ", ")))
            }
            Self::Dependencies { .. } => None,
        }
    }
}

/// Lifts the `named` dependencies of `task`, or all that still count, and tells its bus.
///
/// Returns after that is on disk. Blocks for the locks of the project and of the bus.
pub fn unblock_task(
    root: &Root,
    task: &TaskDir,
    named: &[TaskId],
    reason: &str,
    now: Timestamp,
) -> Result<Unblocked, UnblockError> {
    let reason = reason.trim();
    let failed = |source| UnblockError::Dependencies {
        task: task.id().clone(),
        source,
    };
    // A wrong name, or nothing to do, makes no lock file.
    let config = TaskConfig::read(task).map_err(|error| failed(error.into()))?;
    let mut lifted = still_counting(task, &config, named)?;
    let mut warning = None;
    if !lifted.is_empty() {
        let change = |config: &mut TaskConfig| {
            let lifted = still_counting(task, config, named)?;
            if !lifted.is_empty() {
                config.unblock(&lifted, reason, now);
            }
            Ok::<_, UnblockError>(lifted)
        };
        lifted = dependencies::update(root, task, change).map_err(failed)??;
    }
    if !lifted.is_empty() {
        // Whoever waits sees the file; this only spares the wait for its next look.
        crate::wake(task);
        let why = Some(reason).filter(|why| !why.is_empty());
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        let text = format!("dependencies lifted: {}{why}", joined(&lifted, ", "));
        warning = decision::post(task, text).err();
    }
    Ok(Unblocked {
        lifted,
        config: TaskConfig::read(task).unwrap_or_default(),
        warning,
    })
}

/// Returns what is to be lifted now: what was named, or all that still counts.
fn still_counting(
    task: &TaskDir,
    config: &TaskConfig,
    named: &[TaskId],
) -> Result<Vec<TaskId>, UnblockError> {
    let unknown = named.iter().find(|id| !config.depends_on.contains(id));
    if let Some(unknown) = unknown {
        return Err(UnblockError::Unknown {
            task: task.id().clone(),
            unknown: unknown.clone(),
            depends_on: config.depends_on.clone(),
        });
    }
    let counting = config.gating();
    let is_meant = |id: &TaskId| named.is_empty() || named.contains(id);
    Ok(counting.into_iter().filter(is_meant).collect())
}
