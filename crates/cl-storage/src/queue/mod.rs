//! Who waits for a run slot, in the order of arrival.
//!
//! ```text
//! <root>/.conductor/queue/
//!     lock                                   held while somebody enters
//!     <sequence>-run-<random>.yaml           a supervisor that waits: its ticket
//!     <sequence>-server-<digest>-<random>.yaml    a task that a server is to launch; the
//!                                            digest of project and task spares reading it
//! ```
//!
//! Whoever needs a slot enters: if nobody waits and a slot is free it is taken at
//! once, else a ticket is made. Only the first *live* ticket may take a slot, so
//! nobody overtakes. A ticket is live while the process that it names is. Those of
//! dead supervisors are removed by whoever comes across them; entries of a server
//! have no process, or one that comes and goes: without a live one they hold up
//! nobody and keep their place.
//!
//! A server writes its own identity into the entries that may begin, launches their
//! supervisors in order, and each supervisor [`enter`]s in the place of the entry that
//! names its launch: the entry becomes its ticket, or is gone with the slot that it
//! takes. Where the server died in the midst of that, those that it had launched leave the
//! ones before them to the next server, for ten seconds at the most. `request` belongs to
//! the server: what was asked for, as it was asked for.
//!
//! Tickets of supervisors need not survive a loss of power, which ends their
//! owners; entries of a server do.
//!
//! ```text
//! enter: lock -> ticket -> unlock      crash: a ticket of a dead process, skipped
//! take:  lock -> slot -> remove the ticket -> unlock
//!        crash: slot freed by the kernel, ticket as above
//! adopt: lock -> ticket with the place of the entry -> remove the entry -> unlock
//!        crash: both, the ticket of a dead process; the server sees that it had launched
//! ```

mod accepted;
mod import;
mod places;
mod withdrawn;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::id::{self, ProjectId, RunId, TaskId};
use crate::layout::Root;
use crate::lock::{self, LockError};
use crate::process::{ProcessIdentity, ProcessStart};
use crate::record::{self, RecordError};
use crate::slot::{Slot, SlotError};

pub use accepted::{
    Accepted, Names, Submitted, hold_place, name_launch, position_of, remove_entry, submit,
    submitted, submitted_of, withdraw_entry,
};
pub use import::import_planner;
pub use places::{Place, Queue, has_server_entry, position, turn};
pub use withdrawn::{OF_KEY, was_withdrawn};

const KNOWN_VERSION: u32 = 1;
const FOLDER: &str = "queue";
const LOCK: &str = "lock";
const ENDING: &str = ".yaml";

/// How long the lock is waited for: everybody ahead makes one small file under it.
const LOCK_WAIT: Duration = Duration::from_mins(1);

/// How long those that a server has launched leave those before them to its successor.
const SUCCESSION: Duration = Duration::from_secs(10);

/// So many entries are looked at; what lies beyond waits until those are gone.
const MOST_ENTRIES: usize = 10_000;

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A supervisor, for the slot of its attempt.
    Run,
    /// A task that a server has accepted and not launched yet.
    Server,
}

/// One that waits.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Format of the file.
    pub version: u32,
    /// Who waits.
    pub kind: Kind,
    /// Its place; smaller is earlier.
    pub sequence: u64,
    /// The project.
    pub project: ProjectId,
    /// The task.
    pub task: TaskId,
    /// The run that is to have the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Since when.
    pub submitted_at: Timestamp,
    /// The process that waits, or the server that is about to launch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Waiter>,
    /// The launch that a server makes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// What a server was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<serde_json::Value>,
}

/// A process that waits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Waiter {
    /// Its id.
    pub pid: i32,
    /// Its start token.
    pub process_start: ProcessStart,
}

impl Waiter {
    /// Returns this process.
    pub fn current() -> io::Result<Self> {
        let me = ProcessIdentity::current()?;
        Ok(Self {
            pid: me.pid,
            process_start: me.start,
        })
    }

    /// Returns the identity of the process.
    pub fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.pid,
            start: self.process_start.clone(),
        }
    }
}

impl Entry {
    /// Tells whether the process that it names is alive.
    pub fn is_live(&self) -> bool {
        let owner = self.owner.as_ref().map(Waiter::identity);
        owner.is_some_and(|owner| owner.is_alive())
    }
}

/// Why the queue could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An entry could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A slot could not be used.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The folder, or a file in it, could not be used.
    #[error("could not use {}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> QueueError {
    let path = path.to_owned();
    move |source| QueueError::Io { path, source }
}

/// Returns the folder of the queue, which may be missing.
pub fn folder_of(root: &Root) -> PathBuf {
    root.conductor_folder().join(FOLDER)
}

/// Lists the names of entries, in the order of their sequence; none if there is no queue.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = found(folder, |_| true)?;
    names.truncate(MOST_ENTRIES);
    Ok(names)
}

fn names_in(folder: &Path) -> Result<Vec<String>, QueueError> {
    names(folder).map_err(io_error(folder))
}

/// Lists the names of those entries that are meant, in the order of their sequence.
fn found(folder: &Path, is_meant: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for_each_name(folder, |sequence, name| {
        if is_meant(name) {
            names.push((sequence, name.to_owned()));
        }
    })?;
    names.sort_unstable();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// Hands over the sequence and the name of each entry, in no order.
fn for_each_name(folder: &Path, mut sink: impl FnMut(u64, &str)) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().unwrap_or_default();
        if let Some(sequence) = sequence_of(name) {
            sink(sequence, name);
        }
    }
    Ok(())
}

/// Returns the sequence number in the name of an entry.
fn sequence_of(name: &str) -> Option<u64> {
    name.strip_suffix(ENDING)?.split('-').next()?.parse().ok()
}

fn is_of_server(name: &str) -> bool {
    name.split('-').nth(1) == Some("server")
}

/// Returns what stands for a task in the names of a server's entries.
fn digest_of(project: &ProjectId, task: &TaskId) -> String {
    let digest = crate::digest::sha256_hex(format!("{project}/{task}").as_bytes());
    digest[..16].to_owned()
}

/// Tells whether an entry may be of the task that `digest` stands for, by its name alone.
fn may_be_of(name: &str, digest: &str) -> bool {
    let mut parts = name.split('-').skip(1);
    // Tickets, and entries of earlier builds, do not say.
    parts.next() != Some("server") || parts.clone().count() < 2 || parts.next() == Some(digest)
}

/// Reads an entry; none if it is gone, or cannot be read, which is told.
fn read_entry(path: &Path) -> Option<Entry> {
    record::read(path, KNOWN_VERSION).unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "left out an entry of the queue"
        );
        None
    })
}

/// Tells what is wrong with a file of the queue, if its name is that of an entry.
pub(crate) fn check_file(path: &Path) -> Result<(), RecordError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match sequence_of(&name) {
        Some(_) => record::read::<Entry>(path, KNOWN_VERSION).map(drop),
        None => Ok(()),
    }
}

/// Drops what waits for `task` without a live process; returns how many entries that were.
///
/// For a task that was stopped, given up or deleted. What a key had asked for stays known:
/// see [`was_withdrawn`].
pub fn drop_entries(root: &Root, project: &ProjectId, task: &TaskId) -> Result<usize, QueueError> {
    let folder = folder_of(root);
    let digest = digest_of(project, task);
    let mut dropped = 0;
    let names = found(&folder, |name| may_be_of(name, &digest));
    for name in names.map_err(io_error(&folder))? {
        let path = folder.join(&name);
        let is_its = |entry: &Entry| {
            entry.project == *project
                && entry.task == *task
                && !(entry.kind == Kind::Run && entry.is_live())
        };
        if let Some(entry) = read_entry(&path).filter(is_its) {
            if entry.kind == Kind::Server {
                withdrawn::remember(root, &entry)?;
            }
            durable::remove(&path).map_err(io_error(&path))?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

/// What came of asking for a slot.
#[derive(Debug)]
pub enum Admission {
    /// Nobody waited before it, and one was free. Whoever waits behind was not woken as long
    /// as this one was first: the process whose turn it is now, to wake it.
    Slot(Slot, Option<ProcessIdentity>),
    /// It has to be waited for.
    Wait(Ticket),
}

/// The right to the next slot after all that came before.
#[derive(Debug)]
pub struct Ticket {
    root: Root,
    path: PathBuf,
    name: String,
    sequence: u64,
    /// A server's entry was taken over with its place.
    was_accepted: bool,
    /// Since when it leaves those before it to the successor of their server.
    yields_since: OnceLock<Instant>,
}

/// What a look at the queue found.
#[derive(Debug)]
pub enum Turn {
    /// A slot was taken, and the ticket is gone.
    Taken(Slot),
    /// It is this one's turn, but no slot is free.
    First,
    /// Others come first.
    Behind,
}

/// Who asks for a slot.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// The project.
    pub project: &'a ProjectId,
    /// The task.
    pub task: &'a TaskId,
    /// The run that is to have the slot.
    pub run: &'a RunId,
    /// The launch; an entry that a server made for it is taken over with its place.
    pub launch: &'a str,
}

/// Asks for a slot of `limit`: takes one, or queues.
///
/// Blocks for a minute at the most if many come at once.
pub fn enter(
    root: &Root,
    limit: u32,
    who: Applicant<'_>,
    now: Timestamp,
) -> Result<Admission, QueueError> {
    let me = Waiter::current().map_err(io_error(Path::new("/proc/self")))?;
    locked(root, |folder| {
        import::under_lock(root, folder, now)?;
        // Whoever enters needs the lock: from here on entries only go.
        let names = found(folder, |_| true).map_err(io_error(folder))?;
        let accepted = accepted_entry(folder, &names, who);
        let is_next = match (first_live(folder, &names), &accepted) {
            (None, _) => true,
            (Some((first, _)), Some((mine, entry))) => {
                first == mine || sequence_of(first) > Some(entry.sequence)
            }
            (Some(_), None) => false,
        };
        let yields = match &accepted {
            Some((_, entry)) => has_orphan_before(folder, &names, entry.sequence),
            None => false,
        };
        let slot = if is_next && !yields {
            Slot::try_take(root, limit, who.run)?
        } else {
            None
        };
        if let Some(slot) = slot {
            remove_accepted(folder, accepted)?;
            return Ok(Admission::Slot(
                slot,
                supervisor_of(first_live(folder, &names)),
            ));
        }
        let entry = Entry {
            version: KNOWN_VERSION,
            kind: Kind::Run,
            sequence: accepted.as_ref().map_or(0, |(_, entry)| entry.sequence),
            project: who.project.clone(),
            task: who.task.clone(),
            run: Some(who.run.clone()),
            submitted_at: accepted.as_ref().map_or(now, |(_, e)| e.submitted_at),
            owner: Some(me.clone()),
            launch: Some(who.launch.to_owned()),
            request: None,
        };
        let was_accepted = accepted.is_some();
        let (path, sequence) = add(folder, entry)?;
        crate::crash::point("entry-adopted");
        remove_accepted(folder, accepted)?;
        Ok(Admission::Wait(Ticket {
            root: root.clone(),
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            path,
            sequence,
            was_accepted,
            yields_since: OnceLock::new(),
        }))
    })
}

/// Finds the entry that a server made for the launch of `who`.
fn accepted_entry(folder: &Path, names: &[String], who: Applicant<'_>) -> Option<(String, Entry)> {
    let digest = digest_of(who.project, who.task);
    let may_be_its = |name: &&String| is_of_server(name) && may_be_of(name, &digest);
    names.iter().filter(may_be_its).find_map(|name| {
        let entry = read_entry(&folder.join(name))?;
        let is_its = entry.launch.as_deref() == Some(who.launch)
            && entry.project == *who.project
            && entry.task == *who.task;
        is_its.then(|| (name.clone(), entry))
    })
}

fn remove_accepted(folder: &Path, accepted: Option<(String, Entry)>) -> Result<(), QueueError> {
    let Some((name, _)) = accepted else {
        return Ok(());
    };
    // Brought back by a loss of power it names a launch that the task has on record.
    let path = folder.join(name);
    match durable::discard(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path)(error)),
        _ => Ok(()),
    }
}

fn locked<T>(
    root: &Root,
    operation: impl FnOnce(&Path) -> Result<T, QueueError>,
) -> Result<T, QueueError> {
    let folder = folder_of(root);
    root.ensure_own_folder(FOLDER).map_err(io_error(&folder))?;
    let lock = folder.join(LOCK);
    let file = durable::open_append(&lock, Mode::Private).map_err(io_error(&lock))?;
    lock::scoped(file, &lock, LOCK_WAIT, |_| operation(&folder))?
}

/// Writes `entry` at its place, or at the end of the queue if it has none. Under the lock.
fn add(folder: &Path, mut entry: Entry) -> Result<(PathBuf, u64), QueueError> {
    if entry.sequence == 0 {
        let last = last_sequence(folder).map_err(io_error(folder))?;
        entry.sequence = last.map_or(1, |last| last + 1);
    }
    let kind = match entry.kind {
        Kind::Run => "run".to_owned(),
        Kind::Server => format!("server-{}", digest_of(&entry.project, &entry.task)),
    };
    // The random part: a number may come again once its ticket is gone.
    let name = format!(
        "{:012}-{kind}-{}{ENDING}",
        entry.sequence,
        id::random_text(8)
    );
    let path = folder.join(name);
    let text = crate::yaml::to_text(&entry).map_err(RecordError::malformed(&path))?;
    let written = match entry.kind {
        Kind::Run => durable::replace_for_now(&path, text.as_bytes(), Mode::Private),
        Kind::Server => durable::create_new(&path, text.as_bytes(), Mode::Private),
    };
    written.map_err(io_error(&path))?;
    Ok((path, entry.sequence))
}

/// Returns the place of the last entry.
fn last_sequence(folder: &Path) -> io::Result<Option<u64>> {
    let mut last = None;
    for_each_name(folder, |sequence, _| last = last.max(Some(sequence)))?;
    Ok(last)
}

/// Finds the first live entry, and removes tickets of dead supervisors on the way.
fn first_live<'a>(folder: &Path, names: &'a [String]) -> Option<(&'a str, Entry)> {
    for name in names.iter().take(MOST_ENTRIES) {
        let path = folder.join(name);
        let Some(entry) = read_entry(&path) else {
            continue;
        };
        if entry.is_live() {
            return Some((name, entry));
        }
        if entry.kind == Kind::Run {
            // Somebody else may remove it in the same moment.
            durable::discard(&path).unwrap_or_default();
        }
    }
    None
}

/// Tells whether a server has died before it launched an entry that comes before `sequence`.
fn has_orphan_before(folder: &Path, names: &[String], sequence: u64) -> bool {
    let before = names
        .iter()
        .take_while(|name| sequence_of(name) < Some(sequence))
        .filter(|name| is_of_server(name));
    let mut entries = before.filter_map(|name| read_entry(&folder.join(name)));
    entries.any(|entry| entry.owner.is_some() && !entry.is_live())
}

/// Returns the process whose turn it is, to wake it.
///
/// Nothing if nobody waits, or if the queue cannot be read: those who wait look by
/// themselves now and then.
pub fn first_waiting(root: &Root) -> Option<ProcessIdentity> {
    let folder = folder_of(root);
    let names = names_in(&folder).ok()?;
    supervisor_of(first_live(&folder, &names))
}

/// Returns the process that waits, if it does not look by itself as a server does.
fn supervisor_of(found: Option<(&str, Entry)>) -> Option<ProcessIdentity> {
    let (_, entry) = found?;
    let supervisor = entry.owner.filter(|_| entry.kind == Kind::Run);
    supervisor.map(|owner| owner.identity())
}

impl Ticket {
    /// Returns its place; smaller is earlier.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Takes a slot of `limit` for `run` if it is this one's turn and one is free.
    ///
    /// Blocks for a minute at the most if many come at once.
    pub fn try_take(&self, limit: u32, run: &RunId) -> Result<Turn, QueueError> {
        let folder = folder_of(&self.root);
        let names = names_in(&folder)?;
        // Most are not first, and see that without the lock.
        if self.is_behind(first_live(&folder, &names).as_ref()) {
            return Ok(Turn::Behind);
        }
        // A look beside the lock may miss an entry that is gone by now, and the ticket that came
        // for it.
        locked(&self.root, |folder| {
            let names = names_in(folder)?;
            let first = first_live(folder, &names);
            if self.is_behind(first.as_ref()) {
                return Ok(Turn::Behind);
            }
            // None if somebody has removed the ticket by hand, and with it the place.
            let is_first = first.is_some_and(|(name, _)| name == self.name);
            if is_first && self.yields(folder, &names) {
                return Ok(Turn::First);
            }
            match Slot::try_take(&self.root, limit, run)? {
                Some(slot) => {
                    self.remove();
                    Ok(Turn::Taken(slot))
                }
                None => Ok(Turn::First),
            }
        })
    }

    /// Tells whether it stands behind the one that is first.
    fn is_behind(&self, first: Option<&(&str, Entry)>) -> bool {
        first.is_some_and(|(name, _)| *name != self.name) && self.path.exists()
    }

    /// Tells whether those before it are left to the successor of their server, which died
    /// while it launched them; for a while only, as there may be none.
    fn yields(&self, folder: &Path, names: &[String]) -> bool {
        if !self.was_accepted || !has_orphan_before(folder, names, self.sequence) {
            return false;
        }
        let since = self.yields_since.get_or_init(Instant::now);
        since.elapsed() < SUCCESSION
    }

    /// Gives the place up.
    pub fn withdraw(self) {
        self.remove();
    }

    fn remove(&self) {
        match durable::discard(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It holds up the others only as long as this process lives.
                tracing::error!(%error, "could not remove a ticket of the queue");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
