//! Turns that say what was done.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::durable::SyncPoint;
use crate::look::{FileId, Look};

/// A file or folder of a recording, whatever its names; 0 is the folder it began with.
///
/// Inodes are used again after a removal, nodes are not.
pub type Node = usize;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A folder was made.
    MadeFolder {
        /// The folder that it is in.
        folder: Node,
        /// Its name there.
        name: OsString,
        /// The new folder.
        node: Node,
    },
    /// An empty file was made.
    MadeFile {
        /// The folder that it is in.
        folder: Node,
        /// Its name there.
        name: OsString,
        /// The new file.
        node: Node,
    },
    /// Bytes were written to a file.
    Wrote {
        /// The file.
        node: Node,
        /// Where the bytes stand.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was cut.
    Cut {
        /// The file.
        node: Node,
        /// What is left of it, in bytes.
        size: u64,
    },
    /// A file or folder got another name, which may have been that of another.
    Renamed {
        /// What was renamed.
        node: Node,
        /// The folder and the name it had.
        from: (Node, OsString),
        /// The folder and the name it has.
        to: (Node, OsString),
    },
    /// A file was removed, or a folder with everything in it.
    Removed {
        /// The folder that it was in.
        folder: Node,
        /// Its name there.
        name: OsString,
    },
    /// A file or folder was synced.
    Synced {
        /// What was synced.
        node: Node,
        /// Which place in the code did it.
        point: SyncPoint,
    },
    /// From here on the fact `key` may be found to have `value`.
    Began {
        /// What the fact is about.
        key: String,
        /// What it is about to be.
        value: String,
    },
    /// From here on the fact `key` must be found to have `value`, or one begun later.
    Acknowledged {
        /// What the fact is about.
        key: String,
        /// What it is.
        value: String,
    },
}

/// The recording that is going on, and the turn to change the disk.
///
/// Holding it makes a change and its record one step, so that the record has the
/// order of the disk also when several threads work.
static CURRENT: Mutex<Option<State>> = Mutex::new(None);

/// Held by the one recording of this process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[derive(Debug, Default)]
struct State {
    operations: Vec<Operation>,
    nodes: HashMap<FileId, Node>,
    entries: HashMap<(Node, OsString), Node>,
    count: Node,
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recording of everything that happens in one folder, by this process.
#[derive(Debug)]
pub struct Recording {
    _one: MutexGuard<'static, ()>,
}

impl Recording {
    /// Begins to record what happens in the empty folder at `path`.
    ///
    /// Waits for another recording of this process to end.
    pub fn start(path: &Path) -> io::Result<Self> {
        let one = lock(&ONE_AT_A_TIME);
        let mut state = State::default();
        state.add(Look::through(path)?.id);
        *lock(&CURRENT) = Some(state);
        Ok(Self { _one: one })
    }

    /// Does `action`, which makes the fact `key` be `value`, and acknowledges it.
    pub fn step<T>(&self, key: &str, value: &str, action: impl FnOnce() -> T) -> T {
        self.begin(key, value);
        let result = action();
        self.acknowledge(key, value);
        result
    }

    /// Says that the fact `key` is about to become `value`.
    pub fn begin(&self, key: &str, value: &str) {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.note(Operation::Began { key, value });
    }

    /// Says that the fact `key` has become `value` for good.
    pub fn acknowledge(&self, key: &str, value: &str) {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.note(Operation::Acknowledged { key, value });
    }

    /// Records that the file at `path` was removed by a program that syncs nothing.
    pub fn removed_by_others(&self, path: &Path) {
        Turn::take().removed(path);
    }

    /// Records the folder or file at `path`, made by a program that syncs nothing.
    pub fn made_by_others(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let mut turn = Turn::take();
        if file.metadata()?.is_dir() {
            turn.made_folder(path);
        } else {
            turn.made_file(path, &file);
            turn.wrote(&file, 0, &std::fs::read(path)?);
        }
        Ok(())
    }

    /// Ends the recording.
    pub fn finish(self) -> Vec<Operation> {
        lock(&CURRENT).take().unwrap_or_default().operations
    }

    #[expect(clippy::unused_self, reason = "only who records has something to note")]
    fn note(&self, operation: Operation) {
        if let Some(state) = &mut *lock(&CURRENT) {
            state.operations.push(operation);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        *lock(&CURRENT) = None;
    }
}

impl State {
    fn add(&mut self, id: FileId) -> Node {
        let node = self.count;
        self.count += 1;
        self.nodes.insert(id, node);
        node
    }

    fn find(&self, look: io::Result<Look>) -> Option<Node> {
        self.nodes.get(&look.ok()?.id).copied()
    }

    /// Returns the recorded folder that `path` is in, and the name there.
    fn entry(&self, path: &Path) -> Option<(Node, OsString)> {
        let folder = self.find(Look::through(path.parent()?))?;
        Some((folder, path.file_name()?.to_owned()))
    }

    fn rename(&mut self, from: (Node, OsString), to: (Node, OsString)) {
        let node = self.take_entry(&from);
        self.entries.insert(to.clone(), node);
        self.operations.push(Operation::Renamed { node, from, to });
    }

    fn remove(&mut self, entry: (Node, OsString)) {
        self.take_entry(&entry);
        let (folder, name) = entry;
        self.operations.push(Operation::Removed { folder, name });
    }

    fn take_entry(&mut self, entry: &(Node, OsString)) -> Node {
        let node = self.entries.remove(entry);
        assert!(
            node.is_some(),
            "CL_POWER_LOSS: {} was not made through durable",
            entry.1.display()
        );
        node.unwrap_or_default()
    }
}

/// The right to change something.
pub(crate) struct Turn(MutexGuard<'static, Option<State>>);

impl Turn {
    /// Waits until nobody else changes anything.
    pub(crate) fn take() -> Self {
        Self(lock(&CURRENT))
    }

    pub(crate) fn made_folder(&mut self, path: &Path) {
        let Some(state) = &mut *self.0 else { return };
        if let (Some((folder, name)), Ok(look)) = (state.entry(path), Look::through(path)) {
            let node = state.add(look.id);
            state.entries.insert((folder, name.clone()), node);
            let operation = Operation::MadeFolder { folder, name, node };
            state.operations.push(operation);
        }
    }

    /// Records a new file; one that is known at this name was only opened.
    pub(crate) fn made_file(&mut self, path: &Path, file: &File) {
        let Some(state) = &mut *self.0 else { return };
        let (Some(entry), Ok(look)) = (state.entry(path), Look::of(file)) else {
            return;
        };
        if state.entries.contains_key(&entry) {
            return;
        }
        let node = state.add(look.id);
        state.entries.insert(entry.clone(), node);
        let (folder, name) = entry;
        let operation = Operation::MadeFile { folder, name, node };
        state.operations.push(operation);
    }

    /// Records bytes that were just written to the end of `file`.
    pub(crate) fn appended(&mut self, file: &File, bytes: &[u8]) {
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        self.wrote(file, len.saturating_sub(bytes.len() as u64), bytes);
    }

    /// Records bytes that were just written at `offset`.
    pub(crate) fn wrote(&mut self, file: &File, offset: u64, bytes: &[u8]) {
        let Some(state) = &mut *self.0 else { return };
        if let Some(node) = state.find(Look::of(file)) {
            let bytes = bytes.to_vec();
            state.operations.push(Operation::Wrote {
                node,
                offset,
                bytes,
            });
        }
    }

    pub(crate) fn cut(&mut self, file: &File, size: u64) {
        let Some(state) = &mut *self.0 else { return };
        if let Some(node) = state.find(Look::of(file)) {
            state.operations.push(Operation::Cut { node, size });
        }
    }

    pub(crate) fn renamed(&mut self, from: &Path, to: &Path) {
        let Some(state) = &mut *self.0 else { return };
        if let (Some(from), Some(to)) = (state.entry(from), state.entry(to)) {
            state.rename(from, to);
        }
    }

    pub(crate) fn renamed_inside(&mut self, folder: &File, from: &OsStr, to: &OsStr) {
        let Some(state) = &mut *self.0 else { return };
        if let Some(node) = state.find(Look::of(folder)) {
            state.rename((node, from.to_owned()), (node, to.to_owned()));
        }
    }

    pub(crate) fn removed(&mut self, path: &Path) {
        let Some(state) = &mut *self.0 else { return };
        if let Some(entry) = state.entry(path) {
            state.remove(entry);
        }
    }

    pub(crate) fn removed_inside(&mut self, folder: &File, name: &OsStr) {
        let Some(state) = &mut *self.0 else { return };
        if let Some(node) = state.find(Look::of(folder)) {
            state.remove((node, name.to_owned()));
        }
    }

    pub(crate) fn synced(&mut self, file: &File, point: SyncPoint) {
        let Some(state) = &mut *self.0 else { return };
        if let Some(node) = state.find(Look::of(file)) {
            state.operations.push(Operation::Synced { node, point });
        }
    }
}
