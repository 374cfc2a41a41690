//! Puts the records of one commit into the file of a bus.
//!
//! ```text
//! kept file, or open (append, create, no link) → lock → same file still at the path? ─no→ open again
//!   → at the limit? ─yes→ move aside, open again → empty? sync the folder → ends with a line feed?
//!   → one write: [line end] ([separator] record)… → unlock → sync → acknowledge
//! ```
//!
//! What a crash leaves behind at each step, and why the next writer and every
//! reader can live with it, is the table in `docs/dev/bus.md`. Three orders
//! matter:
//!
//! - The file is compared with its path *after* the lock was had: whoever renamed
//!   it away held the lock, and a message written into the old file is lost to
//!   those who read the path.
//! - The folder is synced before the first byte is written. Bytes in the file
//!   thus prove to every later writer that its entry is on disk, and only the
//!   first one pays for that.
//! - The data is synced after the unlock, so that other processes write
//!   meanwhile and the kernel can share one journal commit among the syncs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cl_storage::durable::SyncPoint;
use cl_storage::lock::{FileLock, LockError};
use cl_storage::{Clock, MessageId, crash, durable};
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::append::{AppendError, Appended, Durability, LockPolicy, repeat_io};
use crate::archive;
use crate::file::{self, FileError, FileId};
use crate::record::Prepared;

/// Each turn means that the file was replaced while its lock was waited for; a
/// hundred in a row are no rotation but a runaway.
const REOPENINGS: u32 = 100;

/// How a bus is written to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) durability: Durability,
    pub(crate) lock_policy: LockPolicy,
    /// How large the file may grow before it is moved aside; `None` for ever.
    pub(crate) rotate_at: Option<u64>,
}

/// The writing end of a bus file, with the file it keeps open between commits.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) settings: Settings,
    kept: Option<Kept>,
}

/// An open bus file.
#[derive(Debug)]
struct Kept {
    lock: FileLock,
    id: FileId,
    /// The size up to which our own last write is known to end with a line feed.
    whole_up_to: Option<u64>,
}

/// The file at the path while its lock is held.
struct Locked<'a> {
    settings: &'a Settings,
    file: &'a File,
    size: u64,
    whole_up_to: &'a mut Option<u64>,
}

/// What became of the records of a commit.
struct Written {
    /// Their ids and where they stand, in order.
    places: Vec<(MessageId, u64)>,
    torn: Option<Torn>,
}

/// A write failed, and what it left could not be taken back.
struct Torn {
    /// How many records are whole.
    whole: usize,
    source: io::Error,
}

/// What was done under the lock.
enum Turn<T> {
    Done(T),
    /// The path names another file by now.
    Replaced,
}

/// Why one try failed; only the lock is tried again.
enum TryError {
    Lock(LockError),
    Other(AppendError),
}

impl From<AppendError> for TryError {
    fn from(error: AppendError) -> Self {
        Self::Other(error)
    }
}

impl Writer {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            kept: None,
        }
    }

    /// Appends `records` in one write, and returns what each of them is told.
    ///
    /// After an error nothing was acknowledged; the error of a failed sync is one
    /// per message, all others concern the whole commit.
    pub(crate) fn commit(
        &mut self,
        records: &[Prepared],
    ) -> Result<Vec<Result<Appended, AppendError>>, AppendError> {
        let (written, attempts) = self.under_lock(&mut |locked| write_records(locked, records))?;
        let durability = self.settings.durability;
        let synced = match (&self.kept, durability) {
            (Some(kept), Durability::Disk) if written.torn.is_none() => {
                durable::sync_data(kept.lock.file(), SyncPoint::BusRecord)
            }
            _ => Ok(()),
        };
        crash::point("bus-synced");
        if synced.is_err() || written.torn.is_some() {
            // What a failed sync left behind is not known; a new file description
            // at least reports the next failure.
            self.kept = None;
        }
        let path = &self.settings.path;
        let unsynced = |id, source| AppendError::Unsynced {
            path: path.clone(),
            id,
            source: repeat_io(source),
        };
        let tell = |(at, (id, position))| match (&written.torn, &synced) {
            (Some(torn), _) if at >= torn.whole => {
                Err(AppendError::write(path, repeat_io(&torn.source)))
            }
            (Some(torn), _) => Err(unsynced(id, &torn.source)),
            (None, Err(source)) => Err(unsynced(id, source)),
            (None, Ok(())) => Ok(Appended {
                id,
                position,
                durability,
                attempts,
            }),
        };
        let places = written.places.into_iter().enumerate();
        Ok(places.map(tell).collect())
    }

    /// Moves the file aside if it has at least `limit` bytes; returns the archive's path.
    pub(crate) fn rotate(&mut self, limit: u64) -> Result<Option<PathBuf>, AppendError> {
        if file::look(&self.settings.path)?.is_none() {
            return Ok(None);
        }
        let (archived, _) = self.under_lock(&mut |Locked { settings, size, .. }| {
            if size == 0 || size < limit {
                return Ok(None);
            }
            archive::rotate(&settings.path, settings.clock.now())
                .map(Some)
                .map_err(|e| FileError::io("rotate", &settings.path, e).into())
        })?;
        Ok(archived)
    }

    /// Runs `operation` on the locked file at the path, with its size.
    ///
    /// Returns how many times the lock was waited for, too. The file stays open
    /// for the next time unless something went wrong.
    fn under_lock<T>(
        &mut self,
        operation: &mut dyn FnMut(Locked<'_>) -> Result<T, AppendError>,
    ) -> Result<(T, u32), AppendError> {
        let mut pause = self.settings.lock_policy.back_off;
        let mut attempts = 1;
        loop {
            match self.try_under_lock(operation) {
                Ok(done) => return Ok((done, attempts)),
                Err(TryError::Lock(source))
                    if source.is_timeout() && attempts < self.settings.lock_policy.attempts =>
                {
                    std::thread::sleep(pause);
                    pause *= 2;
                    attempts += 1;
                }
                Err(TryError::Lock(source)) => return Err(AppendError::Lock { attempts, source }),
                Err(TryError::Other(error)) => return Err(error),
            }
        }
    }

    /// Waits for the lock once, as often as the file is replaced meanwhile.
    fn try_under_lock<T>(
        &mut self,
        operation: &mut dyn FnMut(Locked<'_>) -> Result<T, AppendError>,
    ) -> Result<T, TryError> {
        let settings = &self.settings;
        let path = &settings.path;
        for _ in 0..REOPENINGS {
            let mut kept = match self.kept.take() {
                Some(kept) => kept,
                None => Kept::open(path)?,
            };
            let Kept {
                lock,
                id,
                whole_up_to,
            } = &mut kept;
            let turn = lock
                .with(path, settings.lock_policy.wait, |file| {
                    crash::point("bus-locked");
                    // Its size is that of the file we hold, if it is the same file.
                    let Some(found) = file::look(path)?.filter(|found| FileId::of(found) == *id)
                    else {
                        return Ok(Turn::Replaced);
                    };
                    let size = found.len();
                    if settings.rotate_at.is_some_and(|limit| size >= limit.max(1)) {
                        match archive::rotate(path, settings.clock.now()) {
                            Ok(_) => {
                                crash::point("bus-rotated");
                                return Ok(Turn::Replaced);
                            }
                            // A bus that is too large is better than none.
                            Err(error) => {
                                tracing::warn!(path = %path.display(), %error, "could not rotate");
                                // It may have been moved and only the sync failed.
                                let found = file::look(path)?;
                                if found.is_none_or(|found| FileId::of(&found) != *id) {
                                    return Ok(Turn::Replaced);
                                }
                            }
                        }
                    }
                    let locked = Locked {
                        settings,
                        file,
                        size,
                        whole_up_to,
                    };
                    operation(locked).map(Turn::Done)
                })
                .map_err(TryError::Lock)??;
            if let Turn::Done(done) = turn {
                self.kept = Some(kept);
                return Ok(done);
            }
        }
        let source = io::Error::other("it is being replaced all the time");
        Err(AppendError::from(FileError::io("append to", path, source)).into())
    }
}

impl Kept {
    fn open(path: &Path) -> Result<Self, AppendError> {
        let file = file::open_to_append(path)?;
        let found = file
            .metadata()
            .map_err(|e| FileError::io("look at", path, e))?;
        Ok(Self {
            lock: FileLock::new(file),
            id: FileId::of(&found),
            whole_up_to: None,
        })
    }
}

/// Writes the records behind the last byte; the caller holds the lock.
///
/// After an error nothing of them is left.
fn write_records(locked: Locked<'_>, records: &[Prepared]) -> Result<Written, AppendError> {
    let Locked {
        settings,
        file,
        size,
        whole_up_to,
    } = locked;
    let path = &settings.path;
    let write_error = |source| AppendError::write(path, source);
    if size == 0 {
        let folder = path.parent().unwrap_or(Path::new(""));
        durable::sync_folder(folder, SyncPoint::BusEntry).map_err(write_error)?;
    }
    let bytes_at_most: usize = records.iter().map(Prepared::bytes_at_most).sum();
    let mut buffer = Vec::with_capacity(bytes_at_most + records.len() + 1);
    let is_whole = size == 0 || *whole_up_to == Some(size);
    if !is_whole && !ends_with_line_feed(file, size).map_err(|e| FileError::io("read", path, e))? {
        buffer.push(b'\n');
    }
    let mut places = Vec::with_capacity(records.len());
    let mut ends = Vec::with_capacity(records.len());
    for record in records {
        if size > 0 || !buffer.is_empty() {
            buffer.push(b'\n');
        }
        let position = size + buffer.len() as u64;
        // The id is made under the lock, so that the ids of a bus stand in the file
        // in the order in which they were made, as long as no clock jumps.
        let now = settings.clock.now();
        let id = next_id(now);
        record.write(&id, record.timestamp.unwrap_or(now), &mut buffer);
        places.push((id, position));
        ends.push(size + buffer.len() as u64);
    }
    *whole_up_to = None;
    if let Err(source) = write_buffer(file, &buffer) {
        // What is left is ours alone while we hold the lock, and was acknowledged to
        // nobody. If it cannot be taken back, its authors are told what is there, and
        // readers know a torn record when they see one.
        if durable::take_back(file, size).is_ok() {
            return Err(write_error(source));
        }
        let left = file.metadata().map_or(size, |found| found.len());
        // The next writer adds the last line feed.
        let whole = ends.iter().filter(|end| **end <= left + 1).count();
        let torn = Some(Torn { whole, source });
        return Ok(Written { places, torn });
    }
    *whole_up_to = Some(size + buffer.len() as u64);
    crash::point("bus-written");
    Ok(Written { places, torn: None })
}

fn ends_with_line_feed(file: &File, size: u64) -> io::Result<bool> {
    Ok(file::bytes_at(file, size - 1, 1)? == b"\n")
}

/// Makes the id of a message that is appended at `now`.
///
/// Unique within the process by the counter, across processes by the pid, and
/// across reuse of a pid by the nanoseconds.
fn next_id(now: Timestamp) -> MessageId {
    static SEQUENCE: AtomicU32 = AtomicU32::new(1);
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed) % 10_000;
    let time = Offset::UTC.to_datetime(now);
    let pid = std::process::id() % 100_000;
    let text = format!(
        "MSG-{:04}{:02}{:02}-{:02}{:02}{:02}-{:09}-PID{pid:05}-{sequence:04}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond(),
    );
    MessageId::parse(&text).expect("letters, digits and hyphens are a message id")
}

#[cfg(not(feature = "test-hooks"))]
fn write_buffer(file: &File, buffer: &[u8]) -> io::Result<()> {
    durable::append(file, buffer)
}

/// Writes in two halves, so that a test can kill the process between them.
#[cfg(feature = "test-hooks")]
fn write_buffer(file: &File, buffer: &[u8]) -> io::Result<()> {
    let (first, second) = buffer.split_at(buffer.len() / 2);
    durable::append(file, first)?;
    crash::point("bus-half-written");
    durable::append(file, second)
}
