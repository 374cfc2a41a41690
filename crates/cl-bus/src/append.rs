//! Appends one message to a bus file.
//!
//! ```text
//! open (append, create, no link) → lock → same file still at the path? ─no→ reopen
//!   → empty? sync the folder → last byte a line feed?
//!   → one write: [line end] [separator] record → unlock → sync → acknowledge
//! ```
//!
//! What a crash leaves behind at each step, and why the next writer and every
//! reader can live with it, is the table in `docs/dev/bus.md`. Three orders
//! matter:
//!
//! - The file is compared with its path *after* the lock was had: whoever renamed
//!   it away held the lock, and a message written into the old file is lost to
//!   those who read the path.
//! - The folder is synced before the first byte is written. Bytes in the file
//!   thus prove to every later writer that its entry is on disk, and only the
//!   first one pays for that.
//! - The data is synced after the unlock, so that the next writer's bytes can
//!   travel in the same sync.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cl_storage::durable::SyncPoint;
use cl_storage::lock::{self, LockError};
use cl_storage::{Clock, MessageId, crash, durable};
use jiff::Timestamp;

use crate::file::{self, FileError};
use crate::message::{Draft, DraftError};
use crate::read::Cursor;
use crate::record;

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The message has been synced and survives a loss of power.
    #[default]
    Disk,
    /// The system has the message: it survives the death of every process.
    Os,
}

/// The acknowledgement of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The id that the message got.
    pub id: MessageId,
    /// Where its record starts, in bytes from the start of the file.
    pub position: u64,
    /// What is promised.
    pub durability: Durability,
    /// How many times the lock had to be asked for; more than one means contention.
    pub attempts: u32,
}

impl Appended {
    /// Returns the cursor that stands behind this message.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            position: self.position,
            id: self.id.clone(),
        }
    }
}

/// How long and how often the lock on a bus is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// How long one try waits.
    pub wait: Duration,
    /// How many tries are made; at least one.
    pub attempts: u32,
    /// The pause after the first try; it doubles with each further one.
    pub back_off: Duration,
}

impl Default for LockPolicy {
    /// Ten seconds, three tries: an append takes milliseconds, so whoever waits
    /// longer meets a stuck process and should say so.
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(10),
            attempts: 3,
            back_off: Duration::from_millis(100),
        }
    }
}

/// Why a message was not appended, or not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The message itself is at fault.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// The message belongs to another project or task than the bus.
    #[error("message is for {contradiction} ({})", path.display())]
    Misplaced {
        /// The path of the bus.
        path: PathBuf,
        /// What contradicts what.
        contradiction: String,
    },
    /// The bus file is none, or could not be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others held the lock all the time; nothing was written.
    #[error("append failed after {attempts} attempts")]
    Lock {
        /// How many times it was tried.
        attempts: u32,
        /// The last failure.
        #[source]
        source: LockError,
    },
    /// Writing failed. A torn record may be left, which readers report; they show
    /// it if only its terminator is missing.
    #[error("could not write to message bus {}", path.display())]
    Write {
        /// The path of the bus.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The message is in the file, but a loss of power may take it away.
    #[error("message {id} was written to {} but could not be synced", path.display())]
    Unsynced {
        /// The path of the bus.
        path: PathBuf,
        /// The id of the message; posting it again would double it.
        id: MessageId,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl AppendError {
    /// Tells whether another holder of the lock was the reason.
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Lock { source, .. } if source.is_timeout())
    }
}

/// What every append to one bus needs besides the message.
#[derive(Debug)]
pub(crate) struct Appender<'a> {
    pub(crate) path: &'a Path,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) durability: Durability,
    pub(crate) lock_policy: LockPolicy,
}

/// A record that was written, and the file that must still be synced.
struct Written {
    file: File,
    id: MessageId,
    position: u64,
}

impl Appender<'_> {
    /// Appends `draft`, which has been validated.
    pub(crate) fn append(&self, draft: &Draft) -> Result<Appended, AppendError> {
        let mut pause = self.lock_policy.back_off;
        let mut attempts = 1;
        let written = loop {
            match self.try_append(draft) {
                Ok(written) => break written,
                Err(TryError::Lock(source))
                    if source.is_timeout() && attempts < self.lock_policy.attempts =>
                {
                    std::thread::sleep(pause);
                    pause *= 2;
                    attempts += 1;
                }
                Err(TryError::Lock(source)) => return Err(AppendError::Lock { attempts, source }),
                Err(TryError::Other(error)) => return Err(error),
            }
        };
        if self.durability == Durability::Disk {
            durable::sync_data(&written.file, SyncPoint::BusRecord).map_err(|source| {
                AppendError::Unsynced {
                    path: self.path.to_owned(),
                    id: written.id.clone(),
                    source,
                }
            })?;
        }
        crash::point("bus-synced");
        Ok(Appended {
            id: written.id,
            position: written.position,
            durability: self.durability,
            attempts,
        })
    }

    /// Asks for the lock once, and writes under it.
    fn try_append(&self, draft: &Draft) -> Result<Written, TryError> {
        // Each turn means that somebody replaced the file while we waited for
        // its lock; a hundred in a row are no rotation but a runaway.
        for _ in 0..100 {
            let file = file::open_to_append(self.path).map_err(AppendError::from)?;
            let wait = self.lock_policy.wait;
            let outcome = lock::scoped(file, self.path, wait, |file| {
                crash::point("bus-locked");
                if !file::is_at(file, self.path)? {
                    return Ok(None);
                }
                self.write(file, draft).map(Some)
            })
            .map_err(TryError::Lock)??;
            if let Some(written) = outcome {
                return Ok(written);
            }
        }
        let source = io::Error::other("it is being replaced all the time");
        Err(AppendError::from(FileError::io("append to", self.path, source)).into())
    }

    /// Writes the record; the caller holds the lock.
    fn write(&self, file: &mut File, draft: &Draft) -> Result<Written, AppendError> {
        let write_error = |source| AppendError::Write {
            path: self.path.to_owned(),
            source,
        };
        let size = file.metadata().map_err(write_error)?.len();
        if size == 0 {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            durable::sync_folder(folder, SyncPoint::BusEntry).map_err(write_error)?;
        }
        let mut buffer = Vec::new();
        if size > 0 {
            if !self.ends_with_line_feed(file, size)? {
                buffer.push(b'\n');
            }
            buffer.push(b'\n');
        }
        let position = size + buffer.len() as u64;
        // The id is made under the lock, so that ids of one process stand in the
        // file in the order in which they were made.
        let now = self.clock.now();
        let id = next_id(now);
        buffer.extend(record::encode(draft, &id, draft.timestamp.unwrap_or(now)));
        write_buffer(file, &buffer).map_err(write_error)?;
        crash::point("bus-written");
        let file = file.try_clone().map_err(|source| AppendError::Unsynced {
            path: self.path.to_owned(),
            id: id.clone(),
            source,
        })?;
        Ok(Written { file, id, position })
    }

    /// Looks at the last byte, through a second descriptor: the first only writes.
    fn ends_with_line_feed(&self, locked: &File, size: u64) -> Result<bool, AppendError> {
        let reader = file::open_to_read(self.path)?;
        let mut last = [0];
        let read = match reader {
            Some(reader) if file::is_at(locked, self.path)? => reader.read_at(&mut last, size - 1),
            _ => Err(io::Error::other("it was replaced under its lock")),
        };
        match read {
            Ok(1) => Ok(last[0] == b'\n'),
            Ok(_) => Ok(false),
            Err(e) => Err(FileError::io("read", self.path, e).into()),
        }
    }
}

/// Why one try failed; only the lock is tried again.
enum TryError {
    Lock(LockError),
    Other(AppendError),
}

impl From<AppendError> for TryError {
    fn from(error: AppendError) -> Self {
        Self::Other(error)
    }
}

/// Makes the id of a message that is appended at `now`.
///
/// Unique within the process by the counter, across processes by the pid, and
/// across reuse of a pid by the nanoseconds.
fn next_id(now: Timestamp) -> MessageId {
    static SEQUENCE: AtomicU32 = AtomicU32::new(1);
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed) % 10_000;
    let stamp = cl_storage::id::stamp(now);
    let nanos = now.subsec_nanosecond().rem_euclid(1_000_000_000);
    let pid = std::process::id() % 100_000;
    let text = format!("MSG-{stamp}-{nanos:09}-PID{pid:05}-{sequence:04}");
    MessageId::parse(&text).expect("letters, digits and hyphens are a message id")
}

#[cfg(not(feature = "test-hooks"))]
fn write_buffer(file: &File, buffer: &[u8]) -> io::Result<()> {
    durable::append(file, buffer)
}

/// Writes in two halves, so that a test can kill the process between them.
#[cfg(feature = "test-hooks")]
fn write_buffer(file: &File, buffer: &[u8]) -> io::Result<()> {
    let (first, second) = buffer.split_at(buffer.len() / 2);
    durable::append(file, first)?;
    crash::point("bus-half-written");
    durable::append(file, second)
}
