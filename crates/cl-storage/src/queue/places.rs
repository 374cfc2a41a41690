//! Who has which place in the queue, for readers.

use std::collections::HashMap;
use std::io;

use super::{
    Entry, FOLDER, Kind, digest_of, folder_of, is_of_server, may_be_of, names, read_entry,
};
use crate::id::{ProjectId, TaskId};
use crate::layout::Root;
use crate::look::Look;

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

/// The queue at one moment.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    entries: Vec<(Entry, bool)>,
    /// Which file each entry was read from.
    files: Vec<(String, Look)>,
}

impl Queue {
    /// Looks at the queue; never changes it. What cannot be read is left out.
    pub fn read(root: &Root) -> io::Result<Self> {
        Self::read_again(root, &Self::default())
    }

    /// Looks at the queue as [`Queue::read`] does, and reads only the files that are not
    /// those of `before`.
    pub fn read_again(root: &Root, before: &Self) -> io::Result<Self> {
        root.check_own_folder(FOLDER)?;
        let folder = folder_of(root);
        let known: HashMap<&str, (&Look, &Entry)> = (before.files.iter())
            .zip(before.entries())
            .map(|((name, look), entry)| (name.as_str(), (look, entry)))
            .collect();
        let mut queue = Self::default();
        for name in names(&folder)? {
            let path = folder.join(&name);
            // What is gone by now does not wait.
            let Ok(look) = Look::at(&path) else { continue };
            let known = known.get(name.as_str()).filter(|known| *known.0 == look);
            let entry = match known {
                Some((_, entry)) => Some((*entry).clone()),
                None => read_entry(&path),
            };
            if let Some(entry) = entry {
                let is_live = entry.is_live();
                queue.entries.push((entry, is_live));
                queue.files.push((name, look));
            }
        }
        Ok(queue)
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
        let mut by_sequence: Vec<&(Entry, bool)> = self.entries.iter().collect();
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
        self.entries.iter().map(|(entry, _)| entry)
    }

    fn places(&self) -> Vec<Place> {
        let place = |(entry, is_live): &(Entry, bool)| Place {
            sequence: entry.sequence,
            kind: entry.kind,
            is_live: *is_live,
        };
        self.entries.iter().map(place).collect()
    }

    /// Returns the position of `task`, from one; none if it does not wait.
    pub fn position(&self, project: &ProjectId, task: &TaskId) -> Option<usize> {
        let waits = |(entry, is_live): &&(Entry, bool)| {
            let is_kept = *is_live || entry.kind == Kind::Server;
            is_kept && entry.project == *project && entry.task == *task
        };
        let (entry, _) = self.entries.iter().find(waits)?;
        position(&self.places(), entry.sequence)
    }
}

/// Tells whether a server has accepted `task` and not launched it yet.
pub fn has_server_entry(root: &Root, project: &ProjectId, task: &TaskId) -> bool {
    let folder = folder_of(root);
    let digest = digest_of(project, task);
    let of_server = names(&folder).unwrap_or_default().into_iter();
    of_server
        .filter(|name| is_of_server(name) && may_be_of(name, &digest))
        .filter_map(|name| read_entry(&folder.join(name)))
        .any(|entry| entry.project == *project && entry.task == *task)
}
