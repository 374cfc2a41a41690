//! Durable creation, replacement and removal of whole files.
//!
//! The order is always the same: write a temporary file in the same folder, set
//! its mode, sync it, rename it, sync the folder. A crash at any step leaves the
//! old file or the new one; a leftover temporary ends in `.tmp`, and readers
//! ignore such names. Sources for the order: the `fsync(2)` and `rename(2)`
//! manual pages ("calling fsync does not necessarily ensure that the entry in
//! the directory has also reached disk").

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::crash;

/// The ending of temporary files, which every reader ignores.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// The permission bits of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Readable by everyone who can reach it: 0644 for files, 0755 for folders.
    Shared,
    /// For the owner alone: 0600 for files, 0700 for folders.
    Private,
}

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

/// Replaces the file at `path` with `content`, or creates it.
///
/// Returns after content and folder entry are on disk. On an error the old file
/// is untouched.
pub fn replace(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let (temporary, folder) = write_temporary(path, content, mode)?;
    crash::point("replace-before-rename");
    temporary.persist(path).map_err(|e| e.error)?;
    crash::point("replace-before-folder-sync");
    sync_folder(folder)
}

/// Creates the file at `path` with `content`; fails if something is there.
///
/// Returns after content and folder entry are on disk. The file appears whole or
/// not at all.
pub fn create_new(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let (temporary, folder) = write_temporary(path, content, mode)?;
    temporary.persist_noclobber(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Renames `from` to `to` in the same folder and syncs the folder.
///
/// An existing `to` is replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the owner of durable renames")]
    fs::rename(from, to)?;
    sync_folder(parent(to)?)
}

/// Removes the file at `path` and syncs its folder; a missing file is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(parent(path)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Creates the folder at `path` and all missing folders above it, durably.
pub fn create_folders(path: &Path, mode: Mode) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        create_folders(above, mode)?;
    }
    match create_folder(path, mode) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Creates the folder at `path`, whose parent exists; fails if something is there.
pub fn create_folder(path: &Path, mode: Mode) -> io::Result<()> {
    fs::DirBuilder::new()
        .mode(mode.folder_bits())
        .create(path)?;
    sync_folder(parent(path)?)
}

/// Opens `path` for appending, creating it with `mode`; a link is not followed.
///
/// The creation is not synced: the caller's first durable append does it with
/// [`sync_folder`].
pub fn open_append(path: &Path, mode: Mode) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    File::options()
        .append(true)
        .create(true)
        .mode(mode.file_bits())
        .custom_flags(no_follow)
        .open(path)
}

/// Syncs the entries of the folder at `path`.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "path has no folder to put the file in",
            )
        })
}

fn write_temporary<'a>(
    path: &'a Path,
    content: &[u8],
    mode: Mode,
) -> io::Result<(tempfile::NamedTempFile, &'a Path)> {
    let folder = parent(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(TEMPORARY_SUFFIX)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary
        .as_file()
        .set_permissions(fs::Permissions::from_mode(mode.file_bits()))?;
    temporary.as_file().sync_all()?;
    Ok((temporary, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn replace_swaps_the_content_and_sets_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, b"one", Mode::Shared).unwrap();
        assert_eq!(mode_of(&path), 0o644);
        replace(&path, b"two", Mode::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode_of(&path), 0o600);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary is left"
        );
    }

    #[test]
    fn create_new_refuses_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        create_new(&path, b"one", Mode::Shared).unwrap();
        let error = create_new(&path, b"two", Mode::Shared).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn folders_are_made_with_their_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folders(&path, Mode::Private).unwrap();
        create_folders(&path, Mode::Private).unwrap();
        assert_eq!(mode_of(&folder.path().join("a")), 0o700);
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(create_folders(&folder.path().join("file/x"), Mode::Shared).is_err());
    }

    #[test]
    fn remove_tolerates_a_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        remove(&folder.path().join("missing")).unwrap();
    }
}
