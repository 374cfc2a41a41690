//! A folder held open: what is in it is reached by one name, not by a path.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::look::{Kind, Look};
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// An open folder.
///
/// What happens to its name meanwhile does not matter: on Unix everything goes
/// through the open folder; on Windows nobody can rename it while it is open.
#[derive(Debug)]
pub struct OpenFolder(system::Handle);

impl OpenFolder {
    /// Opens the folder at `path`, links followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        system::Handle::open(path).map(Self)
    }

    /// Opens the folder at `path`, whose last part is no link.
    pub fn open_real(path: &Path) -> io::Result<Self> {
        system::Handle::open_real(path).map(Self)
    }

    /// Opens the folder `name` in this one, which is no link.
    pub fn child(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        self.0.child(name.as_ref()).map(Self)
    }

    /// Returns the folder as the system has it open.
    pub fn file(&self) -> &File {
        self.0.file()
    }

    /// Returns it as it can be synced.
    pub(crate) fn to_sync(&self) -> io::Result<impl Borrow<File>> {
        self.0.to_sync()
    }

    /// Calls `visit` with the name and the kind of everything in it; at the most once
    /// for one opening.
    pub(crate) fn each(&self, visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
        self.0.each(visit)
    }

    /// Calls `visit` as [`each`](Self::each) does, from the first name, as often as wanted.
    pub(crate) fn each_again(&self, visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
        self.0.each_again(visit)
    }

    /// Looks at `path` below it, whose last part is not followed if it is a link;
    /// `None` if there is nothing.
    pub(crate) fn look(&self, path: &OsStr) -> io::Result<Option<Look>> {
        self.0.look(path)
    }

    /// Opens the file at `path` below it for reading, unless its last part is a link.
    /// Waits for no writer of a pipe.
    pub(crate) fn open_file(&self, path: &OsStr) -> io::Result<File> {
        self.0.open_file(path)
    }

    /// Removes the file or link `name`.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        self.0.remove_file(name)
    }

    /// Removes the empty folder `name`.
    pub(crate) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        self.0.remove_folder(name)
    }

    /// Moves `name` to the folder `to`, under another name.
    ///
    /// Not durable: only for what is about to be deleted.
    pub(crate) fn move_out(&self, name: &OsStr, to: &Self, other: &OsStr) -> io::Result<()> {
        self.0.move_out(name, &to.0, other)
    }

    /// Renames `from` in it to `to`; fails with [`io::ErrorKind::AlreadyExists`] if
    /// something has that name.
    ///
    /// Only for [`crate::durable`], which syncs.
    pub(crate) fn rename_no_replace(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.0.rename_no_replace(from, to)
    }

    /// Lets its owner change what is in it, if possible.
    pub(crate) fn make_writable(&self) {
        self.0.make_writable();
    }
}
