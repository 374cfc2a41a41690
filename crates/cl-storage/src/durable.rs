//! Every change below a root: whole files, appended bytes, names and folders.
//!
//! The order for a whole file is always the same: write a temporary file in the
//! same folder, set its mode, sync it, rename it, sync the folder. A crash at any
//! step leaves the old file or the new one; a leftover temporary ends in `.tmp`,
//! and readers ignore such names. Sources for the order: the `fsync(2)` and
//! `rename(2)` manual pages ("calling fsync does not necessarily ensure that the
//! entry in the directory has also reached disk").
//!
//! A folder that holds anything is on disk itself: whoever makes a folder syncs
//! its entry before putting something in, and whoever finds an empty one syncs
//! the entry again, because its maker may have died in between.
//!
//! Every sync has a [`SyncPoint`], so that tests can replay what a loss of power
//! leaves without that one sync.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::RenameFlags;

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

/// Names each place in the code that syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncPoint {
    /// The content of a whole file, before it gets its name.
    FileContent,
    /// The name of a file that replaced another.
    ReplacedEntry,
    /// The name of a file that was created.
    CreatedEntry,
    /// The new name of a file or folder.
    RenamedEntry,
    /// The absence of a removed file.
    RemovedEntry,
    /// The name of a folder that was created.
    FolderEntry,
    /// The name of an empty folder that somebody else has made.
    FoundFolderEntry,
    /// The name of a bus file, before the first record.
    BusEntry,
    /// Records on a bus.
    BusRecord,
}

impl SyncPoint {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::FileContent,
        Self::ReplacedEntry,
        Self::CreatedEntry,
        Self::RenamedEntry,
        Self::RemovedEntry,
        Self::FolderEntry,
        Self::FoundFolderEntry,
        Self::BusEntry,
        Self::BusRecord,
    ];
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
    sync_folder(folder, SyncPoint::ReplacedEntry)
}

/// Creates the file at `path` with `content`; fails if something is there.
///
/// Returns after content and folder entry are on disk. The file appears whole or
/// not at all.
pub fn create_new(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let (temporary, folder) = write_temporary(path, content, mode)?;
    temporary.persist_noclobber(path).map_err(|e| e.error)?;
    sync_folder(folder, SyncPoint::CreatedEntry)
}

/// Renames `from` to `to` in the same folder and syncs the folder.
///
/// An existing `to` is replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    rename_with(from, to, RenameFlags::empty())
}

/// Renames `from` to `to` in the same folder and syncs the folder; fails with
/// [`io::ErrorKind::AlreadyExists`] if something is at `to`.
///
/// A file system that cannot do that in one step answers with an error.
pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    rename_with(from, to, RenameFlags::NOREPLACE)
}

#[expect(clippy::disallowed_methods, reason = "the owner of durable renames")]
fn rename_with(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)?;
    sync_folder(parent(to)?, SyncPoint::RenamedEntry)
}

/// Renames `from` to `to`, both names in the open `folder`, and syncs the folder; fails
/// with [`io::ErrorKind::AlreadyExists`] if something is at `to`.
pub fn rename_inside(folder: &File, from: &CStr, to: &CStr) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the owner of durable renames")]
    rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE)?;
    crash::point("renamed-inside");
    sync_all(folder, SyncPoint::RenamedEntry)
}

/// Removes the file at `path` and syncs its folder; a missing file is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(parent(path)?, SyncPoint::RemovedEntry),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Removes the folder at `path` and everything in it; links are not followed.
///
/// The folder first gets a temporary name, durably, so that no reader ever sees
/// half of it. What a crash leaves under that name may be removed by anyone.
pub fn remove_folder_tree(path: &Path) -> io::Result<()> {
    let folder = parent(path)?;
    let aside = loop {
        let text = crate::id::random_text(8);
        let aside = folder.join(format!(".{}.{text}{TEMPORARY_SUFFIX}", file_name(path)));
        match rename_no_replace(path, &aside) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => break other.map(|()| aside)?,
        }
    };
    fs::remove_dir_all(aside)
}

/// Removes the file at `path` without syncing: a loss of power may bring it back.
///
/// For tidying up what means nothing without the files that were never written.
pub fn discard(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Removes the folder at `path`, which must be empty, without syncing.
///
/// See [`discard`].
pub fn discard_folder(path: &Path) -> io::Result<()> {
    fs::remove_dir(path)
}

/// Creates the folder at `path` and all missing folders above it, durably.
///
/// One that is there already may have been made by a process that died before
/// its sync; it is synced again as long as it is empty.
pub fn create_folders(path: &Path, mode: Mode) -> io::Result<()> {
    if path.is_dir() {
        return sync_found_folder(path);
    }
    if let Some(above) = path.parent() {
        create_folders(above, mode)?;
    }
    match create_folder(path, mode) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            sync_found_folder(path)
        }
        other => other,
    }
}

/// Creates the folder at `path`, whose parent exists; fails if something is there.
pub fn create_folder(path: &Path, mode: Mode) -> io::Result<()> {
    fs::DirBuilder::new()
        .mode(mode.folder_bits())
        .create(path)?;
    sync_folder(parent(path)?, SyncPoint::FolderEntry)
}

/// Syncs the entry of a folder that somebody else made, unless something in it
/// proves that this was done.
fn sync_found_folder(path: &Path) -> io::Result<()> {
    let is_used = fs::read_dir(path)?.next().is_some();
    match parent(path) {
        Ok(folder) if !is_used => match sync_folder(folder, SyncPoint::FoundFolderEntry) {
            // Where we may not look we have made nothing.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            other => other,
        },
        _ => Ok(()),
    }
}

/// Opens `path` for appending and reading, creating it with `mode`; a link is not followed.
///
/// The creation is not synced: the caller's first durable append does it with
/// [`sync_folder`].
pub fn open_append(path: &Path, mode: Mode) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(mode.file_bits())
        .custom_flags(no_follow)
        .open(path)
}

/// Appends `bytes` to `file`, which was opened by [`open_append`].
///
/// One write, and further ones only for what the system did not take. Not
/// synced: that is [`sync_data`]. After an error some of the bytes may be there.
pub fn append(file: &File, bytes: &[u8]) -> io::Result<()> {
    let mut file = file;
    let mut left = bytes;
    while !left.is_empty() {
        match file.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => left = &left[written..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Cuts `file` back to `size`, after an append by the holder of its lock failed.
///
/// Not synced: what is taken back was acknowledged to nobody.
pub fn take_back(file: &File, size: u64) -> io::Result<()> {
    file.set_len(size)
}

/// Replaces the content of `file` in place, without syncing.
///
/// For what means nothing once the machine has stopped, in files that must keep
/// their inode because it carries a lock.
pub fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all_at(bytes, 0)
}

/// Syncs the data of `file`, and its length.
#[expect(clippy::disallowed_methods, reason = "the owner of syncs")]
pub fn sync_data(file: &File, _point: SyncPoint) -> io::Result<()> {
    file.sync_data()
}

/// Syncs `file` with its mode.
#[expect(clippy::disallowed_methods, reason = "the owner of syncs")]
fn sync_all(file: &File, _point: SyncPoint) -> io::Result<()> {
    file.sync_all()
}

/// Syncs the entries of the folder at `path`; the empty path is the current folder.
pub fn sync_folder(path: &Path, point: SyncPoint) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    sync_all(&File::open(path)?, point)
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
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{}.", file_name(path)))
        .suffix(TEMPORARY_SUFFIX)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    append(temporary.as_file(), content)?;
    temporary
        .as_file()
        .set_permissions(fs::Permissions::from_mode(mode.file_bits()))?;
    sync_all(temporary.as_file(), SyncPoint::FileContent)?;
    Ok((temporary, folder))
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
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
    fn a_name_that_is_taken_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        let error = rename_no_replace(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"old");
        rename(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
        rename_no_replace(&to, &from).unwrap();
        assert!(from.exists() && !to.exists());
    }

    #[test]
    fn a_tree_is_removed_and_what_its_links_name_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, outside) = (folder.path().join("tree"), folder.path().join("outside"));
        create_folders(&tree.join("a/b"), Mode::Shared).unwrap();
        fs::write(tree.join("a/b/f"), "x").unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("f"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("a/link")).unwrap();
        remove_folder_tree(&tree).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(outside.join("f").exists());
        let error = remove_folder_tree(&tree).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn bytes_are_appended_whole_or_replaced_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = open_append(&path, Mode::Private).unwrap();
        append(&file, b"one ").unwrap();
        append(&open_append(&path, Mode::Private).unwrap(), b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one two");
        overwrite(&File::options().write(true).open(&path).unwrap(), b"3").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"3");
        assert_eq!(mode_of(&path), 0o600);
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
