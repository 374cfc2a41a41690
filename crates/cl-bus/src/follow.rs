//! Follows a bus: hands out messages as they are appended.
//!
//! A follower keeps the file open, remembers up to where it has read, and reads
//! only what was added. Notifications of the system merely wake it; a slow poll
//! stands behind them, so that a lost notification costs time and no message.
//!
//! Whatever is not appending (the file was replaced, removed, cut or rewritten)
//! is told by [`Event::Reset`]. Messages after a reset come from the file as it
//! is now: those behind the last message that was handed out and is still there,
//! or all of them if none is.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cl_storage::MessageId;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::damage::Damage;
use crate::file::{self, FileError, FileId};
use crate::read::{self, After, Entry, ReadError};
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
    /// What was found while starting and has not been handed out.
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
        let mut follower = Self {
            path: path.to_owned(),
            // Watching comes first, so that nothing falls between it and the first look.
            waker: Waker::new(path, options),
            open: OpenBus::open(path)?,
            found: Vec::new(),
            recent: VecDeque::new(),
            was_reset: false,
            lost_place: false,
        };
        match start {
            Start::Beginning => {}
            Start::End => {
                let last = read::tail(path, 1)?.last_cursor();
                match last {
                    Some(cursor) => follower.start_after(&After::Cursor(cursor))?,
                    None => drop(follower.read_appended()?),
                }
                follower.found.clear();
            }
            Start::After(after) => follower.start_after(after)?,
        }
        Ok(follower)
    }

    /// Returns the path of the followed bus.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what has happened, waiting up to `timeout` until something has.
    ///
    /// Empty when the time is up. After an error it may be called again.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, ReadError> {
        let deadline = Instant::now() + timeout;
        loop {
            let events = self.look()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !events.is_empty() || left.is_zero() {
                return Ok(events);
            }
            self.waker.wait(left);
        }
    }

    /// Looks once, without waiting.
    fn look(&mut self) -> Result<Vec<Event>, ReadError> {
        let mut events = std::mem::take(&mut self.found);
        let at_path = file::look(&self.path)?;
        let cause = match (&mut self.open, &at_path) {
            (Some(open), Some(found)) if open.id == FileId::of(found) => {
                open.change(found).map_err(|e| read_error(&self.path, e))?
            }
            (Some(_), Some(_)) => Some(ResetCause::Replaced),
            (Some(_), None) => Some(ResetCause::Removed),
            (None, _) => None,
        };
        if let Some(cause) = cause {
            if matches!(cause, ResetCause::Replaced | ResetCause::Removed) {
                // The old file may have got messages before it went.
                events.extend(self.read_appended()?);
            }
            events.push(Event::Reset(cause));
            self.open = None;
            self.was_reset = true;
            self.lost_place = true;
        }
        if self.open.is_none() {
            self.open = OpenBus::open(&self.path)?;
        }
        events.extend(self.read_appended()?);
        Ok(events)
    }

    /// Moves behind the message of `after`; what stands there goes to `found`.
    fn start_after(&mut self, after: &After) -> Result<(), ReadError> {
        let unknown = || ReadError::UnknownMessage {
            path: self.path.clone(),
            id: after.id().clone(),
        };
        let open = self.open.as_mut().ok_or_else(unknown)?;
        let (before, behind) = open
            .read_after(after)
            .map_err(|e| read_error(&self.path, e))?
            .ok_or_else(unknown)?;
        drop(self.admit(before));
        self.found = self.admit(behind);
        Ok(())
    }

    /// Reads what was added to the open file; only what is new is returned.
    fn read_appended(&mut self) -> Result<Vec<Event>, ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(Vec::new());
        };
        let mut events = open.read_new().map_err(|e| read_error(&self.path, e))?;
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
                admitted.push(Event::Damage(read::duplicate(
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
    fn open(path: &Path) -> Result<Option<Self>, FileError> {
        let Some(file) = file::open_to_read(path)? else {
            return Ok(None);
        };
        let metadata = file
            .metadata()
            .map_err(|e| FileError::io("look at", path, e))?;
        Ok(Some(Self {
            id: FileId::of(&metadata),
            file,
            state: ScanState::START,
            anchor: None,
            looked: None,
        }))
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
            && head(&self.file, anchor.position, anchor.bytes.len())? != anchor.bytes
        {
            return Ok(Some(ResetCause::Rewritten));
        }
        self.looked = Some(looked);
        Ok(None)
    }

    /// Reads on from where the last call stopped.
    fn read_new(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut last = None;
        file::scan_file(&self.file, &mut self.state, End::Growing, &mut |item| {
            events.push(match item {
                Item::Damage(damage) => Event::Damage(damage),
                Item::Message {
                    position,
                    length,
                    message,
                } => {
                    last = Some((position, length));
                    let message = *message;
                    Event::Message(Box::new(Entry { position, message }))
                }
            });
        })?;
        if let Some((position, length)) = last {
            let length = usize::try_from(length)
                .unwrap_or(ANCHOR_BYTES)
                .min(ANCHOR_BYTES);
            self.anchor = Some(Anchor {
                position,
                bytes: head(&self.file, position, length)?,
            });
        }
        Ok(events)
    }

    /// Reads what stands up to and behind the message of `after`; `None` if it is
    /// not there.
    fn read_after(&mut self, after: &After) -> io::Result<Option<(Vec<Event>, Vec<Event>)>> {
        if let After::Cursor(cursor) = after
            && read::starts_line(&self.file, cursor.position)?
        {
            let lines = read::count_lines(&self.file, cursor.position)?;
            self.state = ScanState::at_line(cursor.position, lines);
            let mut events = self.read_new()?;
            let stands_there = matches!(events.first(),
                Some(Event::Message(entry)) if entry.cursor() == *cursor);
            if stands_there {
                let behind = events.split_off(1);
                return Ok(Some((events, behind)));
            }
        }
        self.state = ScanState::START;
        let mut events = self.read_new()?;
        let place = events.iter().position(
            |event| matches!(event, Event::Message(entry) if entry.message.id == *after.id()),
        );
        Ok(place.map(|place| {
            let behind = events.split_off(place + 1);
            (events, behind)
        }))
    }
}

/// Reads up to `length` bytes at `position`.
fn head(file: &File, position: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut have = 0;
    while have < length {
        match file.read_at(&mut bytes[have..], position + have as u64) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
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
