//! Modes, owners, and renames in one step.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags};
use tempfile::{NamedTempFile, PersistError};

use super::Mode;

impl Mode {
    fn file_bits(self) -> u32 {
        match self {
            Self::Shared => 0o644,
            Self::Private => 0o600,
        }
    }

    fn folder_bits(self) -> u32 {
        match self {
            Self::Shared => 0o755,
            Self::Private => 0o700,
        }
    }
}

/// Makes a file for appending, whose mode the mask of the process may have cut.
pub(super) fn make_file(path: &Path, mode: Mode) -> io::Result<File> {
    File::options()
        .append(true)
        .create_new(true)
        .mode(mode.file_bits())
        .open(path)
}

pub(super) fn make_folder(path: &Path, mode: Mode) -> io::Result<()> {
    DirBuilder::new().mode(mode.folder_bits()).create(path)
}

pub(super) fn set_mode(file: &File, mode: Mode) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(mode.file_bits()))
}

/// Gives `file` the owner and the permissions of `like`.
pub(super) fn set_like(file: &File, like: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::fchown(file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(like.permissions())
}

/// Temporary files are for their owner alone until they have their content.
pub(super) fn make_private<'a, 'b, 'c>(
    builder: &'a mut tempfile::Builder<'b, 'c>,
) -> &'a mut tempfile::Builder<'b, 'c> {
    builder.permissions(fs::Permissions::from_mode(0o600))
}

/// Opens for appending and reading; a link is not followed.
pub(super) fn open_append(path: &Path, mode: Mode) -> io::Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(mode.file_bits())
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Opens for reading; no link is followed and no pipe waited for.
pub(super) fn open_real(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Tells whether `file` belongs to the user of this process.
pub(super) fn is_own(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.uid() == rustix::process::geteuid().as_raw())
}

/// Opens what another program wrote, to sync it.
pub(super) fn open_found(path: &Path) -> io::Result<File> {
    open_real(path)
}

/// Opens a folder, to sync it.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn cut(file: &File, size: u64) -> io::Result<()> {
    file.set_len(size)
}

pub(super) fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all_at(bytes, 0)
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    rename_with(from, to, RenameFlags::empty())
}

pub(super) fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    rename_with(from, to, RenameFlags::NOREPLACE)
}

#[expect(clippy::disallowed_methods, reason = "the owner of durable renames")]
fn rename_with(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, from, CWD, to, flags)?)
}

/// Gives a temporary file its name; open files are in nobody's way.
pub(super) fn persist(
    temporary: NamedTempFile,
    path: &Path,
    give_name: impl Fn(NamedTempFile, PathBuf) -> Result<File, PersistError>,
) -> Result<File, PersistError> {
    give_name(temporary, path.to_owned())
}
