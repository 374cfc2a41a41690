//! What servers have accepted and not launched yet.

use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::{
    Entry, FOLDER, KNOWN_VERSION, Kind, QueueError, Waiter, add, digest_of, folder_of,
    found as named, import, io_error, is_of_server, locked, may_be_of, names, read_entry,
    sequence_of, withdrawn,
};
use crate::durable::{self, Mode};
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::Root;
use crate::record::RecordError;

/// What a server has accepted.
#[derive(Debug, Clone)]
pub struct Accepted<'a> {
    /// The project.
    pub project: &'a ProjectId,
    /// The task.
    pub task: &'a TaskId,
    /// The launch that is made of it.
    pub launch: &'a str,
    /// The run that its first attempt is to be.
    pub run: Option<&'a RunId>,
    /// What was asked for.
    pub request: serde_json::Value,
    /// It may begin: it keeps its place before all who come later, as long as this process lives.
    pub may_begin: bool,
}

/// A file of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// Its file name, which is what [`hold_place`] and [`remove_entry`] want.
    pub name: String,
    /// What it says.
    pub entry: Entry,
}

/// Adds a task that a server has accepted; returns after it is on disk.
pub fn submit(
    root: &Root,
    accepted: Accepted<'_>,
    now: Timestamp,
) -> Result<Submitted, QueueError> {
    let me = || Waiter::current().map_err(io_error(Path::new("/proc/self")));
    let owner = accepted.may_begin.then(me).transpose()?;
    locked(root, |folder| {
        import::under_lock(root, folder, now)?;
        let entry = Entry {
            version: KNOWN_VERSION,
            kind: Kind::Server,
            sequence: 0,
            project: accepted.project.clone(),
            task: accepted.task.clone(),
            run: accepted.run.cloned(),
            submitted_at: now,
            owner,
            launch: Some(accepted.launch.to_owned()),
            request: Some(accepted.request),
        };
        let mut kept = entry.clone();
        let (path, sequence) = add(folder, entry)?;
        kept.sequence = sequence;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Submitted {
            name: name.into_owned(),
            entry: kept,
        })
    })
}

/// The file names of all that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Of what servers have accepted, first come first.
    pub submitted: Vec<String>,
    /// Of supervisors that wait for a slot, first come first.
    tickets: Vec<String>,
}

impl Names {
    /// Lists the queue; reads no entry.
    pub fn list(root: &Root) -> Result<Self, QueueError> {
        let folder = folder_of(root);
        root.check_own_folder(FOLDER).map_err(io_error(&folder))?;
        let names = names(&folder).map_err(io_error(&folder))?;
        let (submitted, tickets) = names.into_iter().partition(|name| is_of_server(name));
        Ok(Self { submitted, tickets })
    }

    /// Counts the supervisors that wait for a slot, up to `enough`.
    pub fn waiting_supervisors(&self, root: &Root, enough: usize) -> usize {
        let folder = folder_of(root);
        let entries = (self.tickets.iter()).filter_map(|name| read_entry(&folder.join(name)));
        entries.filter(Entry::is_live).take(enough).count()
    }
}

/// Returns the position of an entry of a server, from one; reads no other entry of a server.
pub fn position_of(root: &Root, found: &Submitted) -> Result<usize, QueueError> {
    let folder = folder_of(root);
    let is_before = |name: &str| sequence_of(name) < Some(found.entry.sequence);
    let before = named(&folder, is_before).map_err(io_error(&folder))?;
    let counts = before.iter().filter(|name| {
        let is_live = || read_entry(&folder.join(name)).is_some_and(|entry| entry.is_live());
        is_of_server(name) || is_live()
    });
    Ok(counts.count() + 1)
}

/// Reads what servers have accepted of one task.
pub fn submitted_of(
    root: &Root,
    project: &ProjectId,
    task: &TaskId,
) -> Result<Vec<Submitted>, QueueError> {
    let digest = digest_of(project, task);
    let folder = folder_of(root);
    root.check_own_folder(FOLDER).map_err(io_error(&folder))?;
    let is_meant = |name: &str| is_of_server(name) && may_be_of(name, &digest);
    let names = named(&folder, is_meant).map_err(io_error(&folder))?;
    let found = names.iter().filter_map(|name| submitted(root, name));
    let is_its = |found: &Submitted| found.entry.project == *project && found.entry.task == *task;
    Ok(found.filter(is_its).collect())
}

/// Reads one entry by its file name; none if it is gone, or cannot be read, which is told.
pub fn submitted(root: &Root, name: &str) -> Option<Submitted> {
    let entry = sequence_of(name).and_then(|_| read_entry(&folder_of(root).join(name)))?;
    Some(Submitted {
        name: name.to_owned(),
        entry,
    })
}

/// Says whether an entry of a server may begin: then this process keeps its place.
///
/// A loss of power may bring the old entry back, whole; it takes this process along.
pub fn hold_place(root: &Root, found: &Submitted, holds: bool) -> Result<Submitted, QueueError> {
    let me = Waiter::current().map_err(io_error(Path::new("/proc/self")))?;
    locked(root, |folder| {
        let path = folder.join(&found.name);
        let mut entry = found.entry.clone();
        entry.owner = holds.then_some(me);
        // Its supervisor may have taken it over since.
        if path.exists() {
            let text = crate::yaml::to_text(&entry).map_err(RecordError::malformed(&path))?;
            durable::replace_for_now(&path, text.as_bytes(), Mode::Private)
                .map_err(io_error(&path))?;
        }
        Ok(Submitted {
            name: found.name.clone(),
            entry,
        })
    })
}

/// Names the launch that is made of an entry which another program had queued, and says in our
/// words what it asks for; returns after that is on disk.
pub fn name_launch(
    root: &Root,
    found: &Submitted,
    launch: &str,
    run: &RunId,
    request: serde_json::Value,
) -> Result<Submitted, QueueError> {
    locked(root, |folder| {
        let path = folder.join(&found.name);
        let entry = Entry {
            launch: Some(launch.to_owned()),
            run: Some(run.clone()),
            request: Some(request),
            ..found.entry.clone()
        };
        // Its task may have been stopped or deleted since.
        if path.exists() {
            let text = crate::yaml::to_text(&entry).map_err(RecordError::malformed(&path))?;
            durable::replace(&path, text.as_bytes(), Mode::Private).map_err(io_error(&path))?;
        }
        Ok(Submitted {
            name: found.name.clone(),
            entry,
        })
    })
}

/// Takes an entry of a server out of the queue before it began; fine if it is gone. What a key
/// had asked for stays known.
pub fn withdraw_entry(root: &Root, found: &Submitted) -> Result<(), QueueError> {
    withdrawn::remember(root, &found.entry)?;
    remove_entry(root, &found.name)
}

/// Takes an entry of a server that has begun out of the queue; fine if it is gone.
pub fn remove_entry(root: &Root, name: &str) -> Result<(), QueueError> {
    let path = folder_of(root).join(name);
    if sequence_of(name).is_none() {
        return Ok(());
    }
    match durable::remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path)(error)),
        _ => Ok(()),
    }
}
