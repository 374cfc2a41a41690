//! The supervisor's own control group, see [`crate::process::leaf`].

use std::io;

use cl_storage::process::ProcessIdentity;

use super::Supervisor;
use crate::process::leaf::Leaf;
use crate::process::spawn::{Program, spawn};

/// The leaf of this supervisor.
#[derive(Debug)]
pub(super) enum Group {
    /// There is none: unwanted, or not possible here.
    Absent,
    /// It is there.
    Present(Leaf),
}

impl Group {
    /// Makes the leaf, if it is wanted and possible.
    ///
    /// Takes some microseconds, and up to 15 ms in the rare cases of [`Leaf::make`].
    pub(super) fn make(is_wanted: bool) -> Self {
        if !is_wanted {
            return Self::Absent;
        }
        match Leaf::make() {
            Ok(leaf) => Self::Present(leaf),
            Err(why) => {
                tracing::debug!(%why, "no control group");
                Self::Absent
            }
        }
    }

    /// Starts `program` in the leaf, if there is one; see [`spawn`].
    pub(super) fn spawn(&mut self, program: Program<'_>) -> io::Result<ProcessIdentity> {
        match self {
            Self::Present(leaf) => leaf.spawn(program),
            Self::Absent => spawn(program),
        }
    }

    /// Leaves and removes the leaf, as far as it is empty.
    pub(super) fn leave(self) {
        if let Self::Present(leaf) = self {
            leaf.remove();
        }
    }
}

impl Supervisor {
    /// Kills the leaf as a whole, if everything in it is among `ours`.
    pub(super) fn kill_group(&mut self, ours: &[ProcessIdentity]) {
        if let Group::Present(leaf) = &mut self.group
            && leaf.kill(ours)
        {
            tracing::warn!(
                processes = ours.len(),
                "killed a tree that grows too fast as a whole"
            );
        }
    }
}
