//! Reads messages: all, after a place, or the last ones.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cl_storage::{IdError, MessageId};

use crate::damage::{Damage, Reason};
use crate::file::{self, FileError};
use crate::message::Message;
use crate::scan::{self, End, Item, ScanState};

/// The smallest window that is read from the end of a file.
const SMALLEST_WINDOW_BYTES: u64 = 64 * 1024;
/// How long a message is assumed to be before its length is known.
const USUAL_RECORD_BYTES: u64 = 512;
/// How the id of a legacy line starts.
const LEGACY_PREFIX: &str = "LEGACY-LINE-";

/// Why a bus could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bus file is none, or could not be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The message after which was to be read is not there.
    #[error("since id \"{id}\" not found in {}", path.display())]
    UnknownMessage {
        /// The path of the bus.
        path: PathBuf,
        /// The id that was looked for.
        id: MessageId,
    },
}

impl ReadError {
    /// Tells whether the place to read from was not found, rather than the disk failing.
    pub fn is_unknown_message(&self) -> bool {
        matches!(self, Self::UnknownMessage { .. })
    }
}

/// The place behind one message: where its record starts, and its id.
///
/// As text `<position>:<id>`. The position makes reading on cheap; the id tells
/// whether the file is still the one that the position was taken from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// Where the record starts, in bytes from the start of the file.
    pub position: u64,
    /// The id of the message.
    pub id: MessageId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.id)
    }
}

impl FromStr for Cursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = text.split_once(':');
        let position = parts.and_then(|(position, _)| position.parse().ok());
        match (parts, position) {
            (Some((_, id)), Some(position)) => Ok(Self {
                position,
                id: MessageId::parse(id)?,
            }),
            _ => Err(IdError::Invalid {
                kind: "cursor",
                text: text.chars().take(120).collect(),
                rule: "must match <position>:<message id>",
            }),
        }
    }
}

impl TryFrom<String> for Cursor {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// The place behind which is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The message with this id, wherever it stands.
    Id(MessageId),
    /// The message at a known place; if it is elsewhere now, it is looked for.
    Cursor(Cursor),
}

impl After {
    /// Returns the id of the message behind which is read.
    pub fn id(&self) -> &MessageId {
        match self {
            Self::Id(id) => id,
            Self::Cursor(cursor) => &cursor.id,
        }
    }
}

/// One message and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where its record starts, in bytes from the start of the file.
    pub position: u64,
    /// The message.
    pub message: Message,
}

impl Entry {
    /// Returns the cursor that stands behind this message.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            position: self.position,
            id: self.message.id.clone(),
        }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The messages, in the order of the file.
    pub entries: Vec<Entry>,
    /// The damage met on the way; [`crate::check()`] lists all there is.
    pub damage: Vec<Damage>,
}

impl Reading {
    /// Returns the messages, in the order of the file.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Message> + ExactSizeIterator {
        self.entries.iter().map(|entry| &entry.message)
    }

    /// Returns the messages and drops the rest.
    pub fn into_messages(self) -> Vec<Message> {
        self.entries
            .into_iter()
            .map(|entry| entry.message)
            .collect()
    }

    /// Returns the place behind the last message; `None` if there is none.
    pub fn last_cursor(&self) -> Option<Cursor> {
        self.entries.last().map(Entry::cursor)
    }
}

/// Reads every message of the bus at `path`.
pub(crate) fn all(path: &Path) -> Result<Reading, ReadError> {
    match file::open_to_read(path)? {
        Some(file) => read_all(&file, path),
        None => Ok(Reading::default()),
    }
}

/// Reads every message of an open bus.
pub(crate) fn read_all(file: &File, path: &Path) -> Result<Reading, ReadError> {
    let mut collector = Collector::default();
    let mut state = ScanState::START;
    file::scan_file(file, &mut state, End::File, &mut |item| {
        collector.take(item);
    })
    .map_err(|e| FileError::io("read", path, e))?;
    Ok(collector.reading)
}

/// Reads what stands behind `after`.
pub(crate) fn since(path: &Path, after: &After) -> Result<Reading, ReadError> {
    let unknown = || ReadError::UnknownMessage {
        path: path.to_owned(),
        id: after.id().clone(),
    };
    let file = file::open_to_read(path)?.ok_or_else(unknown)?;
    let read_error = |e| FileError::io("read", path, e);
    if let After::Cursor(cursor) = after
        && let Some(reading) = since_cursor(&file, cursor).map_err(read_error)?
    {
        return Ok(reading);
    }
    since_id(&file, after.id())
        .map_err(read_error)?
        .ok_or_else(unknown)
}

/// Reads behind `cursor`; `None` if its message does not stand there.
fn since_cursor(file: &File, cursor: &Cursor) -> io::Result<Option<Reading>> {
    if cursor.id.as_str().starts_with(LEGACY_PREFIX) || !starts_line(file, cursor.position)? {
        return Ok(None);
    }
    let mut reading = read_from_boundary(file, cursor.position)?;
    let found = reading
        .entries
        .first()
        .is_some_and(|first| first.cursor() == *cursor);
    if !found {
        return Ok(None);
    }
    reading.entries.remove(0);
    reading
        .damage
        .retain(|damage| damage.offset > cursor.position);
    Ok(Some(reading))
}

/// Tells whether a record may start at `position`.
pub(crate) fn starts_line(file: &File, position: u64) -> io::Result<bool> {
    let Some(before) = position.checked_sub(1) else {
        return Ok(true);
    };
    // A position behind the end may be too large for the system to be asked about.
    if before >= file.metadata()?.len() {
        return Ok(false);
    }
    let mut byte = [0];
    Ok(file.read_at(&mut byte, before)? == 1 && matches!(byte[0], b'\n' | 0))
}

/// Reads from a boundary at `position` to the end.
fn read_from_boundary(file: &File, position: u64) -> io::Result<Reading> {
    let read = |lines| {
        let mut collector = Collector::default();
        let mut state = ScanState::at_line(position, lines);
        file::scan_file(file, &mut state, End::File, &mut |item| {
            collector.take(item);
        })?;
        io::Result::Ok(collector.reading)
    };
    let reading = read(0)?;
    let has_legacy = reading
        .messages()
        .any(|message| message.id.as_str().starts_with(LEGACY_PREFIX));
    // Legacy lines are named by their number, for which all lines before count.
    if has_legacy {
        read(count_lines(file, position)?)
    } else {
        Ok(reading)
    }
}

/// Counts the line feeds before `position`.
pub(crate) fn count_lines(file: &File, position: u64) -> io::Result<u64> {
    let mut lines = 0;
    let mut file = file;
    file.rewind()?;
    let mut reader = io::BufReader::with_capacity(64 * 1024, file.take(position));
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        lines += scan::count_line_feeds(chunk);
        let len = chunk.len();
        reader.consume(len);
    }
}

/// Reads behind the first message with `id`; `None` if there is none.
fn since_id(file: &File, id: &MessageId) -> io::Result<Option<Reading>> {
    let mut collector = Collector::default();
    let mut found = false;
    let mut state = ScanState::START;
    file::scan_file(file, &mut state, End::File, &mut |item| {
        collector.take(item);
        if !found
            && collector
                .reading
                .entries
                .last()
                .is_some_and(|last| last.message.id == *id)
        {
            found = true;
            collector.reading = Reading::default();
        } else if !found {
            collector.reading.entries.clear();
        }
    })?;
    Ok(found.then_some(collector.reading))
}

/// Reads the last `count` messages.
pub(crate) fn tail(path: &Path, count: usize) -> Result<Reading, ReadError> {
    let Some(file) = file::open_to_read(path)? else {
        return Ok(Reading::default());
    };
    let read_error = |e| FileError::io("read", path, e);
    let window = (count as u64)
        .saturating_mul(USUAL_RECORD_BYTES)
        .max(SMALLEST_WINDOW_BYTES);
    if count > 0
        && let Some(reading) = tail_of_window(&file, count, window).map_err(read_error)?
    {
        return Ok(reading);
    }
    let mut reading = read_all(&file, path)?;
    if count > 0 {
        keep_last(&mut reading, count);
    }
    Ok(reading)
}

/// Reads the last `count` messages from windows that grow from the end.
///
/// `None` if only a full read can tell. A window is read from its first boundary
/// on, which makes the same messages of the same bytes as a full read.
fn tail_of_window(file: &File, count: usize, window: u64) -> io::Result<Option<Reading>> {
    let size = file.metadata()?.len();
    let mut window = window;
    while window < size {
        let start = size - window;
        let bytes = file::read_from(file, start)?;
        // The first byte only tells whether a line starts behind it.
        if let Some(at) = scan::find_boundary(&bytes, 1, false) {
            let position = start + at as u64;
            let mut reading = read_from_boundary(file, position)?;
            if reading.entries.len() >= count {
                keep_last(&mut reading, count);
                let repeats = has_ids_before(file, position, &reading)?;
                return Ok((!repeats).then_some(reading));
            }
        }
        window = window.saturating_mul(4);
    }
    Ok(None)
}

/// Tells whether a header before `position` may hold the id of one of these messages.
///
/// Then some of them may be duplicates, which a full read leaves out.
fn has_ids_before(file: &File, position: u64, reading: &Reading) -> io::Result<bool> {
    let ids: HashSet<&[u8]> = reading
        .messages()
        .map(|message| message.id.as_str().as_bytes())
        .collect();
    let mut file = file;
    file.rewind()?;
    let mut reader = io::BufReader::with_capacity(256 * 1024, file.take(position));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        // A NUL may stand before the opening line, never inside the id's.
        if let Some(value) = line.strip_prefix(b"msg_id:") {
            let value = value.trim_ascii();
            let value = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .or_else(|| value.strip_prefix(b"'")?.strip_suffix(b"'"))
                .unwrap_or(value);
            if ids.contains(value) {
                return Ok(true);
            }
        }
        line.clear();
    }
    Ok(false)
}

fn keep_last(reading: &mut Reading, count: usize) {
    let surplus = reading.entries.len().saturating_sub(count);
    reading.entries.drain(..surplus);
    if surplus > 0
        && let Some(first) = reading.entries.first()
    {
        let from = first.position;
        reading.damage.retain(|damage| damage.offset >= from);
    }
}

/// Collects what a scan finds, each id once.
#[derive(Debug, Default)]
struct Collector {
    reading: Reading,
    seen: HashSet<MessageId>,
}

impl Collector {
    fn take(&mut self, item: Item) {
        match item {
            Item::Damage(damage) => self.reading.damage.push(damage),
            Item::Message {
                position,
                length,
                message,
            } => {
                if self.seen.insert(message.id.clone()) {
                    let message = *message;
                    self.reading.entries.push(Entry { position, message });
                } else {
                    self.reading
                        .damage
                        .push(duplicate(position, length, message.id));
                }
            }
        }
    }
}

/// Makes the report of a record whose id an earlier one has.
pub(crate) fn duplicate(offset: u64, length: u64, id: MessageId) -> Damage {
    Damage {
        offset,
        length,
        reason: Reason::DuplicateId,
        detail: String::new(),
        msg_id: Some(id),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::scan::test_files;

    proptest! {
        #[test]
        fn a_window_of_any_size_shows_what_a_full_read_shows(
            bytes in test_files::any_file(),
            window in 1..200_u64,
            count in 1..5_usize,
        ) {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            if let Some(tail) = tail_of_window(&file, count, window).unwrap() {
                let mut full = read_all(&file, Path::new("bus")).unwrap();
                keep_last(&mut full, count);
                prop_assert_eq!(tail.entries, full.entries);
            }
        }
    }
}
