//! Folders by path, each held open so that it keeps its name.
//!
//! A handle that does not share deletion keeps a folder, and every folder above it, from
//! being renamed, so a path below it cannot come to mean something else. The price: who
//! wants to rename it meanwhile has to wait. Never run on Windows.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::windows::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use crate::durable;
use crate::look::{Kind, Look, kind_of};

#[derive(Debug)]
pub(super) struct Handle {
    file: File,
    path: PathBuf,
}

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, FILE_FLAG_BACKUP_SEMANTICS)
    }

    pub(super) fn open_real(path: &Path) -> io::Result<Self> {
        Self::open_with(
            path,
            FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
        )
    }

    fn open_with(path: &Path, flags: u32) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(flags)
            .open(path)?;
        if !file.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
        Self::open_real(&self.path.join(name))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Syncing wants a handle that may write.
    pub(super) fn to_sync(&self) -> io::Result<File> {
        durable::open_folder(&self.path)
    }

    pub(super) fn each(&self, mut visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            visit(&entry.file_name(), kind_of(entry.file_type()?));
        }
        Ok(())
    }

    pub(super) fn each_again(&self, visit: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
        self.each(visit)
    }

    pub(super) fn look(&self, path: &OsStr) -> io::Result<Option<Look>> {
        match Look::at(&self.path.join(path)) {
            Ok(look) => Ok(Some(look)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(super) fn open_file(&self, path: &OsStr) -> io::Result<File> {
        durable::open_real(&self.path.join(path))
    }

    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        let path = self.path.join(name);
        // A link to a folder is removed as a folder, what it points to stays.
        if path.symlink_metadata()?.file_type().is_symlink_dir() {
            return fs::remove_dir(path);
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                forget_read_only(&path);
                fs::remove_file(path)
            }
            other => other,
        }
    }

    pub(super) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.path.join(name))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "only for what is about to be deleted, as its caller says"
    )]
    pub(super) fn move_out(&self, name: &OsStr, to: &Self, other: &OsStr) -> io::Result<()> {
        fs::rename(self.path.join(name), to.path.join(other))
    }

    pub(super) fn rename_no_replace(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        durable::move_patiently(&self.path.join(from), &self.path.join(to))
    }

    /// What is read-only here does not forbid to change what is in a folder.
    pub(super) fn make_writable(&self) {
        forget_read_only(&self.path);
    }
}

#[expect(
    clippy::permissions_set_readonly_false,
    reason = "an attribute here, and not everybody's right to write"
)]
fn forget_read_only(path: &Path) {
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    let mut permissions = meta.permissions();
    permissions.set_readonly(false);
    // Whether it had an effect shows in the removal.
    fs::set_permissions(path, permissions).unwrap_or_default();
}
