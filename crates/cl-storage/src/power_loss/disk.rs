//! A model of a disk: what is on it for good, and what is only on its way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::recording::{Node, Operation};

/// What a folder holds, by name.
pub type Tree = BTreeMap<OsString, Item>;

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// A file and its content.
    File(Vec<u8>),
    /// A folder and what it holds.
    Folder(Tree),
}

/// How much of what was not synced is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    Everything,
    /// None of it.
    Nothing,
    /// Some of it, by chance from this seed: changes of names one by one and in
    /// any selection, writes also torn or as zeros.
    Chance(u64),
}

/// A disk as it is after some operations.
///
/// It is stricter than most file systems: a name is there for good only after a
/// sync of its folder, bytes only after a sync of their file, and neither brings
/// the other along. A rename within a folder is one step: both names change or none.
#[derive(Debug)]
pub struct Disk {
    nodes: BTreeMap<Node, Content>,
}

#[derive(Debug)]
enum Content {
    File {
        synced: Vec<u8>,
        pending: Vec<Write>,
    },
    Folder {
        synced: BTreeMap<OsString, Node>,
        pending: Vec<Change>,
    },
}

#[derive(Debug, Clone)]
enum Write {
    Cut { size: usize },
    Bytes { offset: usize, bytes: Vec<u8> },
}

#[derive(Debug, Clone)]
struct Change {
    removed: Option<OsString>,
    added: Option<(OsString, Node)>,
}

impl Disk {
    /// Returns a disk with one empty folder, node 0.
    pub fn new() -> Self {
        Self {
            nodes: BTreeMap::from([(0, Content::folder())]),
        }
    }

    /// Takes one operation in.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::MadeFolder { folder, name, node } => {
                self.nodes.insert(*node, Content::folder());
                self.change(*folder, None, Some((name.clone(), *node)));
            }
            Operation::MadeFile { folder, name, node } => {
                let (synced, pending) = (Vec::new(), Vec::new());
                self.nodes.insert(*node, Content::File { synced, pending });
                self.change(*folder, None, Some((name.clone(), *node)));
            }
            Operation::Wrote {
                node,
                offset,
                bytes,
            } => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                let bytes = bytes.clone();
                self.write(*node, Write::Bytes { offset, bytes });
            }
            Operation::Cut { node, size } => {
                let size = usize::try_from(*size).unwrap_or(usize::MAX);
                self.write(*node, Write::Cut { size });
            }
            Operation::Renamed { node, from, to } if from.0 == to.0 => {
                let added = Some((to.1.clone(), *node));
                self.change(from.0, Some(from.1.clone()), added);
            }
            Operation::Renamed { node, from, to } => {
                self.change(from.0, Some(from.1.clone()), None);
                self.change(to.0, None, Some((to.1.clone(), *node)));
            }
            Operation::Removed { folder, name } => self.change(*folder, Some(name.clone()), None),
            Operation::Synced { node, .. } => {
                if let Some(content) = self.nodes.get_mut(node) {
                    content.sync();
                }
            }
            Operation::Began { .. } | Operation::Acknowledged { .. } => {}
        }
    }

    /// Returns what is found after a loss of power in this moment.
    pub fn after(&self, loss: Loss) -> Tree {
        let mut chance = match loss {
            Loss::Chance(seed) => Some(Chance(seed)),
            Loss::Everything | Loss::Nothing => None,
        };
        let mut fate = || match (&mut chance, loss) {
            (Some(chance), _) => chance.fate(),
            (None, Loss::Nothing) => Fate::Kept,
            (None, _) => Fate::Lost,
        };
        self.tree(0, &mut fate)
    }

    fn tree(&self, folder: Node, fate: &mut dyn FnMut() -> Fate) -> Tree {
        let Some(Content::Folder { synced, pending }) = self.nodes.get(&folder) else {
            return Tree::new();
        };
        let mut entries = synced.clone();
        for change in pending {
            // Half a change of a name does not exist.
            if matches!(fate(), Fate::Kept | Fate::Torn(_)) {
                change.apply(&mut entries);
            }
        }
        let mut tree = Tree::new();
        for (name, node) in entries {
            let item = match self.nodes.get(&node) {
                Some(Content::File { synced, pending }) => {
                    let mut bytes = synced.clone();
                    for write in pending {
                        write.apply(&mut bytes, fate());
                    }
                    Item::File(bytes)
                }
                _ => Item::Folder(self.tree(node, fate)),
            };
            tree.insert(name, item);
        }
        tree
    }

    fn change(&mut self, folder: Node, removed: Option<OsString>, added: Option<(OsString, Node)>) {
        if let Some(Content::Folder { pending, .. }) = self.nodes.get_mut(&folder) {
            pending.push(Change { removed, added });
        }
    }

    fn write(&mut self, file: Node, write: Write) {
        if let Some(Content::File { pending, .. }) = self.nodes.get_mut(&file) {
            pending.push(write);
        }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    fn folder() -> Self {
        Self::Folder {
            synced: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    fn sync(&mut self) {
        match self {
            Self::File { synced, pending } => {
                for write in pending.drain(..) {
                    write.apply(synced, Fate::Kept);
                }
            }
            Self::Folder { synced, pending } => {
                for change in pending.drain(..) {
                    change.apply(synced);
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, entries: &mut BTreeMap<OsString, Node>) {
        if let Some(name) = &self.removed {
            entries.remove(name);
        }
        if let Some((name, node)) = &self.added {
            entries.insert(name.clone(), *node);
        }
    }
}

impl Write {
    /// Does the write as far as `fate` lets it; what it skips reads as zeros.
    fn apply(&self, content: &mut Vec<u8>, fate: Fate) {
        match (self, fate) {
            (_, Fate::Lost) => {}
            (Self::Cut { size }, _) => content.truncate(*size),
            (Self::Bytes { offset, bytes }, Fate::Kept) => put(content, *offset, bytes),
            (Self::Bytes { offset, bytes }, Fate::Torn(share)) => {
                let cut = usize::try_from(share).unwrap_or_default() % (bytes.len() + 1);
                put(content, *offset, &bytes[..cut]);
            }
            (Self::Bytes { offset, bytes }, Fate::Zeros) => {
                put(content, *offset, &vec![0; bytes.len()]);
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// What becomes of something that was not synced.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    /// Only its beginning; the number says how much.
    Torn(u64),
    /// Its room, but nothing in it.
    Zeros,
}

/// A sequence of pseudo-random numbers, `splitmix64`.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fate(&mut self) -> Fate {
        match self.next() % 6 {
            0 | 1 => Fate::Lost,
            2 | 3 => Fate::Kept,
            4 => Fate::Torn(self.next() >> 1),
            _ => Fate::Zeros,
        }
    }
}

/// Writes `tree` into the folder at `path`.
pub(super) fn write_out(tree: &Tree, path: &Path) -> io::Result<()> {
    for (name, item) in tree {
        let path = path.join(name);
        match item {
            Item::File(bytes) => fs::write(path, bytes)?,
            Item::Folder(tree) => {
                fs::create_dir(&path)?;
                write_out(tree, &path)?;
            }
        }
    }
    Ok(())
}

/// Reads what the folder at `path` holds.
pub(super) fn read_in(path: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let item = if entry.file_type()?.is_dir() {
            Item::Folder(read_in(&entry.path())?)
        } else {
            Item::File(fs::read(entry.path())?)
        };
        tree.insert(entry.file_name(), item);
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::SyncPoint;

    const FOLDER: Node = 0;
    const FILE: Node = 1;

    fn made(name: &str) -> Operation {
        let (folder, name, node) = (FOLDER, name.into(), FILE);
        Operation::MadeFile { folder, name, node }
    }

    fn wrote(offset: u64, bytes: &str) -> Operation {
        let (node, bytes) = (FILE, bytes.into());
        Operation::Wrote {
            node,
            offset,
            bytes,
        }
    }

    fn synced(node: Node) -> Operation {
        let point = SyncPoint::FileContent;
        Operation::Synced { node, point }
    }

    fn renamed(from: &str, to: &str) -> Operation {
        let (from, to) = ((FOLDER, from.into()), (FOLDER, to.into()));
        let node = FILE;
        Operation::Renamed { node, from, to }
    }

    #[track_caller]
    fn check(operations: &[Operation], loss: Loss, expected: &[(&str, &str)]) {
        let mut disk = Disk::new();
        for operation in operations {
            disk.apply(operation);
        }
        let item = |content: &str| Item::File(content.into());
        let expected: Tree = expected
            .iter()
            .map(|(name, content)| ((*name).into(), item(content)))
            .collect();
        assert_eq!(disk.after(loss), expected);
    }

    #[test]
    fn a_name_and_a_content_need_a_sync_each() {
        let all = [made("f"), wrote(0, "one"), synced(FILE), synced(FOLDER)];
        check(&all, Loss::Everything, &[("f", "one")]);
        check(&all[..3], Loss::Everything, &[]);
        check(&all[..3], Loss::Nothing, &[("f", "one")]);
        let unsynced = [made("f"), wrote(0, "one"), synced(FOLDER)];
        check(&unsynced, Loss::Everything, &[("f", "")]);
    }

    #[test]
    fn a_rename_is_lost_whole_and_brings_no_content_along() {
        let mut operations = vec![made("f.tmp"), wrote(0, "one"), synced(FOLDER)];
        operations.push(renamed("f.tmp", "f"));
        check(&operations, Loss::Everything, &[("f.tmp", "")]);
        check(&operations, Loss::Nothing, &[("f", "one")]);
        operations.push(synced(FOLDER));
        check(&operations, Loss::Everything, &[("f", "")]);
    }

    #[test]
    fn what_was_synced_stays_whatever_comes_after() {
        let begin = [made("f"), wrote(0, "one"), synced(FILE), synced(FOLDER)];
        let cut = Operation::Cut {
            node: FILE,
            size: 3,
        };
        let operations = [&begin[..], &[wrote(3, "two"), cut]].concat();
        check(&operations, Loss::Everything, &[("f", "one")]);
        let mut found = std::collections::BTreeSet::new();
        let mut disk = Disk::new();
        for operation in &operations[..5] {
            disk.apply(operation);
        }
        for seed in 0..200 {
            let Item::File(bytes) = &disk.after(Loss::Chance(seed))[&OsString::from("f")] else {
                panic!("a file");
            };
            assert!(bytes.starts_with(b"one"));
            found.insert(String::from_utf8(bytes[3..].to_vec()).unwrap());
        }
        let expected = ["", "\0\0\0", "t", "tw", "two"].map(String::from);
        assert!(found.iter().eq(&expected), "{found:?}");
    }
}
