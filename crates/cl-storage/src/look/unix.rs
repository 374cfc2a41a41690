//! `stat(2)`: device, inode and ctime.

use std::fs::{DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::{FileId, Kind, Look};

pub(super) fn of(file: &File) -> io::Result<Look> {
    Ok(of_metadata(&file.metadata()?))
}

pub(super) fn at(path: &Path) -> io::Result<Look> {
    Ok(of_metadata(&path.symlink_metadata()?))
}

pub(super) fn through(path: &Path) -> io::Result<Look> {
    Ok(of_metadata(&path.metadata()?))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "its twin on Windows must look at the file"
)]
pub(super) fn inode_of(entry: &DirEntry) -> io::Result<u64> {
    Ok(entry.ino())
}

fn of_metadata(found: &Metadata) -> Look {
    let kind = found.file_type();
    Look {
        id: FileId {
            device: found.dev(),
            inode: found.ino(),
        },
        kind: if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Other
        },
        len: found.len(),
        changed: (found.ctime(), found.ctime_nsec()),
        modified: (found.mtime(), found.mtime_nsec()),
    }
}

/// The types of the fields differ between systems; none of these is ever negative.
#[cfg_attr(
    target_os = "linux",
    expect(clippy::useless_conversion, reason = "the type differs elsewhere")
)]
pub(crate) fn of_stat(stat: &Stat) -> Look {
    Look {
        id: FileId {
            device: u64::try_from(stat.st_dev).unwrap_or_default(),
            inode: stat.st_ino,
        },
        kind: FileType::from_raw_mode(stat.st_mode).into(),
        len: u64::try_from(stat.st_size).unwrap_or_default(),
        changed: (
            stat.st_ctime,
            i64::try_from(stat.st_ctime_nsec).unwrap_or_default(),
        ),
        modified: (
            stat.st_mtime,
            i64::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        ),
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            FileType::Unknown => Self::Unknown,
            _ => Self::Other,
        }
    }
}
