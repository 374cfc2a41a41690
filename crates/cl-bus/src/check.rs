//! Lists what is wrong with a bus file.

use std::path::{Path, PathBuf};

use cl_storage::lock;
use serde::Serialize;

use crate::damage::Damage;
use crate::file;
use crate::read::{self, ReadError, Reading};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The path of the bus.
    pub path: PathBuf,
    /// Its size; zero if there is no file.
    pub size_bytes: u64,
    /// How many messages it holds.
    pub messages: usize,
    /// Every damaged stretch, in the order of the file.
    pub damage: Vec<Damage>,
}

impl Report {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads the bus at `path` and lists everything that is wrong with it.
///
/// Changes nothing. Holds the bus's lock meanwhile, if it can be had soon, so
/// that a record that is just being written is not taken for a torn one.
pub fn check(path: &Path) -> Result<Report, ReadError> {
    let Some(file) = file::open_to_read(path)? else {
        return Ok(report(path, 0, Reading::default()));
    };
    let to_lock = file
        .try_clone()
        .map_err(|e| file::FileError::io("open", path, e))?;
    let look = || -> Result<Report, ReadError> {
        let reading = read::read_all(&file, path)?;
        let size = file
            .metadata()
            .map_err(|e| file::FileError::io("look at", path, e))?
            .len();
        Ok(report(path, size, reading))
    };
    match lock::scoped(to_lock, path, lock::SHORT_WAIT, |_| look()) {
        Ok(report) => report,
        // A bus that cannot be locked can still be read.
        Err(_) => look(),
    }
}

fn report(path: &Path, size_bytes: u64, reading: Reading) -> Report {
    Report {
        path: path.to_owned(),
        size_bytes,
        messages: reading.entries.len(),
        damage: reading.damage,
    }
}
