//! Writing dependencies: checked and written under one lock for a project, because
//! two launches that are each fine could make a cycle together.

use std::collections::BTreeMap;

use super::{find_cycle, joined};
use crate::durable::{self, Mode};
use crate::id::{ProjectId, TaskId};
use crate::layout::{LayoutError, ProjectDir, Root, TaskDir};
use crate::lock::{self, LockError};
use crate::record::{self, RecordError};
use crate::task_config::TaskConfig;

/// Why dependencies were not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DependencyError {
    /// A task was to depend on itself.
    #[error("task {0:?} cannot depend on itself")]
    Itself(String),
    /// Tasks would wait for each other for ever.
    #[error("dependency cycle detected: {0}")]
    Cycle(String),
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The project's folder cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The lock's folder cannot be used.
    #[error("could not use the folder of locks")]
    Folder(#[source] std::io::Error),
}

/// Runs `operation` under the project's lock on dependencies.
///
/// Blocks for 5 s at the most to get it.
pub fn locked<T>(
    root: &Root,
    project: &ProjectId,
    operation: impl FnOnce() -> T,
) -> Result<T, DependencyError> {
    const FOLDER: &str = "dependencies";
    root.ensure_own_folder(FOLDER)
        .map_err(DependencyError::Folder)?;
    let path = root
        .conductor_folder()
        .join(FOLDER)
        .join(format!("{project}.lock"));
    Ok(lock::with_private_lock_file(
        &path,
        lock::SHORT_WAIT,
        operation,
    )?)
}

/// Changes the configuration of `task`; returns what `change` returns, after the file is on disk.
pub fn update<T>(
    root: &Root,
    task: &TaskDir,
    change: impl FnOnce(&mut TaskConfig) -> T,
) -> Result<T, DependencyError> {
    locked(root, task.project(), || {
        let mut config = TaskConfig::read(task)?;
        let before = config.clone();
        let result = change(&mut config);
        if config != before {
            config.write(task)?;
        }
        Ok(result)
    })?
}

/// What stood in `TASK-CONFIG.yaml` before and after, so that it can be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    before: Option<String>,
    after: Option<String>,
}

impl Stored {
    /// Puts back what was there, unless somebody has changed the file since.
    ///
    /// Blocks for the project's lock, for 5 s at the most. Failing is logged: the
    /// caller has another error to tell.
    pub fn undo(&self, root: &Root, task: &TaskDir) {
        let undone = locked(root, task.project(), || self.put_back(task));
        if let Err(error) = undone.flatten() {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "could not put the task's dependencies back");
        }
    }

    /// Only under the project's lock.
    fn put_back(&self, task: &TaskDir) -> Result<(), DependencyError> {
        let path = task.config();
        if self.before == self.after || record::read_text(&path)? != self.after {
            return Ok(());
        }
        let undone = match &self.before {
            Some(text) => durable::replace(&path, text.as_bytes(), Mode::Shared),
            None => durable::remove(&path),
        };
        Ok(undone.map_err(RecordError::io(&path))?)
    }
}

/// Makes `task` depend on exactly `given`.
///
/// Refuses, before anything is written, what would close a cycle. Returns after
/// the file is on disk.
pub fn set_dependencies(
    root: &Root,
    task: &TaskDir,
    given: Vec<TaskId>,
) -> Result<Stored, DependencyError> {
    if given.contains(task.id()) {
        return Err(DependencyError::Itself(task.id().to_string()));
    }
    locked(root, task.project(), || {
        let before = record::read_text(&task.config())?;
        let mut config = TaskConfig::read(task)?;
        config.set_depends_on(given);
        if !config.depends_on.is_empty() {
            let mut edges = edges(&root.project(task.project())?)?;
            edges.insert(task.id().clone(), config.depends_on.clone());
            if let Some(cycle) = find_cycle(&edges) {
                return Err(DependencyError::Cycle(joined(&cycle, " -> ")));
            }
        }
        let after = config.write(task)?;
        Ok(Stored { before, after })
    })?
}

/// Returns what every task of the project depends on; what cannot be read is left out.
fn edges(project: &ProjectDir) -> Result<BTreeMap<TaskId, Vec<TaskId>>, LayoutError> {
    let mut edges = BTreeMap::new();
    for task in project.tasks()? {
        match TaskConfig::read(&task) {
            Ok(config) if config.depends_on.is_empty() => {}
            Ok(config) => {
                edges.insert(task.id().clone(), config.depends_on);
            }
            Err(error) => {
                // One damaged file must not keep every other task from being launched.
                tracing::warn!(task = %task.id(), error = &error as &dyn std::error::Error, "left out of the search for cycles");
            }
        }
    }
    Ok(edges)
}
