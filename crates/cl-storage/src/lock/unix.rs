//! `flock(2)`, and a thread that stands in the kernel's queue for it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::waiting::{Backend, Turn};
use super::{Exclusive, LockError};
use crate::fault::{self, Target};

/// All that a thread needs that only waits.
const QUEUE_STACK_BYTES: usize = 128 * 1024;
/// How many threads of this process may queue. One that nobody waits for any more
/// stays until the holder lets go, and keeps its file open; who comes when all
/// places are taken tries again now and then instead.
const PLACES: usize = 8;

/// How many threads of this process queue.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// One of the places in the queue.
struct QueuePlace;

impl QueuePlace {
    fn take() -> Option<Self> {
        let more = |taken| (taken < PLACES).then_some(taken + 1);
        QUEUED
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
            .map(|_| Self)
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        QUEUED.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backend for Exclusive<'_> {
    fn try_lock(&self) -> io::Result<bool> {
        loop {
            let allowed = fault::pass("lock", Target::Path(self.path));
            match allowed.and_then(|()| try_exclusive(self.file)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                outcome => return outcome,
            }
        }
    }

    fn unlock(&self) {
        // It fails for a closed file only, and this one is open.
        rustix::fs::flock(self.file, FlockOperation::Unlock).unwrap_or_default();
    }

    /// The lock belongs to the open file, so the caller has it as soon as the thread
    /// has it. If nobody waits any more it ends with the last handle of that file.
    fn queue(&self, left: Duration) -> io::Result<Turn> {
        let Some(place) = QueuePlace::take() else {
            return Ok(Turn::NoQueue);
        };
        let file = Arc::clone(self.file);
        let (tx, rx) = mpsc::sync_channel(1);
        let wait_for_turn = move || {
            let _place = place;
            let outcome = loop {
                match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                    Err(Errno::INTR) => {}
                    outcome => break outcome,
                }
            };
            // Nobody is left to tell after a timeout, and then dropping the file is all.
            tx.send(outcome).unwrap_or_default();
        };
        let thread = std::thread::Builder::new()
            .name("lock-queue".to_owned())
            .stack_size(QUEUE_STACK_BYTES);
        if thread.spawn(wait_for_turn).is_err() {
            // Out of threads.
            return Ok(Turn::NoQueue);
        }
        match rx.recv_timeout(left) {
            Ok(outcome) => Ok(outcome.map(|()| Turn::Had)?),
            Err(_) => Ok(Turn::Late),
        }
    }
}

/// Tries once to lock `file`; false if somebody else has.
pub(super) fn try_exclusive(file: &File) -> io::Result<bool> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Reads need no lock: this one keeps nobody's bytes from anybody.
#[expect(
    clippy::unnecessary_wraps,
    reason = "its twin on Windows has to wait for the lock"
)]
pub(super) fn reading<T>(
    _file: &File,
    _path: &Path,
    operation: impl FnOnce() -> T,
) -> Result<T, LockError> {
    Ok(operation())
}
