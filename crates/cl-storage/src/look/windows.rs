//! Volume and file index in the place of device and inode; the change time of NTFS.
//!
//! Never run on Windows. File systems without a stable index, such as FAT, may give one
//! file two of them.

use std::fs::{DirEntry, File, FileType};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES,
};

use super::{FileId, Kind, Look};
use crate::win32;

/// Tenths of a microsecond between 1601 and 1970.
const TICKS_TO_1970: i64 = 116_444_736_000_000_000;
const TICKS_PER_SECOND: i64 = 10_000_000;

pub(super) fn of(file: &File) -> io::Result<Look> {
    let (found, changed) = win32::information(file)?;
    let join = |high: u32, low: u32| (u64::from(high) << 32) | u64::from(low);
    let modified = i64::try_from(win32::ticks(found.ftLastWriteTime)).unwrap_or_default();
    Ok(Look {
        id: FileId {
            device: u64::from(found.dwVolumeSerialNumber),
            inode: join(found.nFileIndexHigh, found.nFileIndexLow),
        },
        kind: kind_of(file.metadata()?.file_type()),
        len: join(found.nFileSizeHigh, found.nFileSizeLow),
        changed: since_1970(changed),
        modified: since_1970(modified),
    })
}

pub(super) fn at(path: &Path) -> io::Result<Look> {
    look_with(
        path,
        FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
    )
}

pub(super) fn through(path: &Path) -> io::Result<Look> {
    look_with(path, FILE_FLAG_BACKUP_SEMANTICS)
}

pub(super) fn inode_of(entry: &DirEntry) -> io::Result<u64> {
    Ok(at(&entry.path())?.id.inode)
}

/// Opens nothing but the attributes, which no other handle can forbid.
fn look_with(path: &Path, flags: u32) -> io::Result<Look> {
    let file = File::options()
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(flags)
        .open(path)?;
    of(&file)
}

fn since_1970(ticks: i64) -> (i64, i64) {
    let ticks = ticks - TICKS_TO_1970;
    let (seconds, rest) = (
        ticks.div_euclid(TICKS_PER_SECOND),
        ticks.rem_euclid(TICKS_PER_SECOND),
    );
    (seconds, rest * 100)
}

pub(crate) fn kind_of(kind: FileType) -> Kind {
    if kind.is_symlink() {
        Kind::Link
    } else if kind.is_dir() {
        Kind::Folder
    } else if kind.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}
