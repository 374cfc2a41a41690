//! What a launch that is refused or fails takes back.

use std::path::{Path, PathBuf};

use cl_storage::TaskDir;
use cl_storage::durable;
use cl_storage::owner::Ownership;

/// Leaves the task as it was found. Everything happens under the lock.
pub(super) fn give_back(ownership: Ownership, made: &Footprint, written: &Written, task: &TaskDir) {
    written.undo(task);
    if made.task_existed {
        if let Err(error) = ownership.put_back() {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "could not give the task back");
        }
    } else {
        task.remove_if_unused();
        made.remove_empty(task);
    }
}

/// What was there before, so that a refused launch leaves nothing behind.
#[derive(Debug)]
pub(super) struct Footprint {
    missing: Vec<PathBuf>,
    pub(super) task_existed: bool,
}

impl Footprint {
    pub(super) fn of(task: &TaskDir) -> Self {
        let above = task.path().ancestors().skip(1);
        let missing = above
            .take_while(|path| !path.exists())
            .map(Path::to_owned)
            .collect();
        Self {
            missing,
            task_existed: task.exists(),
        }
    }

    /// Removes folders that were made here and that nobody uses.
    pub(super) fn remove_empty(&self, task: &TaskDir) {
        if !self.task_existed {
            durable::discard_folder(&task.runs_folder()).unwrap_or_default();
            durable::discard_folder(task.path()).unwrap_or_default();
        }
        for folder in &self.missing {
            durable::discard_folder(folder).unwrap_or_default();
        }
    }
}

/// Which files of a launch were not there before it.
#[derive(Debug)]
pub(super) struct Written {
    new: Vec<PathBuf>,
}

impl Written {
    /// Looks at the task. Only for its owner.
    pub(super) fn before(task: &TaskDir) -> Self {
        let files = [task.prompt(), task.launch(), task.state()];
        Self {
            new: files.into_iter().filter(|path| !path.exists()).collect(),
        }
    }

    /// Removes what the launch has made. Only for the owner.
    fn undo(&self, task: &TaskDir) {
        for path in &self.new {
            // Best effort: the error that led here is what the user must see.
            durable::remove(path).unwrap_or_default();
        }
        tracing::debug!(task = %task.id(), "took a launch back");
    }
}
