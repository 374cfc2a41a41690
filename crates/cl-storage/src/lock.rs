//! Kernel locks with a deadline.
//!
//! Two kinds. [`scoped`] and [`FileLock`] serve short operations (an append, a
//! read-modify-write); [`HeldLock`] is kept for a process's life (owner of a
//! task, run slot). Both are `flock(2)` locks: they belong to the open file, end
//! with the process however it dies, and are advisory.
//!
//! Who waits for a short operation tries again a few times, because it is over in
//! microseconds, and then queues in the kernel, which wakes it when its turn comes.
//! A queued `flock` cannot be given a deadline, so a thread of its own waits there
//! and the caller waits for the thread; that thread lives as long as the wait and is
//! the only one that this crate starts. Who waits for a lock of the second kind
//! tries again after 50 µs, doubling up to 10 ms. `waiting` has these rules and
//! knows no system; `unix` and `windows` are the systems, and the latter has no queue.
//!
//! Lock files are not deleted, but the folder around one may be, by its holder. A
//! waiter on the old inode and a newcomer on a new one would both believe that
//! they hold the lock, so [`HeldLock`] counts only if its file still has its name.

#[cfg(unix)]
mod unix;
mod waiting;
#[cfg(windows)]
mod windows;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::durable::{self, Mode};
use crate::look::Look;
#[cfg(unix)]
use unix as system;
use waiting::{Failure, Time};
#[cfg(windows)]
use windows as system;

/// How long an ordinary short lock is waited for.
pub const SHORT_WAIT: Duration = Duration::from_secs(5);

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

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    fn of(path: &Path) -> impl FnOnce(Failure) -> Self {
        let path = path.to_owned();
        move |failure| match failure {
            Failure::Timeout { waited } => Self::Timeout { path, waited },
            Failure::Io(source) => Self::Io { path, source },
        }
    }
}

/// A file that is kept open and locked for one short operation after another.
#[derive(Debug)]
pub struct FileLock {
    file: Arc<File>,
    /// A thread still queues for this file; its turn would come to nobody.
    is_spent: bool,
}

impl FileLock {
    /// Takes charge of `file`; nothing is locked yet.
    pub fn new(file: File) -> Self {
        Self {
            file: Arc::new(file),
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
        let backend = Exclusive {
            file: &self.file,
            path,
        };
        let _guard =
            waiting::acquire(&backend, wait, &mut self.is_spent).map_err(LockError::of(path))?;
        Ok(operation(&self.file))
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

/// Runs `operation` under the lock file at `path`, which is created if missing.
pub fn with_lock_file<T>(
    path: &Path,
    wait: Duration,
    operation: impl FnOnce() -> T,
) -> Result<T, LockError> {
    with_lock_file_of(path, Mode::Shared, wait, operation)
}

/// Does the same with a lock file that is made for its owner alone.
pub(crate) fn with_private_lock_file<T>(
    path: &Path,
    wait: Duration,
    operation: impl FnOnce() -> T,
) -> Result<T, LockError> {
    with_lock_file_of(path, Mode::Private, wait, operation)
}

fn with_lock_file_of<T>(
    path: &Path,
    mode: Mode,
    wait: Duration,
    operation: impl FnOnce() -> T,
) -> Result<T, LockError> {
    let file = durable::open_append(path, mode).map_err(LockError::io(path))?;
    scoped(file, path, wait, |_| operation())
}

/// Runs `operation`, which reads `file`, while no writer holds the lock on it.
///
/// On Unix locks keep no reader's bytes from it, and this takes none. On Windows the
/// shared lock is waited for up to [`SHORT_WAIT`], unless this thread is the writer.
/// `path` is only for messages.
pub fn reading<T>(file: &File, path: &Path, operation: impl FnOnce() -> T) -> Result<T, LockError> {
    system::reading(file, path, operation)
}

/// Tells whether the lock on one opening of a file keeps out another one.
pub(crate) fn excludes(first: &File, second: &File) -> io::Result<bool> {
    if !system::try_exclusive(first)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(!system::try_exclusive(second)?)
}

/// Repeats `attempt` until it brings something; `None` if it has not after `wait`.
#[cfg(windows)]
pub(crate) fn try_for<T>(
    wait: Duration,
    attempt: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    match waiting::poll(&MachineTime, wait, attempt) {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Timeout { .. }) => Ok(None),
        Err(Failure::Io(error)) => Err(error),
    }
}

/// The exclusive lock of an open file.
#[derive(Debug)]
struct Exclusive<'a> {
    file: &'a Arc<File>,
    /// Names the file where a test makes it fail.
    path: &'a Path,
}

impl Time for Exclusive<'_> {
    fn now(&self) -> Instant {
        MachineTime.now()
    }

    fn pause(&self, length: Duration) {
        MachineTime.pause(length);
    }
}

/// The machine's time.
#[derive(Debug)]
struct MachineTime;

impl Time for MachineTime {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn pause(&self, length: Duration) {
        if length.is_zero() {
            std::thread::yield_now();
        } else {
            std::thread::sleep(length);
        }
    }
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
        let open = || durable::open_append(path, mode);
        let mut file = open().map_err(LockError::io(path))?;
        waiting::poll(&MachineTime, wait, || {
            if !system::try_exclusive(&file)? {
                return Ok(None);
            }
            if !has_name(&file, path)? {
                file = open()?;
                return Ok(None);
            }
            Ok(Some(()))
        })
        .map_err(LockError::of(path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
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
    let held = Look::of(file)?;
    match Look::at(path) {
        Ok(named) => Ok(named.id == held.id),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
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
    fn a_panic_under_the_lock_frees_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let mut lock = FileLock::new(File::create(&path).unwrap());
        let broken = std::panic::AssertUnwindSafe(|| {
            lock.with(&path, Duration::ZERO, |_| panic!("while it is held"))
        });
        std::panic::catch_unwind(broken).unwrap_err();
        with_lock_file(&path, Duration::ZERO, || ()).unwrap();
        lock.with(&path, Duration::ZERO, |_| ()).unwrap();
    }

    #[test]
    fn a_queued_writer_has_its_turn_after_the_release() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let held = HeldLock::acquire(&path, Mode::Private, Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| with_lock_file(&path, Duration::from_mins(1), || ()));
            // Whether it has queued by now or not: it must get its turn.
            drop(held);
            waiter.join().unwrap().unwrap();
        });
    }

    #[test]
    fn reading_a_locked_file_needs_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        std::fs::write(&path, "content").unwrap();
        let _held = HeldLock::acquire(&path, Mode::Private, Duration::ZERO).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "content");
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
