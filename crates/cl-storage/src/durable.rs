//! Every change below a root: whole files, appended bytes, names and folders.
//!
//! The order for a whole file is always the same: write a temporary file in the same folder, set
//! its mode, sync it, rename it, sync the folder. A crash at any step leaves the old file or the
//! new one; a leftover temporary ends in `.tmp`, and readers ignore such names. Sources for the
//! order: the `fsync(2)` and `rename(2)` manual pages ("calling fsync does not necessarily ensure
//! that the entry in the directory has also reached disk").
//!
//! A folder that holds anything is on disk itself: whoever makes a folder syncs its entry before
//! putting something in, and whoever finds an empty one syncs the entry again, because its maker
//! may have died in between.
//!
//! Every sync has a [`SyncPoint`], so that tests can replay what a loss of power leaves without
//! that one sync.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::borrow::Borrow as _;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::crash;
use crate::fault::{self, Target};
use crate::folder::OpenFolder;
use crate::power_loss::Turn;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;
#[cfg(windows)]
pub(crate) use windows::{move_patiently, open_folder};

/// The ending of temporary files, which every reader ignores.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Who may read a file or folder.
///
/// On Windows nothing is set: whoever may read the folder that holds it may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Readable by everyone who can reach it: 0644 for files, 0755 for folders.
    Shared,
    /// For the owner alone: 0600 for files, 0700 for folders.
    Private,
}

/// Names each place in the code that syncs.
///
/// A place that is added gets a point of its own: tests leave out one at a time,
/// and a point that is used twice could hide that one of the two is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncPoint {
    /// The content of a whole file, before it gets its name.
    FileContent,
    /// The name of a file that replaced another.
    ReplacedEntry,
    /// The names of files that were put into a folder together.
    SettledEntries,
    /// The content of the first file of a folder that is being prepared.
    FirstContent,
    /// The name of that file.
    FirstEntry,
    /// The name of a file that was created.
    CreatedEntry,
    /// The content of a file that another program wrote.
    FoundContent,
    /// The name of a file that another program wrote.
    FoundEntry,
    /// The new name of a file or folder.
    RenamedEntry,
    /// The name of a folder that is about to be deleted.
    SetAsideEntry,
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
    /// The messages of a bus, copied to a new file.
    BusCopy,
    /// The name of a logbook's file, before the first line.
    LogEntry,
    /// Lines of a logbook.
    LogLine,
}

impl SyncPoint {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::FileContent,
        Self::ReplacedEntry,
        Self::SettledEntries,
        Self::FirstContent,
        Self::FirstEntry,
        Self::CreatedEntry,
        Self::FoundContent,
        Self::FoundEntry,
        Self::RenamedEntry,
        Self::SetAsideEntry,
        Self::RemovedEntry,
        Self::FolderEntry,
        Self::FoundFolderEntry,
        Self::BusEntry,
        Self::BusRecord,
        Self::BusCopy,
        Self::LogEntry,
        Self::LogLine,
    ];
}

/// Replaces the file at `path` with `content`, or creates it.
///
/// Returns after content and folder entry are on disk. After an error the old file
/// is untouched, unless only the last sync failed: then the new one is there, and a
/// loss of power may bring the old one back.
pub fn replace(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let (temporary, folder) = write_temporary(path, content, mode)?;
    finish_replacing(temporary, path, folder)
}

/// Replaces the file at `path` as [`replace`] does, with what `write` appends: for contents
/// too large to be held in memory.
///
/// An error of `write` leaves the old file.
pub fn replace_with(
    path: &Path,
    mode: Mode,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let (temporary, folder) = write_temporary_like(path, mode, None, |file| {
        let mut appending = io::BufWriter::with_capacity(1 << 20, Appending(file));
        write(&mut appending)?;
        io::Write::flush(&mut appending)
    })?;
    finish_replacing(temporary, path, folder)
}

/// Writes as [`append`] does.
struct Appending<'a>(&'a File);

impl io::Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        append(self.0, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces a file of the user's own, as [`replace`] does; it need not be below a root.
///
/// What a link points to is replaced and not the link, and the file keeps its
/// permissions and its owner; a new one gets `mode`.
pub fn replace_in_place(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        // A link may point to a file that is still to be made.
        Err(e) if e.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => parent(path)?.join(target),
            Err(_) => path.to_owned(),
        },
        Err(e) => return Err(e),
    };
    let like = match fs::metadata(&real) {
        Ok(meta) => Some(meta),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let (temporary, folder) =
        write_temporary_like(&real, mode, like.as_ref(), |file| append(file, content))?;
    finish_replacing(temporary, &real, folder)
}

fn finish_replacing(
    temporary: tempfile::NamedTempFile,
    path: &Path,
    folder: &Path,
) -> io::Result<()> {
    crash::point("replace-before-rename");
    persist(temporary, path, tempfile::NamedTempFile::persist)?;
    crash::point("replace-before-folder-sync");
    sync_folder(folder, SyncPoint::ReplacedEntry)
}

/// Replaces the file at `path` as [`replace`] does, but for the sync of its folder:
/// a loss of power may bring the old file back, whole.
///
/// For news that mean nothing once the machine has stopped, and for several files of a
/// folder that is [settled](settle) before anybody is told of them.
pub fn replace_for_now(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let (temporary, _) = write_temporary(path, content, mode)?;
    crash::point("replace-before-rename");
    persist(temporary, path, tempfile::NamedTempFile::persist)
}

/// How a whole file is put in its place: [`replace`] or [`replace_for_now`].
pub type Replace = fn(&Path, &[u8], Mode) -> io::Result<()>;

/// Makes everything survive a loss of power that was put into `folder` by
/// [`replace_for_now`], made in it by [`create_folder_for_now`] or [discarded](discard) from it.
///
/// Until then a loss of power leaves any part of it, each file whole.
pub fn settle(folder: &Path) -> io::Result<()> {
    sync_folder(folder, SyncPoint::SettledEntries)
}

/// Creates the file at `path` with `content`; fails if something is there.
///
/// Returns after content and folder entry are on disk. The file appears whole or
/// not at all; it is there after an error, too, if only the last sync failed.
pub fn create_new(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let (temporary, folder) = write_temporary(path, content, mode)?;
    persist(temporary, path, tempfile::NamedTempFile::persist_noclobber)?;
    sync_folder(folder, SyncPoint::CreatedEntry)
}

/// Creates an empty file at `path`; one that is there already is fine.
///
/// Returns after the folder entry is on disk, also if it is that of somebody who
/// did not sync.
pub fn create_if_missing(path: &Path, mode: Mode) -> io::Result<()> {
    match create_new(path, b"", mode) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => keep(path),
        other => other,
    }
}

/// Makes a file that another program wrote survive a loss of power.
///
/// A link is an error.
pub fn keep(path: &Path) -> io::Result<()> {
    let file = system::open_found(path)?;
    sync_all(&file, SyncPoint::FoundContent)?;
    sync_folder(parent(path)?, SyncPoint::FoundEntry)
}

/// Renames `from` to `to` in the same folder and syncs the folder.
///
/// An existing `to` is replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    rename_with(from, to, system::rename)
}

/// Renames `from` to `to` in the same folder and syncs the folder; fails with
/// [`io::ErrorKind::AlreadyExists`] if something is at `to`.
///
/// A file system that cannot do that in one step answers with an error.
pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    rename_with(from, to, system::rename_no_replace)
}

fn rename_with(
    from: &Path,
    to: &Path,
    change: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    change_name(from, to, change)?;
    sync_folder(parent(to)?, SyncPoint::RenamedEntry)
}

fn change_name(
    from: &Path,
    to: &Path,
    change: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut turn = Turn::take();
    fault::pass("rename", Target::Path(from))?;
    change(from, to)?;
    turn.renamed(from, to);
    Ok(())
}

/// Gives the folder `from` the name `to`, under which it is about to be deleted; both
/// names are in the open `folder`. Syncs the folder; fails with
/// [`io::ErrorKind::AlreadyExists`] if something is at `to`.
pub fn set_aside(folder: &OpenFolder, from: &OsStr, to: &OsStr) -> io::Result<()> {
    change_name_inside(folder, from, to)?;
    crash::point("renamed-inside");
    sync_all(folder.to_sync()?.borrow(), SyncPoint::SetAsideEntry)
}

fn change_name_inside(folder: &OpenFolder, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let mut turn = Turn::take();
    folder.rename_no_replace(from, to)?;
    turn.renamed_inside(folder.file(), from, to);
    Ok(())
}

/// Removes the empty folder `name` in the open `folder`, without syncing.
///
/// For what was [set aside](set_aside) and emptied.
pub fn discard_folder_inside(folder: &OpenFolder, name: &OsStr) -> io::Result<()> {
    let mut turn = Turn::take();
    folder.remove_folder(name)?;
    turn.removed_inside(folder.file(), name);
    Ok(())
}

/// Removes the file at `path` and syncs its folder; a missing file is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    match discard(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        // Whoever removed it may have died before the sync.
        _ => {}
    }
    match sync_folder(parent(path)?, SyncPoint::RemovedEntry) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the file at `path` without syncing: a loss of power may bring it back.
///
/// For tidying up what means nothing without the files that were never written.
pub fn discard(path: &Path) -> io::Result<()> {
    let mut turn = Turn::take();
    fault::pass("remove", Target::Path(path))?;
    fs::remove_file(path)?;
    turn.removed(path);
    Ok(())
}

/// Removes the folder at `path`, which must be empty, without syncing.
///
/// See [`discard`].
pub fn discard_folder(path: &Path) -> io::Result<()> {
    let mut turn = Turn::take();
    fs::remove_dir(path)?;
    turn.removed(path);
    Ok(())
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
    make_folder(path, mode)?;
    sync_folder(parent(path)?, SyncPoint::FolderEntry)
}

/// Creates the folder at `path` as [`create_folder`] does, but for the sync: the caller
/// [settles](settle) the folder around it before putting anything in.
pub fn create_folder_for_now(path: &Path, mode: Mode) -> io::Result<()> {
    make_folder(path, mode)
}

/// Makes the folder `path` ready for its name: with one file, `name`, that holds `content`.
///
/// Returns after the file is on disk; the folder is as soon as it has been renamed
/// durably. It must not be there, and nobody else may use `path` meanwhile. Doing
/// everything before the first sync spares the file system two of its commits.
pub fn prepare_folder(path: &Path, name: &str, content: &[u8], mode: Mode) -> io::Result<()> {
    make_folder(path, mode)?;
    let file = make_file(&path.join(name), mode)?;
    append(&file, content)?;
    sync_all(&file, SyncPoint::FirstContent)?;
    sync_folder(path, SyncPoint::FirstEntry)
}

fn make_file(path: &Path, mode: Mode) -> io::Result<File> {
    let mut turn = Turn::take();
    let file = system::make_file(path, mode)?;
    turn.made_file(path, &file);
    system::set_mode(&file, mode)?;
    Ok(file)
}

fn make_folder(path: &Path, mode: Mode) -> io::Result<()> {
    let mut turn = Turn::take();
    fault::pass("create", Target::Path(path))?;
    system::make_folder(path, mode)?;
    turn.made_folder(path);
    Ok(())
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
    let mut turn = Turn::take();
    fault::pass("open", Target::Path(path))?;
    let file = system::open_append(path, mode)?;
    turn.made_file(path, &file);
    Ok(file)
}

/// Opens what is at `path` for reading; a link is not followed, and no writer of a pipe
/// is waited for.
pub fn open_real(path: &Path) -> io::Result<File> {
    system::open_real(path)
}

/// Tells whether `file` belongs to the user of this process.
pub fn is_own(file: &File) -> io::Result<bool> {
    system::is_own(file)
}

/// Appends `bytes` to `file`, which was opened by [`open_append`].
///
/// One write, and further ones only for what the system did not take. Not
/// synced: that is [`sync_data`]. After an error some of the bytes may be there.
pub fn append(file: &File, bytes: &[u8]) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        match append_once(file, left) {
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
    let mut turn = Turn::take();
    fault::pass("cut", Target::File(file))?;
    system::cut(file, size)?;
    turn.cut(file, size);
    Ok(())
}

fn append_once(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let mut turn = Turn::take();
    let bytes = fault::pass_append(file, bytes)?;
    let written = file.write(bytes)?;
    turn.appended(file, &bytes[..written]);
    Ok(written)
}

/// Replaces the content of `file` in place, without syncing.
///
/// For what means nothing once the machine has stopped, in files that must keep
/// their inode because it carries a lock.
pub fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    let mut turn = Turn::take();
    system::overwrite(file, bytes)?;
    turn.cut(file, 0);
    turn.wrote(file, 0, bytes);
    Ok(())
}

/// Syncs the data of `file`, and its length.
#[expect(clippy::disallowed_methods, reason = "the owner of syncs")]
pub fn sync_data(file: &File, point: SyncPoint) -> io::Result<()> {
    let mut turn = Turn::take();
    fault::pass_sync(point, file)?;
    file.sync_data()?;
    turn.synced(file, point);
    Ok(())
}

/// Syncs `file` with its mode.
#[expect(clippy::disallowed_methods, reason = "the owner of syncs")]
fn sync_all(file: &File, point: SyncPoint) -> io::Result<()> {
    let mut turn = Turn::take();
    fault::pass_sync(point, file)?;
    file.sync_all()?;
    turn.synced(file, point);
    Ok(())
}

/// Syncs the entries of the folder at `path`; the empty path is the current folder.
pub fn sync_folder(path: &Path, point: SyncPoint) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    sync_all(&system::open_folder(path)?, point)
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
    write_temporary_like(path, mode, None, |file| append(file, content))
}

/// Writes a temporary file with the owner and the permissions of `like`, if there is one.
fn write_temporary_like<'a>(
    path: &'a Path,
    mode: Mode,
    like: Option<&fs::Metadata>,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<(tempfile::NamedTempFile, &'a Path)> {
    let folder = parent(path)?;
    let temporary = make_temporary(folder, &file_name(path))?;
    let file = temporary.as_file();
    write(file)?;
    match like {
        Some(like) => system::set_like(file, like)?,
        None => system::set_mode(file, mode)?,
    }
    sync_all(temporary.as_file(), SyncPoint::FileContent)?;
    Ok((temporary, folder))
}

fn make_temporary(folder: &Path, name: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut turn = Turn::take();
    fault::pass("create", Target::Path(&folder.join(name)))?;
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX);
    let temporary = system::make_private(&mut builder).tempfile_in(folder)?;
    turn.made_file(temporary.path(), temporary.as_file());
    Ok(temporary)
}

/// Gives a temporary file its name; on an error it is removed.
fn persist(
    temporary: tempfile::NamedTempFile,
    path: &Path,
    give_name: impl Fn(tempfile::NamedTempFile, PathBuf) -> Result<File, tempfile::PersistError>,
) -> io::Result<()> {
    let mut turn = Turn::take();
    let from = temporary.path().to_owned();
    let allowed = fault::pass("rename", Target::Path(path));
    let named = match allowed {
        Ok(()) => system::persist(temporary, path, give_name),
        Err(error) => Err(tempfile::PersistError {
            error,
            file: temporary,
        }),
    };
    match named {
        Ok(_) => {
            turn.renamed(&from, path);
            Ok(())
        }
        Err(tempfile::PersistError { error, file }) => {
            drop(file);
            turn.removed(&from);
            Err(error)
        }
    }
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
    fn a_users_file_keeps_its_link_and_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::create_dir(folder.path().join("dotfiles")).unwrap();
        std::os::unix::fs::symlink("dotfiles/rc", &link).unwrap();
        replace_in_place(&link, b"one", Mode::Shared).unwrap();
        let real = folder.path().join("dotfiles/rc");
        assert_eq!(mode_of(&real), 0o644);
        fs::set_permissions(&real, fs::Permissions::from_mode(0o750)).unwrap();
        replace_in_place(&link, b"two", Mode::Shared).unwrap();
        assert!(link.is_symlink());
        assert_eq!(
            (fs::read(&real).unwrap(), mode_of(&real)),
            (b"two".to_vec(), 0o750)
        );
        replace_in_place(&file, b"new", Mode::Private).unwrap();
        assert_eq!(mode_of(&file), 0o600);
        assert!(replace_in_place(folder.path(), b"x", Mode::Shared).is_err());
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
        remove(&folder.path().join("missing/f")).unwrap();
    }
}
