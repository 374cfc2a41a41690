//! The supervisor's own control group, see [`crate::process::leaf`].

use std::thread::JoinHandle;

use cl_storage::process::ProcessIdentity;

use super::Supervisor;
use crate::process::leaf::{Absence, Leaf};

/// The leaf of this supervisor, from the first thought of it on.
#[derive(Debug)]
pub(super) enum Group {
    /// There is none: unwanted, or not possible here.
    Absent,
    /// A thread makes it, while the first files are written.
    Entering(JoinHandle<Result<Leaf, Absence>>),
    /// It is there.
    Present(Leaf),
}

impl Group {
    /// Begins to make the leaf, if it is wanted.
    pub(super) fn begin(is_wanted: bool) -> Self {
        if !is_wanted {
            return Self::Absent;
        }
        // Moving a process moves all its threads, whichever of them asks.
        Self::Entering(std::thread::spawn(Leaf::enter))
    }

    /// Waits until the leaf is there or known to be impossible; at most some milliseconds.
    fn settled(self) -> Self {
        match self {
            Self::Entering(entering) => match entering.join() {
                Ok(Ok(leaf)) => Self::Present(leaf),
                Ok(Err(why)) => {
                    tracing::debug!(%why, "no control group");
                    Self::Absent
                }
                Err(_) => {
                    tracing::error!("the thread that makes the control group panicked");
                    Self::Absent
                }
            },
            settled => settled,
        }
    }

    /// Leaves and removes the leaf, as far as it is empty.
    pub(super) fn leave(self) {
        if let Self::Present(leaf) = self.settled() {
            leaf.remove();
        }
    }
}

impl Supervisor {
    /// Sees to it that what is started next is born in the leaf, if there is one.
    pub(super) fn enter_group(&mut self) {
        let group = std::mem::replace(&mut self.group, Group::Absent);
        self.group = group.settled();
        if let Group::Present(leaf) = &mut self.group
            && let Err(error) = leaf.step_in()
        {
            // The other nets find the agent while this supervisor lives.
            tracing::warn!(%error, "could not enter the control group again");
        }
    }

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
