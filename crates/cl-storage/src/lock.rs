//! Kernel locks with a deadline.
//!
//! Two kinds. [`scoped`] and [`FileLock`] serve short operations (an append, a
//! read-modify-write); [`HeldLock`] is kept for a process's life (owner of a
//! task, run slot). Both are `flock(2)` locks: they belong to the open file, end
//! with the process however it dies, and are advisory.
//!
//! Who waits for a short operation tries again a few times, because it is over in
//! microseconds, and then queues in the kernel, which wakes it when its turn comes. A queued `flock` cannot be given a deadline, so a thread of
//! its own waits there and the caller waits for the thread; that thread lives as
//! long as the wait and is the only one that this crate starts. Who waits for a
//! lock of the second kind tries again after 50 µs, doubling up to 10 ms.
//!
//! Lock files are not deleted, but the folder around one may be, by its holder. A
//! waiter on the old inode and a newcomer on a new one would both believe that
//! they hold the lock, so [`HeldLock`] counts only if its file still has its name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::durable::{self, Mode};
use crate::fault::{self, Target};

/// How long an ordinary short lock is waited for.
pub const SHORT_WAIT: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// How often the processor is offered to others before the first pause; a short
/// operation on another core is over within a few of them.
const YIELDS: u32 = 8;
/// All that a thread needs that only waits.
const QUEUE_STACK_BYTES: usize = 128 * 1024;

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else held it until the deadline.
    #[error("{} is locked by another process (waited {waited:?})", path.display())]
    Timeout {
        /// The locked file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The file could not be opened or locked.
    #[error("could not lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl LockError {
    /// Tells whether another holder was the reason.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}

/// A file that is kept open and locked for one short operation after another.
#[derive(Debug)]
pub struct FileLock {
    lock: fd_lock::RwLock<Arc<File>>,
    file: Arc<File>,
    /// A thread still queues for this file; its turn would come to nobody.
    is_spent: bool,
}

impl FileLock {
    /// Takes charge of `file`; nothing is locked yet.
    pub fn new(file: File) -> Self {
        let file = Arc::new(file);
        Self {
            lock: fd_lock::RwLock::new(Arc::clone(&file)),
            file,
            is_spent: false,
        }
    }

    /// Runs `operation` while holding the exclusive lock on the file.
    ///
    /// `path` is only for messages. Blocks for `wait` at the most to get the lock.
    /// After a timeout this value is of no more use: open the file again.
    pub fn with<T>(
        &mut self,
        path: &Path,
        wait: Duration,
        operation: impl FnOnce(&File) -> T,
    ) -> Result<T, LockError> {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            // `fd_lock` hands out a guard that borrows the lock, which a loop
            // cannot return; so the loop waits until a try succeeds, and keeps it.
            let allowed = fault::pass("lock", Target::Path(path));
            match allowed.and_then(|()| self.lock.try_write()) {
                Ok(guard) => return Ok(operation(&guard)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => {
                    return Err(LockError::Io {
                        path: path.to_owned(),
                        source,
                    });
                }
            }
            let left = time_left(path, started, wait)?;
            tries += 1;
            match tries {
                1..YIELDS => std::thread::yield_now(),
                YIELDS => std::thread::sleep(FIRST_PAUSE.min(left)),
                _ if self.is_spent => return Err(timeout(path, started)),
                _ => self.is_spent = !queue(Arc::clone(&self.file), path, left)?,
            }
        }
    }

    /// Returns the file, which need not be locked.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Runs `operation` while holding the exclusive lock on `file`.
///
/// `path` is only for messages. Blocks for `wait` at the most to get the lock.
pub fn scoped<T>(
    file: File,
    path: &Path,
    wait: Duration,
    operation: impl FnOnce(&File) -> T,
) -> Result<T, LockError> {
    FileLock::new(file).with(path, wait, operation)
}

/// Queues for the lock on `file`; false if the time was up first.
///
/// The lock belongs to the open file, so the caller has it as soon as the thread
/// has it. If nobody waits any more it ends with the last handle of that file.
fn queue(file: Arc<File>, path: &Path, left: Duration) -> Result<bool, LockError> {
    let io_error = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    let (tx, rx) = mpsc::sync_channel(1);
    let wait_for_turn = move || {
        let outcome = loop {
            match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
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
        // Out of threads: try again now and then, as for the other kind of lock.
        std::thread::sleep(LONGEST_PAUSE.min(left));
        return Ok(true);
    }
    match rx.recv_timeout(left) {
        Ok(outcome) => outcome.map(|()| true).map_err(|e| io_error(e.into())),
        Err(_) => Ok(false),
    }
}

/// Runs `operation` under the lock file at `path`, which is created if missing.
pub fn with_lock_file<T>(
    path: &Path,
    wait: Duration,
    operation: impl FnOnce() -> T,
) -> Result<T, LockError> {
    let file = durable::open_append(path, Mode::Shared).map_err(|source| LockError::Io {
        path: path.to_owned(),
        source,
    })?;
    scoped(file, path, wait, |_| operation())
}

/// An exclusive lock that lasts until it is dropped or the process dies.
///
/// The descriptor is close-on-exec, so no child can keep the lock alive.
#[derive(Debug)]
pub struct HeldLock {
    file: File,
    path: PathBuf,
}

impl HeldLock {
    /// Takes the lock on the file at `path`, creating the file with `mode`.
    ///
    /// Blocks for `wait` at the most; a wait of zero tries exactly once.
    pub fn acquire(path: &Path, mode: Mode, wait: Duration) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = durable::open_append(path, mode).map_err(io_error)?;
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if !has_name(&file, path).map_err(io_error)? => {
                    file = durable::open_append(path, mode).map_err(io_error)?;
                    pause = wait_for_next_try(path, started, wait, pause)?;
                }
                Ok(()) => {
                    return Ok(Self {
                        file,
                        path: path.to_owned(),
                    });
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    pause = wait_for_next_try(path, started, wait, pause)?;
                }
                Err(e) => return Err(io_error(e.into())),
            }
        }
    }

    /// Returns the locked file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Tells whether the locked file still has its name. If not, somebody else may
    /// hold a lock of that name. A file that cannot be looked at counts as there.
    pub fn is_in_place(&self) -> bool {
        has_name(&self.file, &self.path).unwrap_or(true)
    }

    /// Returns the path of the locked file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Tells whether `file` is still what `path` names.
fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let held = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Pauses before the next try and returns the pause after that one.
fn wait_for_next_try(
    path: &Path,
    started: Instant,
    wait: Duration,
    pause: Duration,
) -> Result<Duration, LockError> {
    let left = time_left(path, started, wait)?;
    std::thread::sleep(pause.min(left));
    Ok((pause * 2).min(LONGEST_PAUSE))
}

/// Returns how much of `wait` is left, and an error if none is.
fn time_left(path: &Path, started: Instant, wait: Duration) -> Result<Duration, LockError> {
    wait.checked_sub(started.elapsed())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| timeout(path, started))
}

fn timeout(path: &Path, started: Instant) -> LockError {
    LockError::Timeout {
        path: path.to_owned(),
        waited: started.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_waits_and_then_times_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let held = HeldLock::acquire(&path, Mode::Private, Duration::ZERO).unwrap();
        let error = HeldLock::acquire(&path, Mode::Private, Duration::from_millis(5)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let error = with_lock_file(&path, Duration::ZERO, || ()).unwrap_err();
        assert!(error.is_timeout(), "both kinds are the same kernel lock");
        drop(held);
        with_lock_file(&path, Duration::ZERO, || ()).unwrap();
        assert!(path.exists(), "lock files stay");
    }

    #[test]
    fn a_lock_on_a_deleted_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let held = HeldLock::acquire(&path, Mode::Private, Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope
                .spawn(|| HeldLock::acquire(&path, Mode::Private, Duration::from_mins(1)).unwrap());
            // Whenever the waiter opens the file: what it gets in the end has the name.
            std::fs::remove_file(&path).unwrap();
            drop(held);
            let waiter = waiter.join().unwrap();
            assert!(has_name(waiter.file(), &path).unwrap());
        });
    }

    #[test]
    fn counting_under_the_lock_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, counter) = (folder.path().join("l"), folder.path().join("n"));
        std::fs::write(&counter, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        with_lock_file(&lock, Duration::from_mins(1), || {
                            let n: u32 =
                                std::fs::read_to_string(&counter).unwrap().parse().unwrap();
                            std::fs::write(&counter, (n + 1).to_string()).unwrap();
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), "200");
    }
}
