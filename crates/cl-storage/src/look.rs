//! What one look at a file tells: which file it is, and whether it has changed since.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::{DirEntry, File};
use std::io;
use std::path::Path;

#[cfg(unix)]
use unix as system;
#[cfg(unix)]
pub(crate) use unix::of_stat;
#[cfg(windows)]
use windows as system;
#[cfg(windows)]
pub(crate) use windows::kind_of;

/// What tells one file or folder from another, whatever their paths.
///
/// Used again for another one after a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Number of the device; of the volume on Windows.
    pub device: u64,
    /// Number of the file on it: the inode; the file index on Windows.
    pub inode: u64,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; on Windows also a junction and its like.
    Link,
    /// Something else, such as a pipe.
    Other,
    /// The file system did not say.
    Unknown,
}

/// What was found by one look at a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Which one it is.
    pub id: FileId,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub len: u64,
    /// When content, mode or names of it changed, which no program can set: seconds
    /// since 1970, and nanoseconds.
    pub changed: (i64, i64),
    /// When its content changed: seconds since 1970, and nanoseconds.
    pub modified: (i64, i64),
}

impl Look {
    /// Looks at an open file or folder.
    pub fn of(file: &File) -> io::Result<Self> {
        system::of(file)
    }

    /// Looks at what `path` names; a link is not followed.
    pub fn at(path: &Path) -> io::Result<Self> {
        system::at(path)
    }

    /// Looks at what `path` leads to; links are followed.
    pub fn through(path: &Path) -> io::Result<Self> {
        system::through(path)
    }

    /// Returns the inode of what was listed, where possible without looking at it.
    pub fn inode_of(entry: &DirEntry) -> io::Result<u64> {
        system::inode_of(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_way_and_not_after_it_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let file = File::open(&path).unwrap();
        let look = Look::of(&file).unwrap();
        assert_eq!((look.kind, look.len), (Kind::File, 3));
        assert_eq!(look, Look::at(&path).unwrap());
        assert_eq!(look, Look::through(&path).unwrap());
        let entry = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
        assert_eq!(Look::inode_of(&entry.unwrap()).unwrap(), look.id.inode);
        crate::durable::replace(&path, b"two", crate::durable::Mode::Shared).unwrap();
        assert_ne!(Look::at(&path).unwrap().id, look.id);
        assert_eq!(Look::at(folder.path()).unwrap().kind, Kind::Folder);
        let missing = Look::at(&folder.path().join("g")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
