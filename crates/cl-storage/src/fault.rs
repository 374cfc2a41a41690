//! Named operations that a test can make fail.
//!
//! With the feature `test-hooks` every operation of [`crate::durable`], every lock
//! and every read of a bus or a record passes here, with its name and its file. A
//! test of this process arms a `Fault` for as long as it holds the guard; a
//! process that a test starts is armed by `CL_FAULT`, faults separated by blanks:
//!
//! ```text
//! <operation>:<error>[:key=value]…      append:ENOSPC:file=TASK-MESSAGE-BUS.md:at=2:after=10
//! ```
//!
//! What fired is counted by the guard, and appended to the file named by
//! `CL_FAULT_LOG`, so that a test can prove that the fault landed. Without the
//! feature a passage is an empty function, and released binaries are checked to
//! hold none of these names.

#[cfg(feature = "test-hooks")]
mod armed;

use std::fs::File;
use std::io;
use std::path::Path;

use crate::durable::SyncPoint;

#[cfg(feature = "test-hooks")]
pub use self::armed::{Armed, Fault, arm};

/// What an operation works on.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An open file.
    File(&'a File),
    /// What is at a path.
    Path(&'a Path),
}

/// Passes the operation with this name; fails as a test has armed.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub fn pass(_operation: &'static str, _target: Target<'_>) -> io::Result<()> {
    Ok(())
}

/// Passes the operation with this name; fails as a test has armed.
#[cfg(feature = "test-hooks")]
pub fn pass(operation: &'static str, target: Target<'_>) -> io::Result<()> {
    armed::meet(operation, target, 0).map(drop)
}

/// Passes a sync, an operation with the name of its place.
#[cfg(not(feature = "test-hooks"))]
#[inline]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same call as that of test builds"
)]
pub(crate) fn pass_sync(_point: SyncPoint, _file: &File) -> io::Result<()> {
    Ok(())
}

/// Passes a sync, an operation with the name of its place.
#[cfg(feature = "test-hooks")]
pub(crate) fn pass_sync(point: SyncPoint, file: &File) -> io::Result<()> {
    armed::meet(&format!("{point:?}"), Target::File(file), 0).map(drop)
}

/// Passes an append of `bytes`; returns those that the system will take.
#[cfg(not(feature = "test-hooks"))]
#[inline]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same call as that of test builds"
)]
pub(crate) fn pass_append<'a>(_file: &File, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
    Ok(bytes)
}

/// Passes an append of `bytes`; returns those that the system will take.
#[cfg(feature = "test-hooks")]
pub(crate) fn pass_append<'a>(file: &File, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
    let taken = armed::meet("append", Target::File(file), bytes.len())?;
    Ok(&bytes[..taken])
}
