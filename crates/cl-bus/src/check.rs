//! Lists what is wrong with a bus, and copies what is right.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cl_storage::durable::{self, Mode, SyncPoint};
use cl_storage::lock;
use serde::Serialize;

use crate::damage::Damage;
use crate::file::{self, FileError};
use crate::forward;
use crate::history::History;
use crate::read::{Found, Query, ReadError};
use crate::record;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The path of the bus.
    pub path: PathBuf,
    /// The size of the file and its archives; zero if there is none.
    pub size_bytes: u64,
    /// How many archives it has.
    pub archives: usize,
    /// How many messages they hold.
    pub messages: usize,
    /// Every damaged stretch, in the order of the bus.
    pub damage: Vec<Damage>,
}

impl Report {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads the bus at `path` and its archives and lists everything that is wrong.
///
/// Changes nothing. Holds the bus's lock meanwhile, if it can be had soon, so
/// that a record that is just being written is not taken for a torn one.
pub fn check(path: &Path) -> Result<Report, ReadError> {
    with_lock(path, || {
        let mut history = History::open(path)?;
        let mut report = Report {
            path: path.to_owned(),
            size_bytes: history.size_bytes()?,
            archives: history.archive_count()?,
            messages: 0,
            damage: Vec::new(),
        };
        forward::stream(path, &Query::default(), &mut |found| {
            match found {
                Found::Entry(_) => report.messages += 1,
                Found::Damage(damage) => report.damage.push(damage),
            }
            ControlFlow::Continue(())
        })?;
        Ok(report)
    })
}

/// Writes every message of the bus at `path` and its archives to a new file.
///
/// Returns how many there are. What is damaged is left out; messages whose body
/// is not whole are kept, and their meta data says so. The copy is on disk when
/// this returns; after an error a part of it may be left.
pub fn repair_to(path: &Path, copy: &Path) -> Result<usize, ReadError> {
    let write_error = |e| FileError::io("write", copy, e);
    durable::create_new(copy, b"", Mode::Shared).map_err(write_error)?;
    let out = durable::open_append(copy, Mode::Shared).map_err(write_error)?;
    let mut messages = 0;
    let mut failed = None;
    with_lock(path, || {
        forward::stream(path, &Query::default(), &mut |found| {
            let Found::Entry(entry) = found else {
                return ControlFlow::Continue(());
            };
            let mut bytes = Vec::new();
            if messages > 0 {
                bytes.push(b'\n');
            }
            record::encode_again(&entry.message, &mut bytes);
            messages += 1;
            match durable::append(&out, &bytes) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })
    })?;
    if let Some(error) = failed {
        return Err(write_error(error).into());
    }
    durable::sync_data(&out, SyncPoint::FileContent).map_err(write_error)?;
    Ok(messages)
}

/// Runs `look` under the lock of the bus, or without it if it cannot be had soon.
fn with_lock<T>(
    path: &Path,
    mut look: impl FnMut() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let Some(to_lock) = file::open_to_read(path)? else {
        return look();
    };
    match lock::scoped(to_lock, path, lock::SHORT_WAIT, |_| look()) {
        Ok(outcome) => outcome,
        // A bus that cannot be locked can still be read.
        Err(_) => look(),
    }
}
