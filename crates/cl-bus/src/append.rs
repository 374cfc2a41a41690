//! What appending promises, and how it fails.
//!
//! Whoever appends hands its record to [`crate::commit`], which lets the threads
//! of a process share one commit; [`crate::writer`] puts the records of a commit
//! into the file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::MessageId;
use cl_storage::lock::LockError;

use crate::file::FileError;
use crate::message::DraftError;
use crate::read::Cursor;

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
    /// How many times the lock was waited for; more than one means that a wait was in vain.
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
    /// Writing failed, and no message came of it. If the system also refused to take
    /// back what it had written, readers report a torn record.
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
    /// Makes the error of another message of the same commit; `None` if that one
    /// should try by itself.
    pub(crate) fn repeat(&self) -> Option<Self> {
        match self {
            // Each waiting as long again would add up.
            Self::Lock {
                attempts,
                source: LockError::Timeout { path, waited },
            } => Some(Self::Lock {
                attempts: *attempts,
                source: LockError::Timeout {
                    path: path.clone(),
                    waited: *waited,
                },
            }),
            Self::Write { path, source } => Some(Self::write(path, repeat_io(source))),
            _ => None,
        }
    }

    /// Makes the error of a write that failed.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// Tells whether another holder of the lock was the reason.
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Lock { source, .. } if source.is_timeout())
    }
}

/// Makes a second error of the same kind, with the same text.
pub(crate) fn repeat_io(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
