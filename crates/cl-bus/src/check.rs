//! Lists what is wrong with a bus, and copies what is right.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cl_storage::durable::{self, Mode, SyncPoint};
use cl_storage::lock;
use serde::Serialize;

use crate::archive;
use crate::damage::Damage;
use crate::file::{self, FileError};
use crate::forward;
use crate::history::History;
use crate::read::{After, Cursor, Found, Query, ReadError};
use crate::record;

/// How much is read at once.
const BITE: usize = 64 * 1024;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The path of the bus.
    pub path: PathBuf,
    /// The size of the file and its archives; zero if there is none.
    pub size_bytes: u64,
    /// How many archives it has.
    pub archives: usize,
    /// Their file names, oldest first; they stand beside the file.
    pub archive_names: Vec<String>,
    /// Which archives should be there and cannot be read, in words.
    pub missing: Vec<String>,
    /// How many messages they hold.
    pub messages: usize,
    /// Every damaged stretch, in the order of the bus.
    pub damage: Vec<Damage>,
    /// How many bytes of other text there are in a file that was never a bus.
    pub other_bytes: u64,
}

impl Report {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.missing.is_empty() && !self.is_no_bus()
    }

    /// Tells whether there is text, and not a single message or a trace of one.
    pub fn is_no_bus(&self) -> bool {
        self.other_bytes > 0
    }
}

/// Reads the bus at `path` and its archives and lists everything that is wrong.
///
/// Changes nothing. Only if the last record is not complete it takes the bus's lock,
/// if that can be had soon, and looks at the end again, so that a record that is just
/// being written is not taken for a torn one.
pub fn check(path: &Path) -> Result<Report, ReadError> {
    let mut history = History::open(path)?;
    let archive_names = history.archive_names()?;
    let mut report = Report {
        path: path.to_owned(),
        size_bytes: history.size_bytes()?,
        archives: archive_names.len(),
        archive_names,
        missing: archive::missing(path).map_err(|e| history.read_error(e))?,
        messages: 0,
        damage: Vec::new(),
        other_bytes: 0,
    };
    let last = look(path, None, &mut report)?;
    if report.damage.last().is_some_and(Damage::is_being_written) {
        report.damage.pop();
        with_lock(path, || look(path, last, &mut report))?;
    }
    let has_trace = report.messages > 0 || !report.damage.is_empty();
    if !has_trace && has_text(path)? {
        report.other_bytes = report.size_bytes;
    }
    Ok(report)
}

/// Adds to `report` what stands behind `after`; returns the cursor of the last message.
fn look(
    path: &Path,
    after: Option<Cursor>,
    report: &mut Report,
) -> Result<Option<Cursor>, ReadError> {
    let mut last = after.clone();
    let query = Query {
        after: after.map(After::Cursor),
        ..Query::default()
    };
    // Without a message before, all damage is met again.
    if query.after.is_none() {
        report.damage.clear();
    }
    let known = report.damage.len();
    forward::stream_to_the_end(path, &query, &mut |found| {
        match found {
            Found::Entry(entry) => {
                report.messages += 1;
                last = Some(entry.cursor());
            }
            Found::Damage(damage) if report.damage[..known].contains(&damage) => {}
            Found::Damage(damage) => report.damage.push(damage),
        }
        ControlFlow::Continue(())
    })?;
    Ok(last)
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// How many messages were copied.
    pub messages: usize,
    /// How many of them have a body that is not the one that was posted.
    pub flagged: usize,
    /// The damaged stretches that made no message and are not in the copy.
    pub left_out: Vec<Damage>,
}

/// Writes every message of the bus at `path` and its archives to a new file.
///
/// Fails if something stands at `copy`, with an error of which [`FileError::is_in_the_way`]
/// is true. What is damaged is left out; messages whose body is not whole are kept,
/// and their meta data says so. The copy is on disk when this returns; after an error
/// a part of it may be left.
pub fn repair_to(path: &Path, copy: &Path) -> Result<Repaired, ReadError> {
    let write_error = |e| FileError::io("write", copy, e);
    if archive::is_archive_of(path, copy) {
        let taken = io::Error::new(
            io::ErrorKind::InvalidInput,
            "its name would make it an archive of that bus",
        );
        return Err(write_error(taken).into());
    }
    durable::create_new(copy, b"", Mode::Shared).map_err(write_error)?;
    let out = durable::open_append(copy, Mode::Shared).map_err(write_error)?;
    let mut repaired = Repaired {
        messages: 0,
        flagged: 0,
        left_out: Vec::new(),
    };
    let mut failed = None;
    let query = Query::default();
    forward::stream_to_the_end(path, &query, &mut |found| {
        let entry = match found {
            Found::Entry(entry) => entry,
            Found::Damage(damage) => {
                if !damage.reason.has_message() {
                    repaired.left_out.push(damage);
                }
                return ControlFlow::Continue(());
            }
        };
        let mut bytes = Vec::new();
        if repaired.messages > 0 {
            bytes.push(b'\n');
        }
        record::encode_again(&entry.message, &mut bytes);
        repaired.messages += 1;
        repaired.flagged += usize::from(entry.message.truncated || entry.message.edited);
        match durable::append(&out, &bytes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(write_error(error).into());
    }
    durable::sync_data(&out, SyncPoint::BusCopy).map_err(write_error)?;
    Ok(repaired)
}

/// Runs `look` under the lock of the bus, or without it if it cannot be had soon.
fn with_lock<T>(path: &Path, look: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    let Some(to_lock) = file::open_to_read(path)? else {
        return look();
    };
    let mut look = Some(look);
    let mut once = || look.take().map(|look| look());
    let outcome = lock::scoped(to_lock, path, lock::SHORT_WAIT, |_| once());
    // A bus that cannot be locked can still be read.
    let outcome = outcome.unwrap_or_else(|_| once());
    outcome.expect("it was not run before")
}

/// Tells whether the file at `path` holds more than blanks.
fn has_text(path: &Path) -> Result<bool, ReadError> {
    let Some(file) = file::open_to_read(path)? else {
        return Ok(false);
    };
    let found = is_text(file).map_err(|e| FileError::io("read", path, e))?;
    Ok(found)
}

fn is_text(mut file: File) -> io::Result<bool> {
    let mut buffer = vec![0; BITE];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer[..read].iter().any(|b| !b.is_ascii_whitespace()) {
            return Ok(true);
        }
    }
}
