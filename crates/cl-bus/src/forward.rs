//! Reads a bus towards its end, message by message, in bounded memory.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use cl_storage::MessageId;

use crate::damage::{Damage, Reason};
use crate::file::{self, FileError};
use crate::history::{Age, History, Numbering};
use crate::locate::{self, Place, time_of};
use crate::message::Message;
use crate::read::{After, Entry, Found, Page, Query, ReadError};
use crate::scan::{End, Item, ScanState};
use crate::seen::Seen;

/// Reads the first messages of a query, at most `limit`.
pub(crate) fn oldest(path: &Path, query: &Query, limit: Option<usize>) -> Result<Page, ReadError> {
    let mut page = Page::default();
    let limit = limit.unwrap_or(usize::MAX);
    stream(path, query, &mut |found| {
        match found {
            Found::Entry(entry) if page.entries.len() < limit => page.entries.push(entry),
            Found::Entry(_) => {
                page.has_more = true;
                return ControlFlow::Break(());
            }
            Found::Damage(damage) => page.damage.push(damage),
        }
        ControlFlow::Continue(())
    })?;
    Ok(page)
}

/// Hands everything that `query` asks for to `sink`, in order, until it breaks.
///
/// The query's limit is left to `sink`. A missing bus has no messages; an unknown
/// end of the range is [`ReadError::UnknownMessage`].
///
/// A record at the end that is not complete is withheld: somebody writes it.
pub(crate) fn stream(
    path: &Path,
    query: &Query,
    sink: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    stream_to_the_end(path, query, &mut |found| match found {
        Found::Damage(damage) if damage.is_being_written() => ControlFlow::Continue(()),
        found => sink(found),
    })
}

/// Does the same, and also tells of an incomplete record at the end.
pub(crate) fn stream_to_the_end(
    path: &Path,
    query: &Query,
    sink: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut history = History::open(path)?;
    let start = bound(&mut history, query.after.as_ref(), path)?;
    let end = bound(&mut history, query.before.as_ref(), path)?;
    let first = match start {
        Some(place) => place,
        None => history.start()?,
    };
    let mut reader = Reader {
        query,
        start,
        end,
        suspicion: Suspicion::of(query, start),
        seen: Seen::default(),
        sink,
    };
    let mut part = Some(first);
    while let Some(place) = part {
        if let Some(file) = history.file(place.age)? {
            let name = history.archive_name(place.age);
            let mut numbering = Numbering::new(place.age, place.position);
            let flow = scan_part(&mut history, &file, &mut numbering, &mut |history, item| {
                reader.take(history, place.age, name.as_deref(), item)
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        part = place.age.newer().map(Place::start_of);
    }
    Ok(())
}

/// Finds one end of a range; `None` for the end of the bus.
pub(crate) fn bound(
    history: &mut History,
    wanted: Option<&After>,
    path: &Path,
) -> Result<Option<Place>, ReadError> {
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let place = locate::locate(history, wanted)?;
    place.map(Some).ok_or_else(|| ReadError::UnknownMessage {
        path: path.to_owned(),
        id: wanted.id().clone(),
    })
}

/// Reads the message at `place`; `None` if there is none.
pub(crate) fn entry_at(history: &mut History, place: Place) -> Result<Option<Entry>, FileError> {
    let Some(file) = history.file(place.age)? else {
        return Ok(None);
    };
    let mut entry = None;
    let mut numbering = Numbering::new(place.age, place.position);
    let flow = scan_part(history, &file, &mut numbering, &mut |_, item| {
        let Item::Message {
            position, message, ..
        } = item
        else {
            return Ok(ControlFlow::Continue(()));
        };
        if position == place.position {
            let message = *message;
            entry = Some(Entry { position, message });
        }
        Ok(ControlFlow::Break(()))
    });
    flow.map(|_| entry)
}

/// Makes the report of a record whose id an earlier one has.
pub(crate) fn duplicate(offset: u64, length: u64, id: MessageId) -> Damage {
    Damage {
        offset,
        length,
        reason: Reason::DuplicateId,
        detail: String::new(),
        msg_id: Some(id),
        archive: None,
    }
}

/// Which messages behind the start may repeat one before it.
///
/// What stands before a cursor is not looked at. Behind an id, a message that is
/// older than the id may be a copy, so what stands before is then read after all.
#[derive(Debug)]
enum Suspicion {
    None,
    OlderThan(Place, MessageId),
    Known(Seen),
}

impl Suspicion {
    fn of(query: &Query, start: Option<Place>) -> Self {
        match (&query.after, start) {
            (Some(After::Id(id)), Some(place)) => Self::OlderThan(place, id.clone()),
            _ => Self::None,
        }
    }

    /// Tells whether a message with `id` stands before the start.
    fn is_repeat(&mut self, history: &mut History, id: &MessageId) -> Result<bool, FileError> {
        if let Self::OlderThan(place, start) = self {
            let (time, start) = (time_of(id.as_str()), time_of(start.as_str()));
            if time.is_some() && time >= start {
                return Ok(false);
            }
            *self = Self::Known(ids_before(history, *place)?);
        }
        match self {
            Self::Known(seen) => Ok(seen.contains(id.as_str())),
            Self::None | Self::OlderThan(..) => Ok(false),
        }
    }
}

/// Collects the ids of all messages before `end`.
fn ids_before(history: &mut History, end: Place) -> Result<Seen, FileError> {
    let mut seen = Seen::default();
    visit(history, &mut |place, message| {
        if place >= end {
            return ControlFlow::Break(());
        }
        seen.insert(message.id.as_str());
        ControlFlow::Continue(())
    })?;
    Ok(seen)
}

/// Hands every record that makes a message to `sink`, repeats included.
pub(crate) fn visit(
    history: &mut History,
    sink: &mut dyn FnMut(Place, &Message) -> ControlFlow<()>,
) -> Result<(), FileError> {
    let mut part = Some(history.start()?);
    while let Some(Place { age, .. }) = part {
        if let Some(file) = history.file(age)? {
            let mut numbering = Numbering::new(age, 0);
            let flow = scan_part(history, &file, &mut numbering, &mut |_, item| {
                Ok(match item {
                    Item::Message {
                        position, message, ..
                    } => sink(Place { age, position }, &message),
                    Item::Damage(_) => ControlFlow::Continue(()),
                })
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        part = age.newer().map(Place::start_of);
    }
    Ok(())
}

/// Takes what a scan of one file finds.
type PartSink<'a> = dyn FnMut(&mut History, Item) -> Result<ControlFlow<()>, FileError> + 'a;

/// Scans `file` from where `numbering` says; legacy lines come with their right names.
pub(crate) fn scan_part(
    history: &mut History,
    file: &File,
    numbering: &mut Numbering,
    sink: &mut PartSink<'_>,
) -> Result<ControlFlow<()>, FileError> {
    let mut state = ScanState::at_line(numbering.start(), 0);
    let mut failed = None;
    let flow = file::scan_file(file, &mut state, End::File, &mut |mut item| {
        let corrected = match &mut item {
            Item::Message { message, .. } => numbering.correct(history, file, message),
            Item::Damage(_) => Ok(()),
        };
        let outcome = corrected.and_then(|()| sink(history, item));
        outcome.unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })
    .map_err(|e| history.read_error(e))?;
    failed.map_or(Ok(flow), Err)
}

struct Reader<'a> {
    query: &'a Query,
    /// The message behind which is read; it is passed over, and its damage is.
    start: Option<Place>,
    end: Option<Place>,
    suspicion: Suspicion,
    seen: Seen,
    sink: &'a mut dyn FnMut(Found) -> ControlFlow<()>,
}

impl Reader<'_> {
    fn take(
        &mut self,
        history: &mut History,
        age: Age,
        archive: Option<&str>,
        item: Item,
    ) -> Result<ControlFlow<()>, FileError> {
        let position = match &item {
            Item::Message { position, .. } => *position,
            Item::Damage(damage) => damage.offset,
        };
        let place = Place { age, position };
        if self.end.is_some_and(|end| place >= end) {
            return Ok(ControlFlow::Break(()));
        }
        let is_start = self.start == Some(place);
        let found = match item {
            Item::Damage(damage) => Found::Damage(damage),
            Item::Message {
                position,
                length,
                message,
            } => {
                let is_repeat = !self.seen.insert(message.id.as_str())
                    || !is_start && self.suspicion.is_repeat(history, &message.id)?;
                if is_repeat {
                    Found::Damage(duplicate(position, length, message.id))
                } else if self.query.filter.admits(&message) {
                    let message = *message;
                    Found::Entry(Entry { position, message })
                } else {
                    return Ok(ControlFlow::Continue(()));
                }
            }
        };
        if is_start {
            return Ok(ControlFlow::Continue(()));
        }
        Ok((self.sink)(found.in_archive(archive)))
    }
}
