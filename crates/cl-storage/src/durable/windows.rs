//! No modes; renames that wait for others to close a file; folders flushed like files.
//!
//! Never run on Windows. What is known to be weaker than on Unix:
//!
//! - Nothing is made private. Whoever may read the folder may read the file.
//! - Whether flushing a folder makes its entries durable is the file system's affair;
//!   NTFS is documented to log them, FAT is not. One that refuses is an error.
//! - A folder in which anybody has a file open cannot be renamed.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::windows::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{NamedTempFile, PersistError};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
};

use super::Mode;
use crate::{lock, win32};

/// How long it is waited until nobody has a file open that is to be renamed or replaced.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn make_file(path: &Path, _mode: Mode) -> io::Result<File> {
    File::options().append(true).create_new(true).open(path)
}

pub(super) fn make_folder(path: &Path, _mode: Mode) -> io::Result<()> {
    DirBuilder::new().create(path)
}

#[expect(clippy::unnecessary_wraps, reason = "its twin on Unix may fail")]
pub(super) fn set_mode(_file: &File, _mode: Mode) -> io::Result<()> {
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "its twin on Unix may fail")]
pub(super) fn set_like(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

pub(super) fn make_private<'a, 'b, 'c>(
    builder: &'a mut tempfile::Builder<'b, 'c>,
) -> &'a mut tempfile::Builder<'b, 'c> {
    builder
}

/// Opens for appending and reading; a link is not followed.
pub(super) fn open_append(path: &Path, _mode: Mode) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    no_link(file)
}

/// Opens for reading; a link is not followed.
pub(super) fn open_real(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    no_link(file)
}

/// Tells whether `file` belongs to the user of this process.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as on other systems"
)]
pub(super) fn is_own(_file: &File) -> io::Result<bool> {
    // What is ours stands below the user's own folder, which others may not write to.
    Ok(true)
}

/// Opens what another program wrote, to sync it: only who may write may do that.
pub(super) fn open_found(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    no_link(file)
}

fn no_link(file: File) -> io::Result<File> {
    if file.metadata()?.file_type().is_symlink() {
        return Err(io::Error::other("it is a link, and links are not followed"));
    }
    Ok(file)
}

/// Opens a folder, to sync it.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
}

/// A handle for appending may not cut.
pub(super) fn cut(file: &File, size: u64) -> io::Result<()> {
    win32::reopen_to_write(file)?.set_len(size)
}

pub(super) fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    let file = win32::reopen_to_write(file)?;
    file.set_len(0)?;
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the owner of durable renames")]
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| fs::rename(from, to))
}

pub(super) fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    move_patiently(from, to)
}

/// Renames without replacing, as soon as nobody is in the way.
pub(crate) fn move_patiently(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| win32::move_without_replacing(from, to)).map_err(|error| {
        if is_in_use(&error) {
            return io::Error::new(
                error.kind(),
                format!(
                    "{error}; on Windows a folder cannot be renamed while anybody, this \
                     process included, has a file in it open"
                ),
            );
        }
        error
    })
}

/// Gives a temporary file its name, as soon as nobody is in the way.
pub(super) fn persist(
    temporary: NamedTempFile,
    path: &Path,
    give_name: impl Fn(NamedTempFile, PathBuf) -> Result<File, PersistError>,
) -> Result<File, PersistError> {
    let mut last = None;
    let mut left = Some(temporary);
    let named = lock::try_for(PATIENCE, || {
        let Some(temporary) = left.take() else {
            return Ok(None);
        };
        match give_name(temporary, path.to_owned()) {
            Err(failed) if is_in_use(&failed.error) => {
                left = Some(failed.file);
                last = Some(failed.error);
                Ok(None)
            }
            other => Ok(Some(other)),
        }
    });
    match (named, left) {
        (Ok(Some(outcome)), _) => outcome,
        (_, Some(file)) => Err(PersistError {
            error: last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()),
            file,
        }),
        // Waiting itself does not fail.
        (_, None) => unreachable!("a file that got no name was handed back"),
    }
}

/// Repeats `attempt` while a sharing violation says that somebody has the file open.
fn patiently(mut attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut last = None;
    let done = lock::try_for(PATIENCE, || match attempt() {
        Err(e) if is_in_use(&e) => {
            last = Some(e);
            Ok(None)
        }
        other => other.map(Some),
    })?;
    done.ok_or_else(|| last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
}

/// A target that is open without sharing deletion is called a lack of access.
fn is_in_use(error: &io::Error) -> bool {
    [
        ERROR_SHARING_VIOLATION,
        ERROR_LOCK_VIOLATION,
        ERROR_ACCESS_DENIED,
    ]
    .iter()
    .any(|number| win32::is(error, *number))
}
