//! What a command is about: root, project, task and run, and where each was taken from.
//!
//! One resolver for all commands. For every part the first source that has it
//! wins, in this order:
//!
//! ```text
//! flags   --root, --project, --task or the position, --run, --parent-run-id
//! F1      JRUN_RUN_FOLDER    <root>/<project>/<task>/runs/<run>
//! F2      JRUN_TASK_FOLDER   <root>/<project>/<task>
//! F3      JRUN_PROJECT_ID, JRUN_TASK_ID, JRUN_ID
//! F4      run-info.yaml in the current folder or above it
//! F5      the current folder is a project's or lies below the root
//! F6      home-folders.md of a project names the current project folder
//! root    CONDUCTOR_ROOT, storage.runs_dir of the config file, ~/.run-agent/runs
//! ```
//!
//! A source that belongs to another root than the one resolved says nothing, and
//! a task or run is only taken from a source that is about the same project. An
//! id that is not valid is an error that names its source, never passed over.
//! `JRUN_RUNS_DIR` is the runs folder of one task and never a root.

mod explain;
mod inputs;
mod resolve;
mod surroundings;

use std::path::PathBuf;

use cl_storage::{ProjectDir, ProjectId, Root, RunDir, RunId, TaskDir, TaskId};

pub use inputs::{FoundRun, Inputs, ProjectHome, Request, Surroundings, TaskRule};
pub use resolve::resolve;
pub use surroundings::Machine;

use crate::error::CliError;

/// Where a part of the scope was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This flag.
    Flag(&'static str),
    /// This environment variable.
    Variable(&'static str),
    /// This run record, found in the current folder or above it.
    RunInfo(PathBuf),
    /// The current folder.
    CurrentFolder(PathBuf),
    /// This description of a project's folders.
    HomeFolders(PathBuf),
    /// This config file.
    Config(PathBuf),
    /// Nobody said anything.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => write!(f, "${name}"),
            Self::RunInfo(path) | Self::HomeFolders(path) => write!(f, "{}", path.display()),
            Self::CurrentFolder(path) => write!(f, "current folder {}", path.display()),
            Self::Config(path) => write!(f, "storage.runs_dir in {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<T> {
    /// The value.
    pub value: T,
    /// Where it was taken from.
    pub from: Origin,
}

impl<T> Resolved<T> {
    /// Makes a value with its origin.
    pub fn new(value: T, from: Origin) -> Self {
        Self { value, from }
    }
}

/// The run inside of which a command was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enclosing {
    /// Its project.
    pub project: ProjectId,
    /// Its task.
    pub task: TaskId,
    /// The run.
    pub run: RunId,
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The root.
    pub root: Resolved<Root>,
    /// The project.
    pub project: Option<Resolved<ProjectId>>,
    /// The task.
    pub task: Option<Resolved<TaskId>>,
    /// The run that was named.
    pub run: Option<Resolved<RunId>>,
    /// The run inside of which the command was called, if it is below the same root.
    pub enclosing: Option<Resolved<Enclosing>>,
    /// The run that a new one is a child of: the one named, else the enclosing one.
    pub parent_run: Option<Resolved<RunId>>,
    /// The root of an enclosing run elsewhere; such a run encloses nothing here.
    pub foreign_root: Option<PathBuf>,
}

impl Scope {
    /// Returns the root.
    pub fn root(&self) -> &Root {
        &self.root.value
    }

    /// Returns the project, or says where to name it.
    pub fn require_project(&self) -> Result<&ProjectId, CliError> {
        self.project
            .as_ref()
            .map(|project| &project.value)
            .ok_or_else(|| {
                CliError::usage("cannot tell which project is meant").hint(format!(
                    "add --project ID, or run from inside a task or project folder below {}; \
                     `run-agent list` shows the projects there are",
                    self.root().path().display()
                ))
            })
    }

    /// Returns project and task, or says where to name them.
    pub fn require_task(&self) -> Result<(&ProjectId, &TaskId), CliError> {
        let project = self.require_project()?;
        match &self.task {
            Some(task) => Ok((project, &task.value)),
            None => Err(CliError::usage(format!(
                "cannot tell which task of project {project} is meant"
            ))
            .hint(format!(
                "name the task; `run-agent list --project {project}` shows the tasks there are"
            ))),
        }
    }

    /// Tells whether the root exists; a missing one that somebody named is an error.
    pub fn has_root(&self) -> Result<bool, CliError> {
        if self.root().exists() {
            return Ok(true);
        }
        match &self.root.from {
            Origin::Default | Origin::Config(_) => Ok(false),
            from => {
                let path = self.root().path().display();
                Err(
                    CliError::not_found(format!("the root {path} does not exist"))
                        .hint(format!("it was taken from {from}; check the path")),
                )
            }
        }
    }

    /// Returns the folder of the project, which must exist.
    pub fn existing_project(&self) -> Result<ProjectDir, CliError> {
        let id = self.require_project()?;
        self.has_root()?;
        let project = self.root().project(id)?;
        if project.path().is_dir() {
            return Ok(project);
        }
        let root = self.root().path().display();
        Err(
            CliError::not_found(format!("project {id} does not exist below {root}")).hint(format!(
                "`run-agent list --no-infer --root {root}` shows the projects there are"
            )),
        )
    }

    /// Returns the folder of the task, which must exist.
    pub fn existing_task(&self) -> Result<TaskDir, CliError> {
        let (project, task) = self.require_task()?;
        self.existing(project, task)
    }

    /// Returns the folder of `task` in `project`, which must exist.
    pub fn existing(&self, project: &ProjectId, task: &TaskId) -> Result<TaskDir, CliError> {
        self.has_root()?;
        let dir = self.root().task(project, task)?;
        if dir.exists() {
            return Ok(dir);
        }
        let root = self.root().path().display();
        Err(
            CliError::not_found(format!("task {task} does not exist in project {project}")).hint(
                format!(
                    "looked below {root}; `run-agent list --project {project} --root {root}` shows what is there"
                ),
            ),
        )
    }

    /// Returns the folder of run `id` of `task`, which must exist.
    pub fn existing_run(task: &TaskDir, id: &RunId) -> Result<RunDir, CliError> {
        let run = task.run(id)?;
        if run.path().is_dir() {
            return Ok(run);
        }
        let (project, task) = (task.project(), task.id());
        Err(
            CliError::not_found(format!("run {id} does not exist in task {task}")).hint(format!(
                "`run-agent list --project {project} --task {task}` shows its runs"
            )),
        )
    }
}
