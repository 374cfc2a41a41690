//! Who has which place in the queue, for readers.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Entry, FOLDER, Kind, Waiter, digest_of, folder_of, found, is_of_server, may_be_of, names,
    read_entry,
};
use crate::id::{ProjectId, TaskId};
use crate::layout::Root;
use crate::look::Look;
use crate::process::ProcessIdentity;

/// A place in the queue, as the decisions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Smaller is earlier.
    pub sequence: u64,
    /// Who waits.
    pub kind: Kind,
    /// Its process is alive.
    pub is_live: bool,
}

/// Returns the place whose turn it is: the first live one.
pub fn turn(places: &[Place]) -> Option<u64> {
    let live = places.iter().filter(|place| place.is_live);
    live.map(|place| place.sequence).min()
}

/// Returns how many have their turn up to `sequence`, itself included.
///
/// Dead supervisors do not count; entries of a server count for those of a server.
pub fn position(places: &[Place], sequence: u64) -> Option<usize> {
    let mine = places.iter().find(|place| place.sequence == sequence)?;
    let counts = |place: &&Place| {
        let is_kept = place.kind == Kind::Server && mine.kind == Kind::Server;
        place.sequence < sequence && (place.is_live || is_kept)
    };
    Some(places.iter().filter(counts).count() + 1)
}

/// From so many entries on, each look at all of their files costs more than it tells.
const MANY: usize = 256;
/// For how long the names of so many files speak for their content.
const TRUST: Duration = Duration::from_millis(250);

/// The queue at one moment.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    entries: Vec<(Arc<Entry>, bool)>,
    /// Which file each entry was read from.
    files: Vec<(String, Look)>,
    /// When all files were looked at.
    looked_at: Option<Instant>,
    /// Some were not looked at since.
    has_trusted: bool,
}

impl Queue {
    /// Looks at the queue; never changes it. What cannot be read is left out.
    pub fn read(root: &Root) -> io::Result<Self> {
        Self::read_again(root, &Self::default())
    }

    /// Looks at the queue as [`Queue::read`] does, and reads only the files that are not
    /// those of `before`.
    ///
    /// Of a long queue that was looked at a moment ago only the names are looked at: a new entry
    /// has a new name, and what changes in one is which process keeps its place.
    pub fn read_again(root: &Root, before: &Self) -> io::Result<Self> {
        root.check_own_folder(FOLDER)?;
        let folder = folder_of(root);
        let known: HashMap<&str, (&Look, &Arc<Entry>)> = (before.files.iter())
            .zip(&before.entries)
            .map(|((name, look), (entry, _))| (name.as_str(), (look, entry)))
            .collect();
        let trusted_since =
            (before.looked_at).filter(|at| before.files.len() >= MANY && at.elapsed() < TRUST);
        let mut queue = Self {
            looked_at: Some(trusted_since.unwrap_or_else(Instant::now)),
            has_trusted: trusted_since.is_some(),
            ..Self::default()
        };
        // Most entries name the same process.
        let mut alive: HashMap<ProcessIdentity, bool> = HashMap::new();
        let mut is_live = |entry: &Entry| {
            let owner = entry.owner.as_ref().map(Waiter::identity);
            owner.is_some_and(|owner| match alive.get(&owner) {
                Some(is_alive) => *is_alive,
                None => *alive.entry(owner.clone()).or_insert(owner.is_alive()),
            })
        };
        for name in names(&folder)? {
            let known = known.get(name.as_str());
            let found = match known.filter(|_| queue.has_trusted) {
                Some((look, entry)) => Some((**look, Arc::clone(entry))),
                None => look_at(&folder.join(&name), known),
            };
            // What is gone by now does not wait.
            if let Some((look, entry)) = found {
                let is_live = is_live(&entry);
                queue.entries.push((entry, is_live));
                queue.files.push((name, look));
            }
        }
        Ok(queue)
    }

    /// Tells whether another look may find another process in an entry, however soon it comes.
    pub fn has_trusted(&self) -> bool {
        self.has_trusted
    }

    /// Tells whether a server has accepted `task` and not launched it yet.
    pub fn has_server_entry(&self, project: &ProjectId, task: &TaskId) -> bool {
        let is_its = |entry: &Entry| {
            entry.kind == Kind::Server && entry.project == *project && entry.task == *task
        };
        self.entries().any(is_its)
    }

    /// Tells whether the order depends on whether a process lives, which no file tells.
    pub fn depends_on_processes(&self) -> bool {
        self.entries().any(|entry| entry.owner.is_some())
    }

    /// Returns every task that waits with its position, as [`Queue::position`] tells it.
    pub fn positions(&self) -> HashMap<(ProjectId, TaskId), usize> {
        let mut by_sequence: Vec<&(Arc<Entry>, bool)> = self.entries.iter().collect();
        by_sequence.sort_by_key(|(entry, _)| entry.sequence);
        let mut of_sequence = HashMap::new();
        let (mut live, mut kept) = (0, 0);
        for group in by_sequence.chunk_by(|a, b| a.0.sequence == b.0.sequence) {
            let first = &group[0].0;
            let ahead = if first.kind == Kind::Server {
                kept
            } else {
                live
            };
            of_sequence.insert(first.sequence, ahead + 1);
            for (entry, is_live) in group {
                live += usize::from(*is_live);
                kept += usize::from(*is_live || entry.kind == Kind::Server);
            }
        }
        let mut positions = HashMap::new();
        for (entry, is_live) in &self.entries {
            if *is_live || entry.kind == Kind::Server {
                let task = (entry.project.clone(), entry.task.clone());
                positions
                    .entry(task)
                    .or_insert(of_sequence[&entry.sequence]);
            }
        }
        positions
    }

    /// Returns the entries, first come first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(entry, _)| &**entry)
    }

    fn places(&self) -> Vec<Place> {
        let place = |(entry, is_live): &(Arc<Entry>, bool)| Place {
            sequence: entry.sequence,
            kind: entry.kind,
            is_live: *is_live,
        };
        self.entries.iter().map(place).collect()
    }

    /// Returns the position of `task`, from one; none if it does not wait.
    pub fn position(&self, project: &ProjectId, task: &TaskId) -> Option<usize> {
        let waits = |(entry, is_live): &&(Arc<Entry>, bool)| {
            let is_kept = *is_live || entry.kind == Kind::Server;
            is_kept && entry.project == *project && entry.task == *task
        };
        let (entry, _) = self.entries.iter().find(waits)?;
        position(&self.places(), entry.sequence)
    }
}

/// Looks at a file, and reads it if it is not the one that is `known`.
fn look_at(path: &Path, known: Option<&(&Look, &Arc<Entry>)>) -> Option<(Look, Arc<Entry>)> {
    let look = Look::at(path).ok()?;
    let entry = match known.filter(|(known, _)| **known == look) {
        Some((_, entry)) => Arc::clone(entry),
        None => Arc::new(read_entry(path)?),
    };
    Some((look, entry))
}

/// Tells whether a server has accepted `task` and not launched it yet.
pub fn has_server_entry(root: &Root, project: &ProjectId, task: &TaskId) -> bool {
    let folder = folder_of(root);
    let digest = digest_of(project, task);
    let is_meant = |name: &str| is_of_server(name) && may_be_of(name, &digest);
    let names = found(&folder, is_meant).unwrap_or_default().into_iter();
    names
        .filter_map(|name| read_entry(&folder.join(name)))
        .any(|entry| entry.project == *project && entry.task == *task)
}
