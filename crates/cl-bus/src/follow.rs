//! Follows a bus: hands out messages as they are appended.
//!
//! A follower keeps the file open, remembers up to where it has read, and reads
//! only what was added. Notifications of the system merely wake it; a slow poll
//! stands behind them, so that a lost notification costs time and no message.
//!
//! When the file is archived, it is read to its end, then the archives that came
//! after it, then the new file at the path; nobody notices. Whatever is neither
//! that nor appending (the file was replaced, removed, cut or rewritten) is told
//! by [`Event::Reset`]. Messages after a reset come from the file as it
//! is now: those behind the last message that was handed out and is still there,
//! or all of them if none is.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cl_storage::MessageId;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::archive::{self, Archive, ArchiveOrder};
use crate::damage::Damage;
use crate::file::{self, FileError, FileId};
use crate::forward;
use crate::history::{History, Numbering};
use crate::legacy;
use crate::locate::Place;
use crate::read::{After, Entry, ReadError};
use crate::scan::{End, Item, ScanState};

/// How many ids are remembered, to find the place again and to drop repeats.
const REMEMBERED_IDS: usize = 256;
/// How much of a record is compared; more than its id needs.
const ANCHOR_BYTES: usize = 256;

/// Something that happened on a followed bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message was appended.
    Message(Box<Entry>),
    /// A damaged stretch was passed.
    Damage(Damage),
    /// The file is not the one it was; see the module's documentation.
    Reset(ResetCause),
}

/// Why a follower had to look for its place again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// Another file stands at the path.
    Replaced,
    /// No file stands at the path; a later one is read as soon as it appears.
    Removed,
    /// The file became shorter than what had been read of it.
    Truncated,
    /// What had been read was changed in place.
    Rewritten,
}

/// Where following starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the first message.
    Beginning,
    /// At the next message that is appended.
    End,
    /// Behind a message.
    After(After),
}

/// What wakes a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wake {
    /// The system's notifications; without them, as if polling had been asked for.
    #[default]
    Notifications,
    /// The poll alone. Notifications are few per user, so a process that needs
    /// no quick answer leaves them to others.
    Poll,
}

/// How a bus is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowOptions {
    /// What wakes the follower.
    pub wake: Wake,
    /// How often it looks when notifications also wake it.
    pub slow_poll: Duration,
    /// How often it looks when nothing else wakes it.
    pub poll: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            wake: Wake::default(),
            slow_poll: Duration::from_millis(500),
            poll: Duration::from_millis(100),
        }
    }
}

/// A reader that hands out messages as they are appended.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    open: Option<OpenBus>,
    /// The archive after which the next file comes, while none is open.
    passed: Option<ArchiveOrder>,
    /// What was found and has not been handed out; kept when looking on fails.
    found: Vec<Event>,
    /// Ids handed out last, oldest first.
    recent: VecDeque<MessageId>,
    /// Whether there ever was a reset, after which repeats are expected.
    was_reset: bool,
    /// Whether the place must still be looked for in the file that is open.
    lost_place: bool,
    waker: Waker,
}

impl Follower {
    /// Starts to follow the bus at `path`.
    pub(crate) fn open(
        path: &Path,
        start: &Start,
        options: FollowOptions,
    ) -> Result<Self, ReadError> {
        // Watching comes first, so that nothing falls between it and the first look.
        let waker = Waker::new(path, options);
        let mut history = History::open(path)?;
        let place = match start {
            Start::Beginning => Some(history.start()?),
            Start::End => history.end()?,
            Start::After(after) => forward::bound(&mut history, Some(after), path)?,
        };
        let mut follower = Self {
            path: path.to_owned(),
            waker,
            open: match place {
                Some(place) => OpenBus::at(&mut history, place)?,
                None => None,
            },
            passed: history.newest_archive()?,
            found: Vec::new(),
            recent: VecDeque::new(),
            was_reset: false,
            lost_place: false,
        };
        match start {
            Start::Beginning => {}
            // Only so much as to know where the next record starts.
            Start::End => drop(follower.read_appended()?),
            Start::After(after) => {
                let mut events = follower.read_appended()?;
                let is_first = matches!(events.first(),
                    Some(Event::Message(entry)) if entry.message.id == *after.id());
                if is_first {
                    events.remove(0);
                }
                follower.found = events;
            }
        }
        Ok(follower)
    }

    /// Returns the path of the followed bus.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what has happened, waiting up to `timeout` until something has.
    ///
    /// Empty when the time is up. After an error it may be called again. One call
    /// hands out what is there, but no more than one file of it.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, ReadError> {
        let started = Instant::now();
        loop {
            let events = self.look()?;
            let left = timeout.saturating_sub(started.elapsed());
            if !events.is_empty() || left.is_zero() {
                return Ok(events);
            }
            self.waker.wait(left);
        }
    }

    /// Looks once, without waiting.
    fn look(&mut self) -> Result<Vec<Event>, ReadError> {
        if self.found.is_empty() {
            self.find()?;
        }
        Ok(std::mem::take(&mut self.found))
    }

    /// Adds what has happened to what was found.
    fn find(&mut self) -> Result<(), ReadError> {
        let at_path = file::look(&self.path)?;
        let cause = match (&mut self.open, &at_path) {
            (Some(open), Some(found)) if open.id == FileId::of(found) => {
                open.change(found).map_err(|e| read_error(&self.path, e))?
            }
            (Some(_), found) => {
                let gone = if found.is_some() {
                    ResetCause::Replaced
                } else {
                    ResetCause::Removed
                };
                (!self.move_on()?).then_some(gone)
            }
            (None, _) => None,
        };
        if let Some(cause) = cause {
            if matches!(cause, ResetCause::Replaced | ResetCause::Removed) {
                // The old file may have got messages before it went.
                self.find_appended()?;
            }
            let newest = self.archives()?.pop();
            self.found.push(Event::Reset(cause));
            self.open = None;
            self.passed = newest.map(|archive| archive.order);
            self.was_reset = true;
            self.lost_place = true;
        }
        if self.open.is_none() {
            self.open_next()?;
        }
        self.find_appended()
    }

    fn find_appended(&mut self) -> Result<(), ReadError> {
        let events = self.read_appended()?;
        self.found.extend(events);
        Ok(())
    }

    /// Reads the open file to its end and opens the one that came after it, if there
    /// is one yet; false if the open one was not archived.
    fn move_on(&mut self) -> Result<bool, ReadError> {
        let Some(id) = self.open.as_ref().map(|open| open.id) else {
            return Ok(false);
        };
        let archives = self.archives()?;
        let Some(archive) = archives.into_iter().find(|found| found.inode == id.inode()) else {
            return Ok(false);
        };
        // Whoever wrote to it had the lock before it was moved aside: what is there
        // now is all that it will ever have.
        if let Some(open) = &mut self.open {
            open.is_archived = true;
        }
        self.find_appended()?;
        self.passed = Some(archive.order);
        self.open_next()?;
        Ok(true)
    }

    /// Opens the file that came after the archive that was passed last, if there is one.
    fn open_next(&mut self) -> Result<(), ReadError> {
        // The file at the path is opened before the archives are listed: if it is
        // archived in between, it shows among them, as does any that came before it.
        let at_path = OpenBus::open(&self.path)?;
        let archives = self.archives()?;
        let is_later = |archive: &&Archive| {
            let passed = self.passed.as_ref();
            passed.is_none_or(|passed| archive.order > *passed)
        };
        let next = match archives.iter().find(is_later) {
            Some(archive) => OpenBus::open(&archive.path)?,
            None => at_path,
        };
        if next.is_some() {
            self.open = next;
        }
        Ok(())
    }

    fn archives(&self) -> Result<Vec<Archive>, FileError> {
        archive::archives(&self.path).map_err(|e| read_error(&self.path, e))
    }

    /// Reads what was added to the open file; only what is new is returned.
    fn read_appended(&mut self) -> Result<Vec<Event>, ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(Vec::new());
        };
        let mut events = open.read_new(&self.path)?;
        if self.lost_place && !events.is_empty() {
            let known = events.iter().rposition(
                |event| matches!(event, Event::Message(entry) if self.recent.contains(&entry.message.id)),
            );
            if let Some(last) = known {
                events.drain(..=last);
            }
            self.lost_place = false;
        }
        Ok(self.admit(events))
    }

    /// Drops messages that were handed out before, and remembers the others.
    fn admit(&mut self, events: Vec<Event>) -> Vec<Event> {
        let mut admitted = Vec::with_capacity(events.len());
        for event in events {
            let Event::Message(entry) = event else {
                admitted.push(event);
                continue;
            };
            let id = &entry.message.id;
            if !self.recent.contains(id) {
                if self.recent.len() == REMEMBERED_IDS {
                    self.recent.pop_front();
                }
                self.recent.push_back(id.clone());
                admitted.push(Event::Message(entry));
            } else if !self.was_reset {
                admitted.push(Event::Damage(forward::duplicate(
                    entry.position,
                    0,
                    id.clone(),
                )));
            }
        }
        admitted
    }
}

/// The file being read.
#[derive(Debug)]
struct OpenBus {
    file: File,
    id: FileId,
    state: ScanState,
    /// Where reading started, with line zero.
    start: u64,
    /// Nothing will be added to it any more.
    is_archived: bool,
    /// The start of the last record, to notice that the file was rewritten.
    anchor: Option<Anchor>,
    /// Size and change time at the last look.
    looked: Option<(u64, i64, i64)>,
}

/// Some bytes of the file as they were read.
#[derive(Debug)]
struct Anchor {
    position: u64,
    bytes: Vec<u8>,
}

impl OpenBus {
    /// Opens the bus or the archive at `path`, to be read from its start.
    fn open(path: &Path) -> Result<Option<Self>, FileError> {
        file::open_to_read(path)?
            .map(|file| Self::reading(file, path, 0))
            .transpose()
    }

    /// Opens the file of `place`, to be read from there.
    fn at(history: &mut History, place: Place) -> Result<Option<Self>, FileError> {
        let path = history.path().to_owned();
        history
            .file(place.age)?
            .map(|file| Self::reading(file, &path, place.position))
            .transpose()
    }

    fn reading(file: File, path: &Path, start: u64) -> Result<Self, FileError> {
        let metadata = file
            .metadata()
            .map_err(|e| FileError::io("look at", path, e))?;
        Ok(Self {
            id: FileId::of(&metadata),
            file,
            state: ScanState::at_line(start, 0),
            start,
            is_archived: false,
            anchor: None,
            looked: None,
        })
    }

    /// Tells whether the file was changed otherwise than by appending.
    fn change(&mut self, found: &Metadata) -> io::Result<Option<ResetCause>> {
        if found.len() < self.state.offset {
            return Ok(Some(ResetCause::Truncated));
        }
        let looked = (found.len(), found.ctime(), found.ctime_nsec());
        if self.looked == Some(looked) {
            return Ok(None);
        }
        if let Some(anchor) = &self.anchor
            && file::bytes_at(&self.file, anchor.position, anchor.bytes.len())? != anchor.bytes
        {
            return Ok(Some(ResetCause::Rewritten));
        }
        self.looked = Some(looked);
        Ok(None)
    }

    /// Reads on from where the last call stopped that did not fail.
    fn read_new(&mut self, path: &Path) -> Result<Vec<Event>, FileError> {
        let end = if self.is_archived {
            End::File
        } else {
            End::Growing
        };
        let mut events = Vec::new();
        let mut last = None;
        let mut has_legacy = false;
        let mut state = self.state;
        let scanned = file::scan_file(&self.file, &mut state, end, &mut |item| {
            events.push(match item {
                Item::Damage(damage) => Event::Damage(damage),
                Item::Message {
                    position,
                    length,
                    message,
                } => {
                    last = Some((position, length));
                    has_legacy |= legacy::number_of(&message.id).is_some();
                    let message = *message;
                    Event::Message(Box::new(Entry { position, message }))
                }
            });
            ControlFlow::Continue(())
        });
        scanned.map(drop).map_err(|e| read_error(path, e))?;
        if has_legacy {
            self.name_legacy_lines(path, &mut events)?;
        }
        if let Some((position, length)) = last {
            let length = usize::try_from(length)
                .unwrap_or(ANCHOR_BYTES)
                .min(ANCHOR_BYTES);
            let bytes = file::bytes_at(&self.file, position, length);
            self.anchor = Some(Anchor {
                position,
                bytes: bytes.map_err(|e| read_error(path, e))?,
            });
        }
        self.state = state;
        Ok(events)
    }

    /// Gives legacy lines the names that every other reader gives them.
    fn name_legacy_lines(&self, path: &Path, events: &mut [Event]) -> Result<(), FileError> {
        let mut history = History::open(path)?;
        let age = history.age_of(self.id)?;
        let mut numbering = Numbering::new(age, self.start);
        for event in events {
            if let Event::Message(entry) = event {
                numbering.correct(&mut history, &self.file, &mut entry.message)?;
            }
        }
        Ok(())
    }
}

fn read_error(path: &Path, source: io::Error) -> FileError {
    FileError::io("read", path, source)
}

/// What a follower waits on.
#[derive(Debug)]
struct Waker {
    notifications: Option<Notifications>,
    slow_poll: Duration,
    poll: Duration,
}

#[derive(Debug)]
struct Notifications {
    /// Ends the notifications when it is dropped.
    _watcher: RecommendedWatcher,
    changed: Receiver<()>,
}

impl Waker {
    fn new(path: &Path, options: FollowOptions) -> Self {
        let notifications = match options.wake {
            Wake::Notifications => watch(path)
                .inspect_err(|error| {
                    tracing::debug!(path = %path.display(), %error, "no notifications, polling");
                })
                .ok(),
            Wake::Poll => None,
        };
        Self {
            notifications,
            slow_poll: options.slow_poll,
            poll: options.poll,
        }
    }

    /// Waits until the file may have changed, but not longer than `left`.
    fn wait(&mut self, left: Duration) {
        let Some(notifications) = &self.notifications else {
            std::thread::sleep(self.poll.min(left));
            return;
        };
        let outcome = notifications.changed.recv_timeout(self.slow_poll.min(left));
        if outcome == Err(RecvTimeoutError::Disconnected) {
            self.notifications = None;
        }
    }
}

/// Watches the folder of `path`, because the file itself may come and go.
fn watch(path: &Path) -> notify::Result<Notifications> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_owned();
    // One waiting wake-up is enough: the follower then reads all there is.
    let (tx, changed) = mpsc::sync_channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns_us = event.is_ok_and(|event| {
            // Our own opening and reading is told, too; waking for it would never end.
            !event.kind.is_access()
                && (event.need_rescan()
                    || event
                        .paths
                        .iter()
                        .any(|path| path.file_name() == Some(&name)))
        });
        if concerns_us {
            // Full means that a wake-up is waiting; closed, that nobody waits any more.
            tx.try_send(()).unwrap_or_default();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(Notifications {
        _watcher: watcher,
        changed,
    })
}
