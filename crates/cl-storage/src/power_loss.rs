//! What a loss of power would leave: for tests, absent from released binaries.
//!
//! With the feature `test-hooks` every primitive of [`crate::durable`] takes a
//! turn and, while a `Recording` goes on, says what it did: files and folders
//! made, bytes written, names changed, syncs. Tests add what they begin and what
//! was acknowledged. `Disk` replays a recording, and `Examination` asks after
//! every operation what a restart would find, with any one [`SyncPoint`] left
//! out. Without the feature a turn is nothing.
//!
//! [`SyncPoint`]: crate::durable::SyncPoint

#[cfg(feature = "test-hooks")]
mod disk;
#[cfg(feature = "test-hooks")]
mod examination;
#[cfg(feature = "test-hooks")]
mod recording;
#[cfg(not(feature = "test-hooks"))]
mod silent;

#[cfg(feature = "test-hooks")]
pub use self::{
    disk::{Disk, Item, Loss, Tree},
    examination::{ABSENT, Breach, Examination, Findings},
    recording::{Node, Operation, Recording},
};

#[cfg(feature = "test-hooks")]
pub(crate) use self::recording::Turn;
#[cfg(not(feature = "test-hooks"))]
pub(crate) use self::silent::Turn;
