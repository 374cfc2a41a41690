//! One moment of what is below the root.

use std::collections::BTreeMap;
use std::sync::Arc;

use cl_storage::{ProjectId, TaskId};
use cl_wire::{RunRow, TaskRow};
use jiff::Timestamp;

/// One moment of what is below the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Grows with every change.
    pub(crate) version: u64,
    /// The projects.
    pub(crate) projects: BTreeMap<ProjectId, Arc<ProjectView>>,
    /// What could not be listed at all.
    pub(crate) problems: Vec<String>,
}

/// One moment of a project.
#[derive(Debug, Clone)]
pub(crate) struct ProjectView {
    /// The project.
    pub(crate) id: ProjectId,
    /// The version of the view in which it changed last.
    pub(crate) version: u64,
    /// The tasks.
    pub(crate) tasks: BTreeMap<TaskId, Arc<TaskEntry>>,
    /// What of it could not be read, beside the problems of its tasks.
    pub(crate) problems: Vec<String>,
}

/// One moment of a task.
#[derive(Debug, Clone)]
pub(crate) struct TaskEntry {
    /// The task as it is shown.
    pub(crate) row: TaskRow,
    /// Its runs, oldest first.
    pub(crate) runs: Arc<[RunRow]>,
    /// When it was made.
    pub(crate) created_at: Option<Timestamp>,
}

/// Something changed below the root.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A task is there, or is another than before.
    Task(Arc<TaskEntry>),
    /// A task is gone.
    TaskGone(ProjectId, TaskId),
    /// A project is there.
    Project(ProjectId),
    /// A project is gone.
    ProjectGone(ProjectId),
}
