//! Finds the place of a message by its id or its cursor.
//!
//! A cursor is checked where it points: in the current file, then in the
//! archives, because a file keeps its positions when it is archived. An id is
//! looked for by its time. Our ids start with the time at which they were made,
//! under the lock, so along a bus they grow, and a binary search for the first
//! record that is not older finds it with a few small reads. Clocks jump, though,
//! and other writers make ids before they have the lock; so what the search does
//! not find is looked for from the oldest byte to the newest.
//!
//! A place that is returned is that of a message; a damaged record with the right
//! id is passed over.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use cl_storage::MessageId;
use memchr::memmem;

use crate::file::{self, FileError};
use crate::forward;
use crate::history::{Age, History};
use crate::legacy;
use crate::read::After;
use crate::scan::{self, BYTE_ORDER_MARK, End, Item, ScanState};

/// A stretch this short is searched record by record.
const SHORT_BYTES: u64 = 64 * 1024;
/// How much is read to find one record's start; nearly all are shorter.
const PROBE_BYTES: usize = 4 * 1024;
/// How much is read at once where records are long.
const LARGEST_PROBE_BYTES: usize = 1024 * 1024;
/// Enough for the opening line and the longest id.
const OPENING_BYTES: usize = 512;

/// Where a record starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) age: Age,
    pub(crate) position: u64,
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    /// Orders along the bus: older files come first.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .age
            .cmp(&self.age)
            .then(self.position.cmp(&other.position))
    }
}

impl Place {
    /// The start of a file.
    pub(crate) fn start_of(age: Age) -> Self {
        Self { age, position: 0 }
    }
}

/// Finds the message `wanted`; `None` if there is none.
pub(crate) fn locate(history: &mut History, wanted: &After) -> Result<Option<Place>, FileError> {
    let id = wanted.id();
    if legacy::number_of(id).is_some() {
        return by_reading(history, id);
    }
    if let After::Cursor(cursor) = wanted {
        let position = cursor.position;
        let place = search_newest_first(history, &mut |file| {
            let is_there = id_at(file, position)?.as_deref() == Some(id.as_str());
            Ok(is_there.then_some(position))
        })?;
        if place.is_some() && is_message(history, place, id)? {
            return Ok(place);
        }
    }
    if let Some(time) = time_of(id.as_str()) {
        let place = search_newest_first(history, &mut |file| by_time(file, id.as_str(), time))?;
        if place.is_some() && is_message(history, place, id)? {
            return Ok(place);
        }
    }
    let place = search_oldest_first(history, &mut |file| by_bytes(file, id.as_str()))?;
    if place.is_none() || is_message(history, place, id)? {
        return Ok(place);
    }
    by_reading(history, id)
}

/// Tells whether the record at `place` makes the message with this id.
fn is_message(
    history: &mut History,
    place: Option<Place>,
    id: &MessageId,
) -> Result<bool, FileError> {
    let Some(Place { age, position }) = place else {
        return Ok(false);
    };
    let Some(file) = history.file(age)? else {
        return Ok(false);
    };
    let mut is_message = false;
    let mut state = ScanState::at_line(position, 0);
    file::scan_file(&file, &mut state, End::File, &mut |item| {
        is_message = matches!(item, Item::Message { message, .. } if message.id == *id);
        ControlFlow::Break(())
    })
    .map_err(|e| history.read_error(e))
    .map(|_| is_message)
}

/// Reads every message until the one with this id.
fn by_reading(history: &mut History, id: &MessageId) -> Result<Option<Place>, FileError> {
    let mut found = None;
    forward::visit(history, &mut |place, message| {
        if message.id == *id {
            found = Some(place);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

type Search<'a> = &'a mut dyn FnMut(&File) -> io::Result<Option<u64>>;

fn search_newest_first(history: &mut History, search: Search) -> Result<Option<Place>, FileError> {
    let mut age = Age::CURRENT;
    loop {
        if let Some(place) = search_in(history, age, search)? {
            return Ok(Some(place));
        }
        // Archives are listed only when the current file does not have it.
        if age >= history.oldest()? {
            return Ok(None);
        }
        age = age.older();
    }
}

fn search_oldest_first(history: &mut History, search: Search) -> Result<Option<Place>, FileError> {
    let mut age = Some(history.oldest()?);
    while let Some(this) = age {
        if let Some(place) = search_in(history, this, search)? {
            return Ok(Some(place));
        }
        age = this.newer();
    }
    Ok(None)
}

fn search_in(history: &mut History, age: Age, search: Search) -> Result<Option<Place>, FileError> {
    let Some(file) = history.file(age)? else {
        return Ok(None);
    };
    let position = search(&file).map_err(|e| history.read_error(e))?;
    Ok(position.map(|position| Place { age, position }))
}

/// Returns the part of an id that tells its time; texts of times sort as times do.
pub(crate) fn time_of(id: &str) -> Option<&str> {
    const PATTERN: &[u8] = b"00000000-000000-000000000";
    let time = id.strip_prefix("MSG-")?.get(..PATTERN.len())?;
    let fits = time.bytes().zip(PATTERN).all(|(b, pattern)| match pattern {
        b'0' => b.is_ascii_digit(),
        _ => b == *pattern,
    });
    fits.then_some(time)
}

/// Returns the id of the record that starts at `position`; `None` if none does.
fn id_at(file: &File, position: u64) -> io::Result<Option<String>> {
    if position >= file.metadata()?.len() {
        return Ok(None);
    }
    // The byte before tells whether a line starts there.
    let before = u64::from(position > 0);
    let bytes = file::bytes_at(file, position - before, OPENING_BYTES)?;
    let starts_line = position == 0;
    let from = usize::from(position > 0);
    if scan::find_boundary(&bytes, from, starts_line) != Some(from) {
        return Ok(None);
    }
    Ok(scan::id_of_record(&bytes[from..]).map(str::to_owned))
}

/// Searches for the record of `id` among those made at `time`.
///
/// Keeps two places: no record before `low` is as late as `time`, and none from
/// `high` on is earlier, if only the times grow along the file.
fn by_time(file: &File, id: &str, time: &str) -> io::Result<Option<u64>> {
    let (mut low, mut high) = (0, file.metadata()?.len());
    while high - low > SHORT_BYTES {
        let middle = low + (high - low) / 2;
        match first_record(file, middle, high)? {
            Some((position, found)) if time_of(&found).is_some_and(|found| found < time) => {
                low = position;
            }
            // Without a time it tells nothing, and the search may go wrong: then the
            // bytes are searched.
            Some(_) | None => high = middle,
        }
    }
    // Several records may have been made at that time.
    let before = u64::from(low > 0);
    let length = usize::try_from(high - low + 2 * SHORT_BYTES).unwrap_or(usize::MAX);
    let bytes = file::bytes_at(file, low - before, length)?;
    let mut at = usize::from(low > 0);
    while let Some(boundary) = scan::find_boundary(&bytes, at, low == 0) {
        if scan::id_of_record(&bytes[boundary..]) == Some(id) {
            return Ok(Some(low - before + boundary as u64));
        }
        at = boundary + 1;
    }
    Ok(None)
}

/// Finds the first record that starts at or behind `from` and before `end`.
fn first_record(file: &File, from: u64, end: u64) -> io::Result<Option<(u64, String)>> {
    // The byte before tells whether a line starts.
    let mut start = from.saturating_sub(1);
    let mut skip = usize::from(from > 0);
    let mut length = PROBE_BYTES;
    loop {
        let bytes = file::bytes_at(file, start, length)?;
        if let Some(at) = scan::find_boundary(&bytes, skip.min(bytes.len()), skip == 0) {
            let position = start + at as u64;
            if position >= end {
                return Ok(None);
            }
            let opening = file::bytes_at(file, position, OPENING_BYTES)?;
            return Ok(scan::id_of_record(&opening).map(|id| (position, id.to_owned())));
        }
        if bytes.len() < length || start + length as u64 > end + OPENING_BYTES as u64 {
            return Ok(None);
        }
        start += (length - OPENING_BYTES) as u64;
        skip = 1;
        length = (length * 4).min(LARGEST_PROBE_BYTES);
    }
}

/// Searches all bytes for the record of `id`, from the first one on.
fn by_bytes(file: &File, id: &str) -> io::Result<Option<u64>> {
    const CHUNK_BYTES: usize = 1024 * 1024;
    // The one record that no line end stands before.
    let head = file::bytes_at(file, 0, OPENING_BYTES)?;
    if let Some(first) = head.strip_prefix(BYTE_ORDER_MARK)
        && scan::id_of_record(first) == Some(id)
    {
        return Ok(Some(BYTE_ORDER_MARK.len() as u64));
    }
    let finder = memmem::Finder::new(id.as_bytes());
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut start = 0;
    loop {
        let read = file::read_at(file, &mut chunk, start)?;
        for at in finder.find_iter(&chunk[..read]) {
            // The id stands on the line behind the opening one, perhaps in quotes.
            let near = start + at as u64;
            let from = near.saturating_sub(OPENING_BYTES as u64);
            let bytes = file::bytes_at(file, from, 2 * OPENING_BYTES)?;
            let end = usize::try_from(near - from).unwrap_or(0);
            let boundary = match scan::find_last_boundary(&bytes, end) {
                None if from == 0 => Some(0),
                found => found,
            };
            if let Some(boundary) = boundary
                && let position = from + boundary as u64
                && id_at(file, position)?.as_deref() == Some(id)
            {
                return Ok(Some(position));
            }
        }
        if read < chunk.len() {
            return Ok(None);
        }
        // An id may stand across two chunks.
        start += (read - id.len().min(read - 1)) as u64;
    }
}
