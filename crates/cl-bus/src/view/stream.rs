//! One bus of a view, read in bites in either direction.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cl_storage::MessageId;
use jiff::Timestamp;

use super::BITE_BYTES;
use crate::damage::Damage;
use crate::filter::Filter;
use crate::forward;
use crate::read::{self, After, Cursor, Edge, Entry, Found, Page, Query, ReadError};

/// What a message of usual size takes beside its body.
const AROUND_BODY_BYTES: usize = 512;
/// The most messages of one bite from the end.
const BITE_MESSAGES: usize = 256;

/// By what the heads of buses are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    time: Timestamp,
    id: MessageId,
    pub(super) bus: usize,
}

impl Key {
    pub(super) fn of(entry: &Entry, bus: usize) -> Self {
        Self {
            time: entry.message.timestamp,
            id: entry.message.id.clone(),
            bus,
        }
    }
}

/// The messages of one bus, in one direction.
pub(super) trait Stream {
    /// Returns the message that comes next, reading on if it must.
    fn head(&mut self, filter: &Filter) -> Result<Option<&Entry>, ReadError>;
    /// Takes that message.
    fn pop(&mut self) -> Option<Entry>;
    /// Returns the last message before the place that was reached, in the order of the bus.
    fn place(&self) -> Option<Cursor>;
    /// Takes the damage that was passed.
    fn take_damage(&mut self) -> Vec<Damage>;
}

/// Towards the end of the bus.
#[derive(Debug)]
pub(super) struct Forward {
    path: PathBuf,
    /// The last message that is wanted; `None` for all there are.
    until: Option<Cursor>,
    /// The last message that was taken, or the start.
    taken: Option<Cursor>,
    /// The last message that was read, wanted or not.
    scanned: Option<Cursor>,
    buffer: VecDeque<Found>,
    damage: Vec<Damage>,
    is_over: bool,
}

impl Forward {
    pub(super) fn new(path: &Path, after: Option<Cursor>, until: Option<Cursor>) -> Self {
        Self {
            path: path.to_owned(),
            is_over: until.is_some() && until == after,
            until,
            taken: after.clone(),
            scanned: after,
            buffer: VecDeque::new(),
            damage: Vec::new(),
        }
    }

    fn read_on(&mut self, filter: &Filter) -> Result<(), ReadError> {
        let query = Query {
            after: self.scanned.clone().map(After::Cursor),
            ..Query::default()
        };
        let mut bytes = 0;
        let mut is_full = false;
        let (buffer, scanned, until) = (&mut self.buffer, &mut self.scanned, &self.until);
        forward::stream(&self.path, &query, &mut |found| {
            let Found::Entry(entry) = found else {
                buffer.push_back(found);
                return ControlFlow::Continue(());
            };
            // Only here is the damage of the message before known to be complete.
            if bytes >= BITE_BYTES {
                is_full = true;
                return ControlFlow::Break(());
            }
            *scanned = Some(entry.cursor());
            let is_last = until
                .as_ref()
                .is_some_and(|until| until.id == entry.message.id);
            if filter.admits(&entry.message) {
                bytes += entry.message.body.len() + AROUND_BODY_BYTES;
                buffer.push_back(Found::Entry(entry));
            }
            if is_last {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        self.is_over = !is_full;
        Ok(())
    }
}

impl Stream for Forward {
    fn head(&mut self, filter: &Filter) -> Result<Option<&Entry>, ReadError> {
        loop {
            while let Some(Found::Damage(damage)) = self
                .buffer
                .pop_front_if(|found| matches!(found, Found::Damage(_)))
            {
                self.damage.push(damage);
            }
            if !self.buffer.is_empty() || self.is_over {
                break;
            }
            self.read_on(filter)?;
        }
        Ok(self.buffer.front().and_then(|found| match found {
            Found::Entry(entry) => Some(entry),
            Found::Damage(_) => None,
        }))
    }

    fn pop(&mut self) -> Option<Entry> {
        let Some(Found::Entry(entry)) = self.buffer.pop_front() else {
            return None;
        };
        self.taken = Some(entry.cursor());
        Some(entry)
    }

    fn place(&self) -> Option<Cursor> {
        if self.is_over && self.buffer.is_empty() {
            return self.scanned.clone();
        }
        self.taken.clone()
    }

    fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damage)
    }
}

/// Towards the start of the bus.
#[derive(Debug)]
pub(super) struct Backward {
    path: PathBuf,
    /// The last message that is not wanted.
    floor: Option<Cursor>,
    /// The last message that is; `None` for the end of the bus.
    through: Option<Cursor>,
    /// The earliest message that was read.
    earliest: Option<Cursor>,
    /// The last message that was read, or stood at the end before.
    latest: Option<Cursor>,
    buffer: VecDeque<Entry>,
    damage: Vec<Damage>,
    bite: usize,
    is_over: bool,
}

impl Backward {
    pub(super) fn new(path: &Path, floor: Option<Cursor>, through: Option<Cursor>) -> Self {
        Self {
            path: path.to_owned(),
            is_over: through.is_some() && through == floor,
            latest: through.clone().or_else(|| floor.clone()),
            floor,
            through,
            earliest: None,
            buffer: VecDeque::new(),
            damage: Vec::new(),
            bite: 1,
        }
    }

    /// Returns the last message that was there, wherever the reading has come to.
    pub(super) fn latest(&self) -> Option<Cursor> {
        self.latest.clone()
    }

    fn read_back(&mut self, filter: &Filter) -> Result<(), ReadError> {
        let query = Query {
            after: self.floor.clone().map(After::Cursor),
            before: self.earliest.clone().map(After::Cursor),
            filter: filter.clone(),
            limit: Some(self.bite),
            keep: Edge::Newest,
        };
        let page = if query.before.is_some() {
            read::answer(&self.path, &query)?
        } else {
            self.first_bite(query)?
        };
        self.is_over = !page.has_more;
        if let Some(first) = page.entries.first() {
            self.earliest = Some(first.cursor());
        }
        let bytes: usize = page
            .entries
            .iter()
            .map(|entry| entry.message.body.len() + AROUND_BODY_BYTES)
            .sum();
        let usual = (bytes / page.entries.len().max(1)).max(1);
        self.bite = (self.bite * 4)
            .min(BITE_BYTES / usual)
            .clamp(1, BITE_MESSAGES);
        self.damage.extend(page.damage);
        self.buffer = page.entries.into();
        Ok(())
    }

    fn first_bite(&mut self, mut query: Query) -> Result<Page, ReadError> {
        let Some(through) = &self.through else {
            // Looked at first: what comes meanwhile then counts as later.
            let tail = read::tail(&self.path, 1)?;
            let page = read::answer(&self.path, &query)?;
            let last = page.entries.last().map(Entry::cursor);
            self.latest = last.or_else(|| tail.last_cursor()).or(self.latest.take());
            return Ok(page);
        };
        loop {
            query.before = successor(&self.path, through)?.map(After::Cursor);
            let page = read::answer(&self.path, &query)?;
            // Nothing came behind it meanwhile.
            if query.before.is_some() || successor(&self.path, through)?.is_none() {
                return Ok(page);
            }
        }
    }
}

impl Stream for Backward {
    fn head(&mut self, filter: &Filter) -> Result<Option<&Entry>, ReadError> {
        while self.buffer.is_empty() && !self.is_over {
            self.read_back(filter)?;
        }
        Ok(self.buffer.back())
    }

    fn pop(&mut self) -> Option<Entry> {
        self.buffer.pop_back()
    }

    fn place(&self) -> Option<Cursor> {
        match self.buffer.back() {
            Some(entry) => Some(entry.cursor()),
            None if self.is_over => self.floor.clone(),
            // It could not be read any further: rather again than not at all.
            None => self.latest(),
        }
    }

    fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damage)
    }
}

/// Returns the message that stands behind `place`.
fn successor(path: &Path, place: &Cursor) -> Result<Option<Cursor>, ReadError> {
    let query = Query {
        after: Some(After::Cursor(place.clone())),
        limit: Some(1),
        ..Query::default()
    };
    let page = read::answer(path, &query)?;
    Ok(page.entries.first().map(Entry::cursor))
}
