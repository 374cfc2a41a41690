//! Folders by descriptor: the `…at` calls.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::look::{self, Kind, Look};

const FOLLOWING: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
const REAL: OFlags = FOLLOWING.union(OFlags::NOFOLLOW);

#[derive(Debug)]
pub(super) struct Handle(File);

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::of(rustix::fs::open(path, FOLLOWING, Mode::empty()))
    }

    pub(super) fn open_real(path: &Path) -> io::Result<Self> {
        Self::of(rustix::fs::open(path, REAL, Mode::empty()))
    }

    pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
        Self::of(openat(&self.0, name, REAL, Mode::empty()))
    }

    fn of(opened: rustix::io::Result<OwnedFd>) -> io::Result<Self> {
        Ok(Self(opened?.into()))
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "its twin on Windows opens it once more"
    )]
    pub(super) fn to_sync(&self) -> io::Result<&File> {
        Ok(&self.0)
    }

    pub(super) fn each(&self, visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
        visit_all(Dir::new(self.0.try_clone()?)?, visit)
    }

    pub(super) fn each_again(&self, visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
        visit_all(Dir::read_from(&self.0)?, visit)
    }

    pub(super) fn look(&self, path: &OsStr) -> io::Result<Option<Look>> {
        match statat(&self.0, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(look::of_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub(super) fn open_file(&self, path: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&self.0, path, flags, Mode::empty())?.into())
    }

    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub(super) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn move_out(&self, name: &OsStr, to: &Self, other: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, name, &to.0, other)?)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "durable calls this, and syncs the folder"
    )]
    pub(super) fn rename_no_replace(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(
            &self.0,
            from,
            &self.0,
            to,
            RenameFlags::NOREPLACE,
        )?)
    }

    pub(super) fn make_writable(&self) {
        // Whether it had an effect shows in the removal.
        rustix::fs::fchmod(&self.0, Mode::RWXU).unwrap_or_default();
    }
}

fn visit_all(folder: Dir, mut visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
    for entry in folder {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            visit(OsStr::from_bytes(name.to_bytes()), entry.file_type().into());
        }
    }
    Ok(())
}
