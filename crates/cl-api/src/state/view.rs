//! One moment of what is below the root.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cl_storage::layout::LayoutError;
use cl_storage::run_info::{Phase, RunStatus};
use cl_storage::status::TaskStatus;
use cl_storage::{FailureKind, ProjectId, Root, RunId, TaskDir, TaskId, Usage};
use cl_view::Worth;
use cl_wire::TaskRow;
use cl_wire::projects::ThreadParent;
use jiff::Timestamp;

use super::reading::Seen;
use super::tasks::Tasks;

/// One moment of what is below the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Grows with every change.
    pub(crate) version: u64,
    /// The projects.
    pub(crate) projects: BTreeMap<ProjectId, Arc<ProjectView>>,
    /// What could not be listed at all.
    pub(crate) problems: Arc<[String]>,
}

impl View {
    /// Returns a task.
    pub(crate) fn task(&self, project: &ProjectId, task: &TaskId) -> Option<&Arc<TaskEntry>> {
        self.projects.get(project)?.tasks.get(task)
    }

    /// Returns the tasks of one project, or all, in the order of their project and id.
    pub(crate) fn tasks_of(
        &self,
        only: Option<&ProjectId>,
    ) -> impl Iterator<Item = &Arc<TaskEntry>> {
        let is_wanted = move |id: &ProjectId| only.is_none_or(|only| only == id);
        let projects = self.projects.values();
        let wanted = projects.filter(move |project| is_wanted(&project.id));
        wanted.flat_map(|project| project.tasks.values())
    }

    /// Returns all tasks, in the order of their project and id.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Arc<TaskEntry>> {
        self.tasks_of(None)
    }
}

/// One moment of a project.
#[derive(Debug, Clone)]
pub(crate) struct ProjectView {
    /// The project.
    pub(crate) id: ProjectId,
    /// The version of the view in which it changed last.
    pub(crate) version: u64,
    /// The tasks.
    pub(crate) tasks: Tasks,
    /// What of it could not be read, beside the problems of its tasks.
    pub(crate) problems: Arc<[String]>,
    /// It has no folder below the root: only old folders know it.
    pub(crate) is_legacy: bool,
}

/// One moment of a task.
#[derive(Debug)]
pub(crate) struct TaskEntry {
    /// The task as it is shown.
    pub(crate) row: TaskRow,
    /// When it was made, as far as can be told.
    pub(crate) created_at: Option<Timestamp>,
    /// The version of the view in which it changed last.
    pub(crate) version: u64,
    /// Its runs, oldest first; not there until somebody asks for those of an ended task.
    pub(super) facts: OnceLock<Arc<[RunFacts]>>,
    /// Its status as its own files tell it, wherever it is in the queue.
    pub(super) own_status: TaskStatus,
    /// The message that it answers; looked for when somebody asks.
    pub(super) thread: OnceLock<Option<Arc<ThreadParent>>>,
    /// Its folder if it is one of the old flat layout.
    pub(super) old: Option<Arc<TaskDir>>,
    /// What its files looked like before they were read.
    pub(super) seen: Seen,
}

impl TaskEntry {
    /// Returns the folder of the task, which may be gone by now.
    pub(crate) fn dir(&self, root: &Root) -> Result<TaskDir, LayoutError> {
        match &self.old {
            Some(old) => Ok(TaskDir::clone(old)),
            None => root.task(&self.row.project_id, &self.row.task_id),
        }
    }

    /// Returns the same task with another row.
    pub(super) fn with_row(&self, row: TaskRow, version: u64) -> Self {
        Self {
            row,
            created_at: self.created_at,
            version,
            facts: self.facts.clone(),
            own_status: self.own_status,
            thread: self.thread.clone(),
            old: self.old.clone(),
            seen: self.seen.clone(),
        }
    }

    /// Tells whether readers see the same in `other`, as far as anybody looked.
    pub(super) fn is_shown_as(&self, other: &Self) -> bool {
        // Runs that nobody asked for may have changed: who asks later gets the new ones.
        let runs = self.facts.get().zip(other.facts.get());
        self.row == other.row
            && self.own_status == other.own_status
            && self.created_at == other.created_at
            && self.old == other.old
            && runs.is_some_and(|(ours, others)| ours == others)
    }

    /// Returns a task of which nothing is known.
    #[cfg(test)]
    pub(super) fn unreadable(project: &ProjectId, task: &TaskId) -> Self {
        let folder = Root::at(std::path::Path::new("/nowhere")).unwrap();
        let dir = folder.task(project, task).unwrap();
        let view =
            cl_storage::snapshot::TaskView::read(&folder, &dir, Timestamp::UNIX_EPOCH).unwrap();
        Self {
            row: cl_view::task_row(&view),
            created_at: None,
            version: 0,
            facts: OnceLock::new(),
            own_status: view.status,
            thread: OnceLock::new(),
            old: None,
            seen: Seen::default(),
        }
    }
}

/// What listings of many runs show of one, in little room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunFacts {
    /// The run.
    pub(crate) id: RunId,
    /// The configured name of the agent, or its kind.
    pub(crate) agent: Option<Arc<str>>,
    /// The kind of agent.
    pub(crate) kind: Option<Arc<str>>,
    /// What the agent says its version is.
    pub(crate) version: Option<Arc<str>>,
    /// The status that holds now.
    pub(crate) status: RunStatus,
    /// How it ended.
    pub(crate) exit_code: Option<i32>,
    /// When it began.
    pub(crate) start: Option<Timestamp>,
    /// When it ended.
    pub(crate) end: Option<Timestamp>,
    /// The run whose agent launched it.
    pub(crate) parent: Option<RunId>,
    /// The run that it follows.
    pub(crate) previous: Option<RunId>,
    /// One line about its failure, or why its record cannot be read.
    pub(crate) error: Option<Box<str>>,
    /// Somebody else looks after its process; not known where its record cannot be read.
    pub(crate) is_external: Option<bool>,
    /// The folder that its agent works in.
    pub(crate) cwd: Option<Arc<str>>,
    /// How far it has come while it runs.
    pub(crate) phase: Option<Phase>,
    /// Which attempt of the launch it is.
    pub(crate) attempt: Option<u32>,
    /// What it is for within a series of runs.
    pub(crate) role: Option<Arc<str>>,
    /// Why it failed.
    pub(crate) failure: Option<FailureKind>,
    /// The model.
    pub(crate) model: Option<Arc<str>>,
    /// What it used, where it told.
    pub(crate) usage: Option<Box<Usage>>,
    /// Whether it led anywhere; not known where there is no record that can be read.
    pub(crate) worth: Option<Worth>,
    /// Stands for everything else that is shown of it, but for the time that passes.
    pub(super) digest: u64,
}

/// Something changed below the root; the view that shows it is there already.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A task is there, or is another than before.
    Task(Arc<TaskEntry>),
    /// A task is gone.
    TaskGone(ProjectId, TaskId),
    /// A project is there, or can be listed again, or no longer.
    Project(ProjectId),
    /// A project is gone, with all its tasks.
    ProjectGone(ProjectId),
    /// Tasks have moved up in the queue.
    Queue,
}
