//! Pages of a view.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::path::Path;

use super::stream::{Backward, Forward, Key, Stream};
use super::{Cut, Item, RESET_TAIL, SourceBus, ViewPage, ViewQuery};
use crate::filter::Filter;
use crate::forward;
use crate::history::History;
use crate::read::{self, After, Cursor, Edge, Entry, ReadError};

/// Reads the messages that `query` asks for from `buses`.
///
/// Never fails as a whole: what is wrong with one bus is told in the page, and does
/// not keep the others from being read.
pub fn page(buses: &[SourceBus], query: &ViewQuery) -> ViewPage {
    let mut page = ViewPage {
        reset: vanished(buses, query),
        ..ViewPage::default()
    };
    let mut ranges = Vec::with_capacity(buses.len());
    for bus in buses {
        let range = Range::of(bus, query, &mut page.reset);
        ranges.push(range.unwrap_or_else(|error| {
            page.failed.push((bus.name.clone(), error));
            Range::failed(bus, query)
        }));
    }
    let limit = query.limit.unwrap_or(usize::MAX);
    match (query.keep, query.limit) {
        (Edge::Newest, Some(_)) => newest(buses, &ranges, &query.filter, limit, &mut page),
        _ => oldest(buses, &ranges, &query.filter, limit, &mut page),
    }
    page
}

/// Names the buses in the cuts that are no more.
fn vanished(buses: &[SourceBus], query: &ViewQuery) -> Vec<String> {
    let known: BTreeSet<&str> = buses.iter().map(|bus| bus.name.as_str()).collect();
    let cuts = query.after.iter().chain(&query.before);
    let named: BTreeSet<&str> = cuts.flat_map(Cut::names).collect();
    named
        .difference(&known)
        .map(|&name| name.to_owned())
        .collect()
}

/// What is wanted of one bus.
struct Range {
    /// The last message before it.
    floor: Option<Cursor>,
    /// The last message of it; `None` for the end of the bus.
    through: Option<Cursor>,
    is_empty: bool,
}

impl Range {
    fn of(bus: &SourceBus, query: &ViewQuery, reset: &mut Vec<String>) -> Result<Self, ReadError> {
        let mut range = Self {
            floor: None,
            through: None,
            is_empty: false,
        };
        if let Some(floor) = query.after.as_ref().and_then(|cut| cut.place(&bus.name)) {
            range.floor = if is_known(&bus.path, floor)? {
                Some(floor.clone())
            } else {
                reset.push(bus.name.clone());
                before_tail(&bus.path)?
            };
        }
        if let Some(before) = &query.before {
            match before.place(&bus.name) {
                Some(place) if is_known(&bus.path, place)? => range.through = Some(place.clone()),
                Some(_) if reset.contains(&bus.name) => {}
                Some(_) => reset.push(bus.name.clone()),
                None => range.is_empty = true,
            }
        }
        Ok(range)
    }

    /// A bus that cannot be read stays where it was.
    fn failed(bus: &SourceBus, query: &ViewQuery) -> Self {
        let place = |cut: &Option<Cut>| cut.as_ref().and_then(|cut| cut.place(&bus.name).cloned());
        Self {
            floor: place(&query.after),
            through: place(&query.before),
            is_empty: true,
        }
    }
}

fn is_known(path: &Path, place: &Cursor) -> Result<bool, ReadError> {
    let mut history = History::open(path)?;
    match forward::bound(&mut history, Some(&After::Cursor(place.clone())), path) {
        Ok(_) => Ok(true),
        Err(error) if error.is_unknown_message() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the last message that does not belong to the tail of the bus.
fn before_tail(path: &Path) -> Result<Option<Cursor>, ReadError> {
    let tail = read::tail(path, RESET_TAIL + 1)?;
    Ok(tail
        .entries
        .first()
        .filter(|_| tail.entries.len() > RESET_TAIL)
        .map(Entry::cursor))
}

fn oldest(
    buses: &[SourceBus],
    ranges: &[Range],
    filter: &Filter,
    limit: usize,
    page: &mut ViewPage,
) {
    let mut merge = Merge::new(
        buses,
        ranges,
        |bus, range| Forward::new(&bus.path, range.floor.clone(), range.through.clone()),
        filter,
        Edge::Oldest,
        &mut page.failed,
    );
    while page.items.len() < limit
        && let Some(item) = merge.next(&mut page.failed)
    {
        page.items.push(item);
    }
    page.has_more = !merge.heads.is_empty();
    for (bus, range, stream) in merge.parts(ranges) {
        let name = &bus.name;
        take_damage(page, name, stream);
        page.previous.set(name, range.floor.clone());
        let place = stream.as_ref().map(Stream::place);
        page.next
            .set(name, place.unwrap_or_else(|| range.floor.clone()));
    }
}

fn newest(
    buses: &[SourceBus],
    ranges: &[Range],
    filter: &Filter,
    limit: usize,
    page: &mut ViewPage,
) {
    let mut merge = Merge::new(
        buses,
        ranges,
        |bus, range| Backward::new(&bus.path, range.floor.clone(), range.through.clone()),
        filter,
        Edge::Newest,
        &mut page.failed,
    );
    let mut items = VecDeque::new();
    while items.len() < limit
        && let Some(item) = merge.next(&mut page.failed)
    {
        items.push_front(item);
    }
    page.items = items.into();
    page.has_more = !merge.heads.is_empty();
    for (bus, range, stream) in merge.parts(ranges) {
        let name = &bus.name;
        take_damage(page, name, stream);
        let place = stream.as_ref().map(Stream::place);
        page.previous
            .set(name, place.unwrap_or_else(|| range.floor.clone()));
        let latest = stream.as_ref().map(Backward::latest);
        page.next.set(
            name,
            latest.unwrap_or_else(|| range.through.clone().or_else(|| range.floor.clone())),
        );
    }
}

/// Moves what was passed of a bus's damage to the page.
fn take_damage(page: &mut ViewPage, name: &str, stream: &mut Option<impl Stream>) {
    let damage = stream.as_mut().map(Stream::take_damage);
    let damage = damage.into_iter().flatten();
    page.damage
        .extend(damage.map(|found| (name.to_owned(), found)));
}

/// The buses of a view, merged by their heads.
struct Merge<'a, S> {
    buses: &'a [SourceBus],
    filter: &'a Filter,
    edge: Edge,
    /// `None` for a bus of which nothing is wanted.
    streams: Vec<Option<S>>,
    heads: BinaryHeap<Head>,
}

impl<'a, S: Stream> Merge<'a, S> {
    fn new(
        buses: &'a [SourceBus],
        ranges: &[Range],
        open: impl Fn(&SourceBus, &Range) -> S,
        filter: &'a Filter,
        edge: Edge,
        failed: &mut Vec<(String, ReadError)>,
    ) -> Self {
        let parts = buses.iter().zip(ranges);
        let mut merge = Self {
            buses,
            filter,
            edge,
            streams: parts
                .map(|(bus, range)| (!range.is_empty).then(|| open(bus, range)))
                .collect(),
            heads: BinaryHeap::new(),
        };
        for at in 0..buses.len() {
            merge.look(at, failed);
        }
        merge
    }

    fn next(&mut self, failed: &mut Vec<(String, ReadError)>) -> Option<Item> {
        let at = self.heads.pop()?.key.bus;
        let entry = self.streams[at].as_mut().and_then(Stream::pop)?;
        self.look(at, failed);
        Some(Item {
            source: self.buses[at].name.clone(),
            entry,
        })
    }

    /// Finds what comes next on one bus.
    fn look(&mut self, at: usize, failed: &mut Vec<(String, ReadError)>) {
        let Some(stream) = &mut self.streams[at] else {
            return;
        };
        match stream.head(self.filter) {
            Ok(Some(head)) => self.heads.push(Head {
                key: Key::of(head, at),
                edge: self.edge,
            }),
            Ok(None) => {}
            // What was read of it stays; the place is the one that was reached.
            Err(error) => failed.push((self.buses[at].name.clone(), error)),
        }
    }

    fn parts<'b>(
        &'b mut self,
        ranges: &'b [Range],
    ) -> impl Iterator<Item = (&'b SourceBus, &'b Range, &'b mut Option<S>)> {
        let parts = self.buses.iter().zip(ranges).zip(&mut self.streams);
        parts.map(|((bus, range), stream)| (bus, range, stream))
    }
}

/// The message that comes next on one bus; the greatest is taken first.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    key: Key,
    edge: Edge,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.edge {
            Edge::Oldest => other.key.cmp(&self.key),
            Edge::Newest => self.key.cmp(&other.key),
        }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
