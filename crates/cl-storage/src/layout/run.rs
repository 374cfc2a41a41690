//! The folder of one run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{RUN_INFO, TaskDir};
use crate::id::RunId;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    pub(super) path: PathBuf,
    /// Shared by the runs of a listing.
    pub(super) task: Arc<TaskDir>,
    pub(super) id: RunId,
}

impl RunDir {
    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of the run's task.
    pub fn task(&self) -> &TaskDir {
        &self.task
    }

    /// Returns the run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns the path of the run record.
    pub fn info(&self) -> PathBuf {
        self.path.join(RUN_INFO)
    }

    /// Returns the path of the lock file for changes of the run record.
    pub fn info_lock(&self) -> PathBuf {
        self.path.join("run-info.yaml.lock")
    }

    /// Returns the path of the file with pid, group and start token.
    pub fn pid_file(&self) -> PathBuf {
        self.path.join("pid.txt")
    }

    /// Returns the path of the full prompt.
    pub fn prompt(&self) -> PathBuf {
        self.path.join("prompt.md")
    }

    /// Returns the path of the final answer.
    pub fn output(&self) -> PathBuf {
        self.path.join("output.md")
    }

    /// Returns the path of the agent's raw standard output.
    pub fn stdout(&self) -> PathBuf {
        self.path.join("agent-stdout.txt")
    }

    /// Returns the path of the agent's raw standard error.
    pub fn stderr(&self) -> PathBuf {
        self.path.join("agent-stderr.txt")
    }
}
