//! `LockFileEx` on one byte beyond all data.
//!
//! Locks are mandatory here: who locked data would keep readers' bytes from them. So the
//! locked byte holds none, and readers, too, ask for it, to see no half of an append.
//! Never run on Windows.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::waiting::{self, Backend, Time, Turn};
use super::{Exclusive, LockError, MachineTime, SHORT_WAIT};
use crate::fault::{self, Target};
use crate::look::{FileId, Look};
use crate::win32::{self, Hold};

thread_local! {
    /// The files that this thread has locked to write; reading them needs no lock.
    static WRITING: RefCell<Vec<FileId>> = const { RefCell::new(Vec::new()) };
}

impl Backend for Exclusive<'_> {
    fn try_lock(&self) -> io::Result<bool> {
        fault::pass("lock", Target::Path(self.path))?;
        let id = Look::of(self.file)?.id;
        let is_had = try_exclusive(self.file)?;
        if is_had {
            WRITING.with_borrow_mut(|writing| writing.push(id));
        }
        Ok(is_had)
    }

    fn unlock(&self) {
        if let Ok(look) = Look::of(self.file) {
            WRITING.with_borrow_mut(|writing| {
                if let Some(at) = writing.iter().rposition(|id| *id == look.id) {
                    writing.remove(at);
                }
            });
        }
        // It fails for a closed file only, and this one is open.
        win32::unlock(self.file).unwrap_or_default();
    }

    /// A queued lock has no deadline, and its thread could not be told apart from this one.
    fn queue(&self, _left: Duration) -> io::Result<Turn> {
        Ok(Turn::NoQueue)
    }
}

/// The shared lock of an open file.
#[derive(Debug)]
struct Shared<'a> {
    file: &'a File,
    path: &'a Path,
}

impl Time for Shared<'_> {
    fn now(&self) -> Instant {
        MachineTime.now()
    }

    fn pause(&self, length: Duration) {
        MachineTime.pause(length);
    }
}

impl Backend for Shared<'_> {
    fn try_lock(&self) -> io::Result<bool> {
        fault::pass("lock", Target::Path(self.path))?;
        win32::try_lock(self.file, Hold::Shared)
    }

    fn unlock(&self) {
        // It fails for a closed file only, and this one is open.
        win32::unlock(self.file).unwrap_or_default();
    }

    fn queue(&self, _left: Duration) -> io::Result<Turn> {
        Ok(Turn::NoQueue)
    }
}

/// Tries once to lock `file`; false if another handle has.
pub(super) fn try_exclusive(file: &File) -> io::Result<bool> {
    win32::try_lock(file, Hold::Exclusive)
}

/// Reads under the shared lock, unless this thread keeps all others out already.
pub(super) fn reading<T>(
    file: &File,
    path: &Path,
    operation: impl FnOnce() -> T,
) -> Result<T, LockError> {
    let id = Look::of(file).map_err(LockError::io(path))?.id;
    if WRITING.with_borrow(|writing| writing.contains(&id)) {
        return Ok(operation());
    }
    let backend = Shared { file, path };
    let _guard = waiting::acquire(&backend, SHORT_WAIT, &mut false).map_err(LockError::of(path))?;
    Ok(operation())
}
