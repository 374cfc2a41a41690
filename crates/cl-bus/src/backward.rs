//! Reads a bus from its end, as far back as is asked for.
//!
//! A stretch that ends at a boundary means the same whatever stands before it,
//! so the file is read in stretches from the end, each from its first boundary
//! on. What cannot be seen from there is that a message repeats an earlier one.
//! Ids that grow along the stretch, as those of our writers do, rule that out;
//! otherwise the ids that stand before are compared, and if one is there, all is
//! read from the start.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use crate::damage::Damage;
use crate::file::{self, FileError};
use crate::forward;
use crate::history::{Age, History, Numbering};
use crate::legacy;
use crate::locate::{Place, time_of};
use crate::read::{After, Entry, Found, Page, Query, ReadError};
use crate::scan::{self, End, Item, ScanState};
use crate::seen::Seen;

/// How much is read from the end at first, and at the most.
const FIRST_WINDOW_BYTES: u64 = 8 * 1024;
const LARGEST_WINDOW_BYTES: u64 = 1024 * 1024;
/// How long a message is assumed to be before its length is known.
const USUAL_RECORD_BYTES: u64 = 512;
/// Enough to see that a record follows.
const OPENING_BYTES: u64 = 16;

/// Reads the last messages of a query, at most `limit`.
pub(crate) fn newest(path: &Path, query: &Query, limit: usize) -> Result<Page, ReadError> {
    let is_legacy = |end: &After| legacy::number_of(end.id()).is_some();
    if query.before.as_ref().is_some_and(is_legacy) {
        // It is no boundary, so what stands before it cannot be judged from the end.
        return from_the_start(path, query, limit);
    }
    let mut history = History::open(path)?;
    let floor = forward::bound(&mut history, query.after.as_ref(), path)?;
    let end = forward::bound(&mut history, query.before.as_ref(), path)?;
    let mut gathered = Gathered {
        query,
        floor,
        wanted: limit.saturating_add(1),
        is_whole: false,
        is_ordered: true,
        has_repeats: false,
        ids: Seen::default(),
        earliest: None,
        entries: VecDeque::new(),
        damage: VecDeque::new(),
    };
    let window = (limit as u64)
        .saturating_mul(USUAL_RECORD_BYTES)
        .clamp(FIRST_WINDOW_BYTES, LARGEST_WINDOW_BYTES);
    let upto = gathered.read_back(&mut history, end, window)?;
    let may_repeat = gathered.has_repeats
        || !gathered.is_whole
            && !gathered.is_ordered
            && has_ids_before(&mut history, upto, &gathered.entries)?;
    if may_repeat {
        return from_the_start(path, query, limit);
    }
    Ok(gathered.into_page(limit))
}

/// Reads all of the range and keeps the last messages.
fn from_the_start(path: &Path, query: &Query, limit: usize) -> Result<Page, ReadError> {
    let mut entries = VecDeque::new();
    let mut damage = Vec::new();
    let mut has_more = false;
    forward::stream(path, query, &mut |found| {
        match found {
            Found::Entry(entry) => {
                entries.push_back(entry);
                if entries.len() > limit {
                    entries.pop_front();
                    has_more = true;
                    // Only the damage among the messages that are kept is reported.
                    damage.clear();
                }
            }
            Found::Damage(found) => damage.push(found),
        }
        ControlFlow::Continue(())
    })?;
    Ok(Page {
        entries: entries.into(),
        damage,
        has_more,
    })
}

/// What was found so far on the way back.
struct Gathered<'a> {
    query: &'a Query,
    /// Only what stands behind this is wanted.
    floor: Option<Place>,
    wanted: usize,
    /// Whether everything up to the floor, or the start of the bus, was read.
    is_whole: bool,
    /// Whether the times in the ids grow along what was read.
    is_ordered: bool,
    /// Whether an id was met twice.
    has_repeats: bool,
    ids: Seen,
    /// The time in the id of the earliest message so far.
    earliest: Option<String>,
    entries: VecDeque<(Place, Entry)>,
    damage: VecDeque<(Place, Damage)>,
}

impl Gathered<'_> {
    /// Reads back from `end` until there is enough; returns how far back it went.
    fn read_back(
        &mut self,
        history: &mut History,
        end: Option<Place>,
        window: u64,
    ) -> Result<Place, FileError> {
        let mut window = window;
        let mut age = end.map_or(Age::CURRENT, |end| end.age);
        let mut position = end.map(|end| end.position);
        loop {
            if let Some(file) = history.file(age)? {
                let name = history.archive_name(age);
                loop {
                    let (start, items) = stretch_before(&file, position, window)
                        .map_err(|e| history.read_error(e))?;
                    let mut numbering = Numbering::new(age, start);
                    for mut item in items.into_iter().rev() {
                        if let Item::Message { message, .. } = &mut item {
                            numbering.correct(history, &file, message)?;
                        }
                        let position = match &item {
                            Item::Message { position, .. } => *position,
                            Item::Damage(damage) => damage.offset,
                        };
                        let place = Place { age, position };
                        if self.take(place, name.as_deref(), item).is_break() {
                            return Ok(place);
                        }
                    }
                    if start == 0 {
                        break;
                    }
                    position = Some(start);
                    window = (window * 2).min(LARGEST_WINDOW_BYTES);
                }
            }
            if age >= history.oldest()? {
                self.is_whole = true;
                return Ok(Place { age, position: 0 });
            }
            (age, position) = (age.older(), None);
        }
    }

    /// Takes what stands before everything taken so far; breaks when that is enough.
    fn take(&mut self, place: Place, archive: Option<&str>, item: Item) -> ControlFlow<()> {
        let is_wanted = self.floor.is_none_or(|floor| floor < place);
        let message = match item {
            Item::Message { message, .. } => message,
            Item::Damage(mut damage) => {
                damage.archive = archive.map(str::to_owned);
                if is_wanted && !damage.is_being_written() {
                    self.damage.push_front((place, damage));
                }
                return ControlFlow::Continue(());
            }
        };
        let id = message.id.as_str();
        let time = time_of(id);
        self.is_ordered &= match (time, &self.earliest) {
            (None, _) => false,
            (Some(time), Some(earliest)) => time <= earliest.as_str(),
            (Some(_), None) => true,
        };
        self.earliest = time.map(str::to_owned).or(self.earliest.take());
        if !is_wanted {
            // What stands before a cursor is not looked at.
            self.is_whole = matches!(self.query.after, Some(After::Cursor(_)));
            self.has_repeats |= self.ids.contains(id);
            return ControlFlow::Break(());
        }
        if !self.ids.insert(id) {
            self.has_repeats = true;
            return ControlFlow::Break(());
        }
        if self.query.filter.admits(&message) {
            let (position, message) = (place.position, *message);
            self.entries
                .push_front((place, Entry { position, message }));
            if self.entries.len() >= self.wanted {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn into_page(mut self, limit: usize) -> Page {
        let has_more = self.entries.len() > limit;
        if has_more {
            self.entries.pop_front();
            // Damage before the first message that is kept belongs to those left out.
            let first = self.entries.front().map(|(place, _)| *place);
            self.damage
                .retain(|(place, _)| first.is_some_and(|first| *place >= first));
        }
        Page {
            entries: self.entries.into_iter().map(|(_, entry)| entry).collect(),
            damage: self.damage.into_iter().map(|(_, damage)| damage).collect(),
            has_more,
        }
    }
}

/// Reads a stretch that ends at the boundary `end`, or at the end of the file.
///
/// Returns where it starts: at a boundary, or at the start of the file.
fn stretch_before(file: &File, end: Option<u64>, window: u64) -> io::Result<(u64, Vec<Item>)> {
    let stop = match end {
        Some(end) => end,
        None => file.metadata()?.len(),
    };
    let mut window = window;
    loop {
        let start = stop.saturating_sub(window);
        // The opening of the record behind tells that the last one is complete.
        let behind = if end.is_some() { OPENING_BYTES } else { 0 };
        let length = usize::try_from(stop - start + behind).unwrap_or(usize::MAX);
        let bytes = file::bytes_at(file, start, length)?;
        // The first byte only tells whether a line starts behind it.
        let first = match start {
            0 => Some(0),
            _ => scan::find_boundary(&bytes, 1, false).filter(|&at| start + (at as u64) < stop),
        };
        if let Some(at) = first {
            let position = start + at as u64;
            let mut items = Vec::new();
            let end = if end.is_some() { End::More } else { End::File };
            scan::scan(
                &bytes[at..],
                &mut ScanState::at_line(position, 0),
                end,
                &mut |item| items.push(item),
            );
            return Ok((position, items));
        }
        if window > LARGEST_WINDOW_BYTES {
            return long_stretch(file, start, end);
        }
        window = window.saturating_mul(4);
    }
}

/// Reads the stretch that ends at `end` and has no boundary from `start` on.
fn long_stretch(file: &File, start: u64, end: Option<u64>) -> io::Result<(u64, Vec<Item>)> {
    let position = file::last_boundary(file, start)?.unwrap_or(0);
    let stop = end.map_or(u64::MAX, |end| end + OPENING_BYTES);
    let end = if end.is_some() { End::More } else { End::File };
    let mut items = Vec::new();
    let mut state = ScanState::at_line(position, 0);
    file::scan_up_to(file, stop, &mut state, end, &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    })
    .map(drop)?;
    Ok((position, items))
}

/// Tells whether a record before `place` may have the id of one of these messages.
fn has_ids_before(
    history: &mut History,
    place: Place,
    entries: &VecDeque<(Place, Entry)>,
) -> Result<bool, FileError> {
    let ids: HashSet<&str> = entries
        .iter()
        .map(|(_, entry)| entry.message.id.as_str())
        .collect();
    let mut age = Some(history.oldest()?);
    while let Some(this) = age.filter(|age| *age >= place.age) {
        if let Some(file) = history.file(this)? {
            let end = (this == place.age).then_some(place.position);
            if has_ids(&file, end, &ids).map_err(|e| history.read_error(e))? {
                return Ok(true);
            }
        }
        age = this.newer();
    }
    Ok(false)
}

/// Tells whether a record that starts before `end` has one of these ids.
fn has_ids(file: &File, end: Option<u64>, ids: &HashSet<&str>) -> io::Result<bool> {
    const CHUNK_BYTES: usize = 1024 * 1024;
    /// What the longest opening takes; the next chunk starts that much earlier.
    const OVERLAP_BYTES: usize = 512;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut start = 0;
    loop {
        let read = file::read_at(file, &mut chunk, start)?;
        let mut at = 0;
        while let Some(boundary) = scan::find_boundary(&chunk[..read], at, start == 0) {
            if end.is_some_and(|end| start + boundary as u64 >= end) {
                return Ok(false);
            }
            if scan::id_of_record(&chunk[boundary..read]).is_some_and(|id| ids.contains(id)) {
                return Ok(true);
            }
            at = boundary + 1;
        }
        if read < chunk.len() {
            return Ok(false);
        }
        start += (CHUNK_BYTES - OVERLAP_BYTES) as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::test_files;

    proptest! {
        #[test]
        fn stretches_of_any_size_show_what_a_full_read_shows(
            bytes in test_files::any_file(),
            window in 1..200_u64,
        ) {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, &bytes).unwrap();
            let mut whole = Vec::new();
            scan::scan(&bytes, &mut ScanState::START.clone(), End::File, &mut |item| {
                if let Item::Message { position, message, .. } = item {
                    whole.push((position, message.body.clone(), message.truncated, message.edited));
                }
            });
            let (mut end, mut found) = (None, Vec::new());
            loop {
                let (start, items) = stretch_before(&file, end, window).unwrap();
                for item in items.into_iter().rev() {
                    if let Item::Message { position, message, .. } = item {
                        found.push((position, message.body.clone(), message.truncated, message.edited));
                    }
                }
                if start == 0 {
                    break;
                }
                end = Some(start);
            }
            found.reverse();
            prop_assert_eq!(found, whole);
        }
    }
}
