//! Who runs a task: the owner lock and the record that names its holder.
//!
//! The owner of a task is the process that holds the kernel lock on
//! `owner.lock`; it is the only one that writes the task's state and run
//! records. Because readers must not take the lock (a reader holding it would
//! look like an owner), the owner also writes `owner.yaml`, and readers judge by
//! the process identity in it.
//!
//! ```text
//! acquire: lock owner.lock -> write owner.yaml       crash: lock gone, stale yaml -> "lost"
//! release: remove owner.yaml -> unlock               crash: lock gone, no yaml    -> no owner
//! ```

use std::time::Duration;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::layout::TaskDir;
use crate::lock::{HeldLock, LockError};
use crate::process::{ProcessIdentity, ProcessStart};
use crate::record::{self, RecordError};

pub(crate) const KNOWN_VERSION: u32 = 1;

/// The content of `owner.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// Format of the file.
    pub version: u32,
    /// Process id of the owner.
    pub pid: i32,
    /// Start token of the owner.
    pub process_start: ProcessStart,
    /// The launch that this owner serves.
    pub launch_id: String,
    /// When it took ownership.
    pub since: Timestamp,
}

impl Owner {
    /// Reads who owns `task`; `None` if nobody claims to.
    pub fn read(task: &TaskDir) -> Result<Option<Self>, RecordError> {
        record::read(&task.owner(), KNOWN_VERSION)
    }

    /// Returns the identity of the owning process.
    pub fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.pid,
            start: self.process_start.clone(),
        }
    }

    /// Tells whether the owning process is alive.
    pub fn is_alive(&self) -> bool {
        self.identity().is_alive()
    }
}

/// What the owner record says about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerState {
    /// Nobody runs the task.
    None,
    /// Its owner is alive.
    Alive,
    /// Its owner died without giving it up.
    Lost,
}

impl OwnerState {
    /// Judges the owner record of `task`.
    pub fn of(owner: Option<&Owner>) -> Self {
        match owner {
            None => Self::None,
            Some(owner) if owner.is_alive() => Self::Alive,
            Some(_) => Self::Lost,
        }
    }
}

/// Why a task could not be owned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// The lock is held, or could not be tried.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// This process could not be identified.
    #[error("could not identify this process")]
    Identity(#[source] std::io::Error),
}

/// Ownership of a task by this process; ends when dropped or when the process dies.
#[derive(Debug)]
pub struct Ownership {
    task: TaskDir,
    owner: Owner,
    found_lost: bool,
    previous: Option<Owner>,
    lock: HeldLock,
}

impl Ownership {
    /// Takes ownership of `task`, whose folder exists, waiting for `wait` at the most.
    ///
    /// Returns after `owner.yaml` is on disk.
    pub fn acquire(
        task: &TaskDir,
        launch_id: &str,
        now: Timestamp,
        wait: Duration,
    ) -> Result<Self, OwnError> {
        Self::acquire_with(task, launch_id, now, wait, durable::replace)
    }

    /// Takes ownership of `task` as [`Ownership::acquire`] does; `replace` says when the
    /// record is on disk. The lock counts from here on in any case.
    pub fn acquire_with(
        task: &TaskDir,
        launch_id: &str,
        now: Timestamp,
        wait: Duration,
        replace: durable::Replace,
    ) -> Result<Self, OwnError> {
        let lock = HeldLock::acquire(&task.owner_lock(), Mode::Shared, wait)?;
        let me = ProcessIdentity::current().map_err(OwnError::Identity)?;
        // Whoever gave the task up has removed the record.
        let found_lost = task.owner().exists();
        let previous = Owner::read(task).ok().flatten();
        let owner = Owner {
            version: KNOWN_VERSION,
            pid: me.pid,
            process_start: me.start,
            launch_id: launch_id.to_owned(),
            since: now,
        };
        if let Err(error) = record::write_with(&task.owner(), &owner, Mode::Shared, replace) {
            // Still under the lock: a task that could not even be begun leaves nothing.
            task.remove_if_unused();
            return Err(error.into());
        }
        Ok(Self {
            task: task.clone(),
            owner,
            found_lost,
            previous,
            lock,
        })
    }

    /// Returns what the owner record says.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Returns the owner before this one if it died without giving the task up and its
    /// record can be read.
    pub fn previous(&self) -> Option<&Owner> {
        self.previous.as_ref()
    }

    /// Tells whether the owner before this one died without giving the task up.
    ///
    /// Until what it left is settled, the record must stay: dropping this value
    /// keeps it, releasing does not.
    pub fn found_lost(&self) -> bool {
        self.found_lost
    }

    /// Tells whether the task's folder and the lock in it are those that were taken.
    ///
    /// If not, somebody has deleted or replaced them, and what is there is not owned.
    pub fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }

    /// Leaves the task as it was found: with the record of the owner before, or none.
    ///
    /// For owners that could not do what they came for: a lost task must not look
    /// owned for as long as this process lives.
    pub fn put_back(self) -> Result<(), RecordError> {
        match &self.previous {
            Some(previous) => record::write(&self.task.owner(), previous, Mode::Shared),
            None if self.found_lost => Ok(()),
            None => self.release(),
        }
    }

    /// Gives the task up: removes the record, then unlocks.
    pub fn release(self) -> Result<(), RecordError> {
        let path = self.task.owner();
        durable::remove(&path).map_err(RecordError::io(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ProjectId, TaskId};
    use crate::layout::Root;

    #[test]
    fn one_owner_at_a_time_and_readers_see_who() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let task = root
            .task(
                &ProjectId::parse("p").unwrap(),
                &TaskId::parse("task-20260101-000000-abc").unwrap(),
            )
            .unwrap();
        task.ensure().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(
            OwnerState::of(Owner::read(&task).unwrap().as_ref()),
            OwnerState::None
        );

        let ownership = Ownership::acquire(&task, "l1", now, Duration::ZERO).unwrap();
        let read = Owner::read(&task).unwrap().unwrap();
        assert_eq!(&read, ownership.owner());
        assert_eq!(OwnerState::of(Some(&read)), OwnerState::Alive);
        assert!(matches!(
            Ownership::acquire(&task, "l2", now, Duration::ZERO),
            Err(OwnError::Lock(_))
        ));

        ownership.release().unwrap();
        assert_eq!(Owner::read(&task).unwrap(), None);
        let again = Ownership::acquire(&task, "l3", now, Duration::ZERO).unwrap();
        // A crash: the lock is gone, the record stays and names a dead process.
        let mut dead = again.owner().clone();
        drop(again);
        dead.pid = i32::MAX;
        assert_eq!(OwnerState::of(Some(&dead)), OwnerState::Lost);
    }
}
