//! The handle of one bus.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cl_storage::{Clock, SystemClock};
use jiff::Timestamp;

use crate::append::{AppendError, Appended, Durability, LockPolicy};
use crate::archive::ROTATE_AT_BYTES;
use crate::check::{self, Report};
use crate::commit::Commits;
use crate::follow::{FollowOptions, Follower, Start};
use crate::forward;
use crate::message::Draft;
use crate::place::{self, Scope};
use crate::read::{self, After, Found, Page, Query, ReadError, Reading};
use crate::record::Prepared;
use crate::writer::{Settings, Writer};

/// One message bus: a path, and how it is written to.
///
/// Making one touches nothing on disk. All calls block; it may be shared between
/// threads, and clones of it share the open file and the syncs, so a process that
/// writes much keeps one.
#[derive(Debug, Clone)]
pub struct Bus {
    scope: Scope,
    takes_foreign_ids: bool,
    settings: Settings,
    commits: Arc<Commits>,
}

impl Bus {
    /// Returns the bus at `path`, whether or not there is a file yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let settings = Settings {
            path,
            clock: Arc::new(SystemClock),
            durability: Durability::default(),
            lock_policy: LockPolicy::default(),
            rotate_at: Some(ROTATE_AT_BYTES),
        };
        Self {
            scope: place::scope_of(&settings.path),
            takes_foreign_ids: false,
            commits: Arc::new(Commits::new(Writer::new(settings.clone()))),
            settings,
        }
    }

    /// Sets what acknowledgements promise.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        self.set(|settings| settings.durability = durability)
    }

    /// Sets how long the lock is waited for.
    #[must_use]
    pub fn with_lock_policy(self, lock_policy: LockPolicy) -> Self {
        self.set(|settings| settings.lock_policy = lock_policy)
    }

    /// Sets where the time of messages comes from.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.set(|settings| settings.clock = clock)
    }

    /// Sets how many bytes the file may have before the next message goes into a
    /// new one; `None` for no limit. [`ROTATE_AT_BYTES`] unless set.
    #[must_use]
    pub fn rotating_at(self, bytes: Option<u64>) -> Self {
        self.set(|settings| settings.rotate_at = bytes)
    }

    /// Takes messages of other projects and tasks, too.
    #[must_use]
    pub fn taking_foreign_ids(mut self) -> Self {
        self.takes_foreign_ids = true;
        self
    }

    /// Changes the settings; what was shared with clones no longer is.
    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.commits = Arc::new(Commits::new(Writer::new(self.settings.clone())));
        self
    }

    /// Returns the path of the bus file.
    pub fn path(&self) -> &Path {
        &self.settings.path
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
        self.admit(draft)?;
        self.commits.append(|| Prepared::new(draft))
    }

    /// Checks all that can be wrong with a message before the file is touched.
    pub(crate) fn admit(&self, draft: &Draft) -> Result<(), AppendError> {
        draft.validate()?;
        if !self.takes_foreign_ids
            && let Some(contradiction) = self.scope.contradiction(draft)
        {
            return Err(AppendError::Misplaced {
                path: self.path().to_owned(),
                contradiction,
            });
        }
        Ok(())
    }

    /// Returns the time of messages that are appended now.
    pub(crate) fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    /// Moves the file aside if it has at least `limit` bytes, and returns where to.
    ///
    /// Readers find its messages where they were; only an empty file is never moved.
    pub fn rotate(&self, limit: u64) -> Result<Option<PathBuf>, AppendError> {
        self.commits.with_writer(|writer| writer.rotate(limit))
    }

    /// Reads every message. A missing file has none.
    pub fn all(&self) -> Result<Reading, ReadError> {
        read::all(self.path())
    }

    /// Reads the messages that stand behind `after` in the file.
    ///
    /// An unknown id is [`ReadError::UnknownMessage`].
    pub fn since(&self, after: &After) -> Result<Reading, ReadError> {
        read::since(self.path(), after)
    }

    /// Reads the last `count` messages, exactly those that end [`Bus::all`].
    ///
    /// Zero means all of them.
    pub fn tail(&self, count: usize) -> Result<Reading, ReadError> {
        read::tail(self.path(), count)
    }

    /// Reads the messages that `query` asks for.
    ///
    /// Holds them in memory; [`Bus::for_each`] does not.
    pub fn page(&self, query: &Query) -> Result<Page, ReadError> {
        read::answer(self.path(), query)
    }

    /// Hands every message that `query` asks for to `sink`, in the order of the bus,
    /// with the damage between them, until it breaks.
    ///
    /// Memory is bounded whatever the size of the bus. The query's limit is left to
    /// `sink`.
    pub fn for_each(
        &self,
        query: &Query,
        mut sink: impl FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        forward::stream(self.path(), query, &mut sink)
    }

    /// Starts to follow the bus from `start`. The file may not exist yet.
    pub fn follow(&self, start: &Start, options: FollowOptions) -> Result<Follower, ReadError> {
        Follower::open(self.path(), start, options)
    }

    /// Lists everything that is wrong with the file.
    pub fn check(&self) -> Result<Report, ReadError> {
        check::check(self.path())
    }
}
