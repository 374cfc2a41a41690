//! What the resolver weighs.

use std::path::{Path, PathBuf};

use cl_config::Environment;
use cl_storage::{ProjectId, Root};

use super::Origin;
use crate::error::CliError;

/// How task ids are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskRule {
    /// The task exists already; its name may be of an older shape.
    #[default]
    Existing,
    /// The task may be created; its id must be well formed.
    New,
}

/// What a command asks of the resolver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each switches one part of the inference"
)]
pub struct Request {
    /// `--root`.
    pub root: Option<PathBuf>,
    /// `--project`.
    pub project: Option<String>,
    /// `--task` or the position.
    pub task: Option<String>,
    /// Whether the task was named by position.
    pub task_is_positional: bool,
    /// `--run`.
    pub run: Option<String>,
    /// `--parent-run-id`.
    pub parent_run: Option<String>,
    /// How a named task is checked.
    pub task_rule: TaskRule,
    /// Whether a project that is not named is looked for.
    pub infers_project: bool,
    /// Whether a task that is not named is looked for.
    pub infers_task: bool,
    /// Whether the enclosing run matters.
    pub infers_enclosing: bool,
    /// `--no-infer`: only flags count.
    pub no_infer: bool,
}

/// What the resolver weighs.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What the command asks.
    pub request: &'a Request,
    /// The environment, the current folder included.
    pub environment: &'a Environment,
    /// What has to be looked up, only when it is needed.
    pub surroundings: &'a dyn Surroundings,
}

/// What has to be looked up on the machine.
pub trait Surroundings: std::fmt::Debug {
    /// Finds the nearest run record in `from` or above it.
    fn run_info_above(&self, from: &Path) -> Result<Option<FoundRun>, CliError>;

    /// Tells whether `folder` holds a folder whose name is a well-formed task id.
    fn holds_tasks(&self, folder: &Path) -> bool;

    /// Finds the project folder that `from` lies in: the nearest with a marker, else itself.
    fn project_folder(&self, from: &Path) -> PathBuf;

    /// Lists the projects below `root` that name their project folder, in order.
    fn project_homes(&self, root: &Root) -> Vec<ProjectHome>;

    /// Returns the root that the configuration names, if it does.
    fn configured_root(&self) -> Result<Option<(PathBuf, Origin)>, CliError>;

    /// Returns the path without links, or as it is if it does not exist.
    fn real_path(&self, path: &Path) -> PathBuf;
}

/// A run record found above the current folder, as text: nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundRun {
    /// The record.
    pub path: PathBuf,
    /// What it says of the project; none if it cannot be read.
    pub project: Option<String>,
    /// What it says of the task.
    pub task: Option<String>,
    /// What it says of the run.
    pub run: Option<String>,
}

/// A project and the folder that its work is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectHome {
    /// The project.
    pub project: ProjectId,
    /// The folder.
    pub folder: PathBuf,
    /// The file that says so.
    pub described_in: PathBuf,
}
