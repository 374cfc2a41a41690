//! Folders held open, so that no link is ever followed.
//!
//! A path is only a wish: between looking and acting somebody may put a link in
//! place of a folder. Everything here works on open folders and one name inside.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::crash;
use crate::durable;
use crate::id::random_text;

/// The beginning of the names of folders that are being deleted; no id begins so.
pub const TRASH: &str = ".gc-";

/// An open folder that was reached without following a link.
#[derive(Debug)]
pub(super) struct Folder(File);

impl Folder {
    /// Opens the folder at `path`, whose last part is no link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let folder = openat(rustix::fs::CWD, path, flags(), Mode::empty())?;
        Ok(Self(folder.into()))
    }

    /// Opens the folder `name` in this one.
    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = c_name(name.as_ref())?;
        let folder = openat(&self.0, &name, flags(), Mode::empty())?;
        Ok(Self(folder.into()))
    }

    /// Lists the names in it.
    fn names(&self) -> io::Result<Vec<(CString, FileType)>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                found.push((name.to_owned(), self.kind(name, entry.file_type())?));
            }
        }
        Ok(found)
    }

    /// Some file systems do not say in a listing what an entry is.
    fn kind(&self, name: &CStr, listed: FileType) -> io::Result<FileType> {
        if listed != FileType::Unknown {
            return Ok(listed);
        }
        let stat = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    /// Renames the folder `name` so that readers ignore it; returns the new name.
    ///
    /// Returns after the rename is on disk. A link is refused.
    pub(super) fn set_aside(&self, name: &str) -> io::Result<CString> {
        // Opening refuses a link; one that is put there later is renamed, not followed.
        self.child(name)?;
        let trash = format!("{TRASH}{name}-{}", random_text(8));
        let trash = c_name(OsStr::new(&trash))?;
        crash::point("gc-before-rename");
        durable::set_aside(&self.0, &c_name(OsStr::new(name))?, &trash)?;
        Ok(trash)
    }

    /// Removes the folder `name` with all it holds; links in it are removed as links.
    ///
    /// A folder that is gone is fine. Depth does not matter: folders inside are
    /// moved up before they are emptied, so that only two are open at a time.
    pub(super) fn remove(&self, name: &CStr) -> io::Result<()> {
        let top = match openat(&self.0, name, flags(), Mode::empty()) {
            Ok(top) => Self(top.into()),
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        top.make_writable();
        loop {
            let entries = top.names()?;
            if entries.is_empty() {
                break;
            }
            for (name, kind) in entries {
                crash::point("gc-removing");
                if kind == FileType::Directory {
                    top.flatten(&name)?;
                } else {
                    gone_is_fine(unlinkat(&top.0, &name, AtFlags::empty()))?;
                }
            }
        }
        match durable::discard_folder_inside(&self.0, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes the folder `name`; folders in it are moved here.
    fn flatten(&self, name: &CStr) -> io::Result<()> {
        let inner = match openat(&self.0, name, flags(), Mode::empty()) {
            Ok(inner) => Self(inner.into()),
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        inner.make_writable();
        for (inside, kind) in inner.names()? {
            if kind == FileType::Directory {
                // A folder can only be moved by who may write in it.
                if let Ok(folder) = openat(&inner.0, &inside, flags(), Mode::empty()) {
                    Self(folder.into()).make_writable();
                }
                let up = c_name(OsStr::new(&random_text(16)))?;
                gone_is_fine(renameat(&inner.0, &inside, &self.0, &up))?;
            } else {
                gone_is_fine(unlinkat(&inner.0, &inside, AtFlags::empty()))?;
            }
        }
        gone_is_fine(unlinkat(&self.0, name, AtFlags::REMOVEDIR))
    }

    /// Agents leave read-only folders behind, such as caches of modules.
    fn make_writable(&self) {
        // Whether it had an effect shows in the removal.
        rustix::fs::fchmod(&self.0, Mode::RWXU).unwrap_or_default();
    }
}

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(io::Error::other)
}

/// Two collections may remove the same folder.
fn gone_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_deep_tree_with_links_is_removed_and_what_they_point_to_is_not() {
        let place = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("sentinel"), "x").unwrap();
        let mut deep = place.path().join("run");
        for _ in 0..600 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        symlink(outside.path(), place.path().join("run/folder")).unwrap();
        symlink(outside.path().join("sentinel"), deep.join("file")).unwrap();
        let sealed = place.path().join("run/sealed/inner");
        fs::create_dir_all(&sealed).unwrap();
        fs::write(sealed.join("file"), "x").unwrap();
        fs::set_permissions(&sealed, fs::Permissions::from_mode(0o555)).unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let trash = folder.set_aside("run").unwrap();
        assert!(trash.to_str().unwrap().starts_with(".gc-run-"));
        folder.remove(&trash).unwrap();
        folder.remove(&trash).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(outside.path().join("sentinel").exists());
    }

    #[test]
    fn a_link_is_neither_opened_nor_set_aside() {
        let place = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), place.path().join("run")).unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert!(folder.child("run").is_err());
        assert!(folder.set_aside("run").is_err());
        assert!(folder.remove(c"run").is_err());
        assert!(Folder::open(&place.path().join("run")).is_err());
        assert!(place.path().join("run").is_symlink());
    }
}
