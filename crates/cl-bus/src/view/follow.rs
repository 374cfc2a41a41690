//! Follows a view: hands out messages of all its buses as they are appended.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use super::{Cut, Item, SourceBus, ViewPage, ViewQuery, page};
use crate::archive::{self, ArchiveOrder};
use crate::damage::{Damage, Reason};
use crate::file::{self, FileError};
use crate::filter::Filter;
use crate::read::ReadError;

/// How many messages one look hands out at the most.
const MESSAGES_AT_ONCE: usize = 256;

/// Something that happened on one bus of a followed view.
#[derive(Debug)]
#[non_exhaustive]
pub enum ViewEvent {
    /// A message was appended.
    Message(Box<Item>),
    /// A damaged stretch was passed.
    Damage(String, Damage),
    /// The place on this bus is gone, or the bus is; what it has now follows.
    Reset(String),
    /// This bus could not be read; told once, and tried again until it can.
    Failed(String, ReadError),
}

/// A reader of several buses that hands out messages as they are appended.
///
/// It polls: one look at each bus file tells whether there is something to read. No
/// file stays open, so that a project of many tasks needs no descriptor for each.
/// Messages that are there at one look are merged as a page is.
#[derive(Debug)]
pub struct ViewFollower<F> {
    list: F,
    filter: Filter,
    cut: Cut,
    poll: Duration,
    seen: BTreeMap<String, Seen>,
}

/// What is known of one bus.
#[derive(Debug, Default)]
struct Seen {
    /// How its file looked before it was read last; `None` if that must happen again.
    file: Option<FileLook>,
    /// Whether it was told that it could not be read.
    has_failed: bool,
    /// Damage behind the last message, which is met again at each reading: in which
    /// file, where, and what.
    told: HashSet<(DamagedFile, u64, Reason)>,
}

/// The file that damage is in; the bus file's name passes on to another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum DamagedFile {
    Archive(String),
    /// Device and inode, if it could be looked at.
    Current(Option<(u64, u64)>),
}

#[derive(Debug, PartialEq, Eq)]
enum FileLook {
    /// What was posted meanwhile may all be in archives; this is the newest one.
    Missing(Option<ArchiveOrder>),
    There {
        device: u64,
        inode: u64,
        size: u64,
        changed: (i64, i64),
    },
}

impl<F: FnMut() -> Vec<SourceBus>> ViewFollower<F> {
    /// Starts to follow the buses that `list` tells, behind `cut`.
    ///
    /// `list` is called at every look, so that new buses are found; `poll` is how often
    /// that happens.
    pub fn new(list: F, cut: Cut, filter: Filter, poll: Duration) -> Self {
        Self {
            list,
            filter,
            cut,
            poll,
            seen: BTreeMap::new(),
        }
    }

    /// Returns the cut behind everything that was handed out.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Returns what has happened, waiting up to `timeout` until something has.
    ///
    /// Empty when the time is up.
    pub fn poll(&mut self, timeout: Duration) -> Vec<ViewEvent> {
        let started = Instant::now();
        loop {
            let events = self.look();
            let left = timeout.saturating_sub(started.elapsed());
            if !events.is_empty() || left.is_zero() {
                return events;
            }
            std::thread::sleep(self.poll.min(left));
        }
    }

    fn look(&mut self) -> Vec<ViewEvent> {
        let buses = (self.list)();
        let mut events = self.forget_all_but(&buses);
        let mut changed = Vec::new();
        let mut files = BTreeMap::new();
        for bus in buses {
            let look = look_at(&bus);
            let seen = self.seen.entry(bus.name.clone()).or_default();
            match look {
                Ok(look) if seen.file.as_ref() == Some(&look) => {}
                Ok(look) => {
                    files.insert(bus.name.clone(), look.identity());
                    seen.file = Some(look);
                    changed.push(bus);
                }
                Err(error) => seen.fail(bus.name, error, &mut events),
            }
        }
        if changed.is_empty() {
            return events;
        }
        let mut after = Cut::default();
        for bus in &changed {
            after.set(&bus.name, self.cut.place(&bus.name).cloned());
        }
        let query = ViewQuery {
            after: Some(after),
            filter: self.filter.clone(),
            limit: Some(MESSAGES_AT_ONCE),
            ..ViewQuery::default()
        };
        let found = page(&changed, &query);
        let mut moved = HashSet::new();
        for bus in &changed {
            let place = found.next.place(&bus.name).cloned();
            if self.cut.place(&bus.name) != place.as_ref() {
                moved.insert(bus.name.clone());
            }
            self.cut.set(&bus.name, place);
            if let Some(seen) = self.seen.get_mut(&bus.name) {
                let is_read = found.failed.iter().all(|(name, _)| *name != bus.name);
                seen.has_failed &= !is_read;
                if found.has_more {
                    seen.file = None;
                }
            }
        }
        self.tell(found, &files, &moved, &mut events);
        events
    }

    /// Drops the buses that are no more.
    fn forget_all_but(&mut self, buses: &[SourceBus]) -> Vec<ViewEvent> {
        let known: HashSet<&str> = buses.iter().map(|bus| bus.name.as_str()).collect();
        let gone: Vec<String> = self
            .cut
            .names()
            .filter(|name| !known.contains(name))
            .map(str::to_owned)
            .collect();
        self.seen.retain(|name, _| known.contains(name.as_str()));
        for name in &gone {
            self.cut.set(name, None);
        }
        gone.into_iter().map(ViewEvent::Reset).collect()
    }

    /// Tells what a page brought; the cut has gone on through the buses in `moved`.
    fn tell(
        &mut self,
        found: ViewPage,
        files: &BTreeMap<String, Option<(u64, u64)>>,
        moved: &HashSet<String>,
        events: &mut Vec<ViewEvent>,
    ) {
        events.extend(found.reset.into_iter().map(ViewEvent::Reset));
        for (name, error) in found.failed {
            let seen = self.seen.entry(name.clone()).or_default();
            seen.fail(name, error, events);
        }
        // What lies before the cut is not met again.
        let mut passed = HashSet::new();
        for name in moved {
            let told = self
                .seen
                .get_mut(name)
                .map(|seen| std::mem::take(&mut seen.told));
            passed.extend(told.into_iter().flatten().map(|key| (name.clone(), key)));
        }
        for (name, damage) in found.damage {
            let file = match &damage.archive {
                Some(archive) => DamagedFile::Archive(archive.clone()),
                None => DamagedFile::Current(files.get(&name).copied().flatten()),
            };
            let key = (file, damage.offset, damage.reason);
            let told = self.seen.get_mut(&name).map(|seen| &mut seen.told);
            let is_first = told.is_none_or(|told| told.insert(key.clone()));
            if is_first && !passed.contains(&(name.clone(), key)) {
                events.push(ViewEvent::Damage(name, damage));
            }
        }
        events.extend(
            found
                .items
                .into_iter()
                .map(|item| ViewEvent::Message(Box::new(item))),
        );
    }
}

impl FileLook {
    fn identity(&self) -> Option<(u64, u64)> {
        match self {
            Self::Missing(_) => None,
            Self::There { device, inode, .. } => Some((*device, *inode)),
        }
    }
}

impl Seen {
    fn fail(&mut self, name: String, error: ReadError, events: &mut Vec<ViewEvent>) {
        self.file = None;
        if !std::mem::replace(&mut self.has_failed, true) {
            events.push(ViewEvent::Failed(name, error));
        }
    }
}

fn look_at(bus: &SourceBus) -> Result<FileLook, ReadError> {
    if let Some(found) = file::look(&bus.path)? {
        return Ok(FileLook::There {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        });
    }
    let archives = archive::archives(&bus.path)
        .map_err(|e| FileError::io("look for archives of", &bus.path, e))?;
    let newest = archives.into_iter().next_back();
    Ok(FileLook::Missing(newest.map(|archive| archive.order)))
}
