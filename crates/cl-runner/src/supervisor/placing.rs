//! How the files of a launch get onto the disk.

use std::io;

use cl_storage::TaskDir;
use cl_storage::durable;

/// How the files of a launch get onto the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placing {
    /// Each before the next, because those of the last launch must not contradict them.
    InOrder,
    /// By one sync at the end: nobody is told of a new task before, and a part of it is
    /// no more than a task that was never launched.
    Together,
}

impl Placing {
    /// Returns how one file is put in its place.
    pub(super) fn replace(self) -> durable::Replace {
        match self {
            Self::InOrder => durable::replace,
            Self::Together => durable::replace_for_now,
        }
    }

    /// Returns after everything is on disk.
    pub(super) fn finish(self, task: &TaskDir) -> io::Result<()> {
        match self {
            Self::InOrder => Ok(()),
            Self::Together => durable::settle(task.path()),
        }
    }
}
