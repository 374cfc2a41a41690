//! The handle of one bus.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cl_storage::{Clock, SystemClock};

use crate::append::{AppendError, Appended, Appender, Durability, LockPolicy};
use crate::check::{self, Report};
use crate::follow::{FollowOptions, Follower, Start};
use crate::message::Draft;
use crate::place::{self, Scope};
use crate::read::{self, After, ReadError, Reading};

/// One message bus: a path, and how it is written to.
///
/// Making one touches nothing on disk. All calls block; it may be shared between
/// threads.
#[derive(Debug, Clone)]
pub struct Bus {
    path: PathBuf,
    scope: Scope,
    takes_foreign_ids: bool,
    durability: Durability,
    lock_policy: LockPolicy,
    clock: Arc<dyn Clock>,
}

impl Bus {
    /// Returns the bus at `path`, whether or not there is a file yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            scope: place::scope_of(&path),
            path,
            takes_foreign_ids: false,
            durability: Durability::default(),
            lock_policy: LockPolicy::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets what acknowledgements promise.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how long the lock is waited for.
    #[must_use]
    pub fn with_lock_policy(mut self, lock_policy: LockPolicy) -> Self {
        self.lock_policy = lock_policy;
        self
    }

    /// Sets where the time of messages comes from.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes messages of other projects and tasks, too.
    #[must_use]
    pub fn taking_foreign_ids(mut self) -> Self {
        self.takes_foreign_ids = true;
        self
    }

    /// Returns the path of the bus file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what the bus belongs to.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Appends a message and returns its acknowledgement.
    ///
    /// Creates the file, not its folder. Returns after the message is as durable
    /// as [`Bus::with_durability`] asked for; after an error nothing was
    /// acknowledged, and only [`AppendError::Unsynced`] says that the message is
    /// there all the same.
    pub fn append(&self, draft: &Draft) -> Result<Appended, AppendError> {
        draft.validate()?;
        if !self.takes_foreign_ids
            && let Some(contradiction) = self.scope.contradiction(draft)
        {
            return Err(AppendError::Misplaced {
                path: self.path.clone(),
                contradiction,
            });
        }
        let appender = Appender {
            path: &self.path,
            clock: &*self.clock,
            durability: self.durability,
            lock_policy: self.lock_policy,
        };
        appender.append(draft)
    }

    /// Reads every message. A missing file has none.
    pub fn all(&self) -> Result<Reading, ReadError> {
        read::all(&self.path)
    }

    /// Reads the messages that stand behind `after` in the file.
    ///
    /// An unknown id is [`ReadError::UnknownMessage`].
    pub fn since(&self, after: &After) -> Result<Reading, ReadError> {
        read::since(&self.path, after)
    }

    /// Reads the last `count` messages, exactly those that end [`Bus::all`].
    ///
    /// Zero means all of them.
    pub fn tail(&self, count: usize) -> Result<Reading, ReadError> {
        read::tail(&self.path, count)
    }

    /// Starts to follow the bus from `start`. The file may not exist yet.
    pub fn follow(&self, start: &Start, options: FollowOptions) -> Result<Follower, ReadError> {
        Follower::open(&self.path, start, options)
    }

    /// Lists everything that is wrong with the file.
    pub fn check(&self) -> Result<Report, ReadError> {
        check::check(&self.path)
    }
}
