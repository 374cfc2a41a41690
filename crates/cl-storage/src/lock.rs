//! Kernel locks with a deadline.
//!
//! Two kinds, one waiting rule. [`scoped`] serves one short operation (an
//! append, a read-modify-write); [`HeldLock`] is kept for a process's life
//! (owner of a task, run slot). Both are `flock(2)` locks: they belong to the
//! open file, end with the process however it dies, and are advisory. A waiter
//! tries again after 50 µs, doubling up to 10 ms, until its deadline.
//!
//! Lock files are not deleted, but the folder around one may be, by its holder. A
//! waiter on the old inode and a newcomer on a new one would both believe that
//! they hold the lock, so [`HeldLock`] counts only if its file still has its name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::durable::{self, Mode};

/// How long an ordinary short lock is waited for.
pub const SHORT_WAIT: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

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

/// Runs `operation` while holding the exclusive lock on `file`.
///
/// `path` is only for messages. Blocks for `wait` at the most to get the lock.
pub fn scoped<T>(
    file: File,
    path: &Path,
    wait: Duration,
    operation: impl FnOnce(&mut File) -> T,
) -> Result<T, LockError> {
    let mut lock = fd_lock::RwLock::new(file);
    // `fd_lock` hands out a guard that borrows the lock, which a retry loop
    // cannot return; so the loop only waits until a try succeeds, and keeps it.
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match lock.try_write() {
            Ok(mut guard) => return Ok(operation(&mut guard)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                pause = wait_for_next_try(path, started, wait, pause)?;
            }
            Err(source) => {
                return Err(LockError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        }
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
    let waited = started.elapsed();
    let Some(left) = wait.checked_sub(waited).filter(|left| !left.is_zero()) else {
        return Err(LockError::Timeout {
            path: path.to_owned(),
            waited,
        });
    };
    std::thread::sleep(pause.min(left));
    Ok((pause * 2).min(LONGEST_PAUSE))
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
