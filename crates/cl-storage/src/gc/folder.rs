//! Folders held open, so that no link is ever followed.
//!
//! A path is only a wish: between looking and acting somebody may put a link in
//! place of a folder. Everything here works on open folders and one name inside.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use crate::crash;
use crate::durable;
use crate::folder::OpenFolder;
use crate::id::random_text;
use crate::look::Kind;

/// The beginning of the names of folders that are being deleted; no id begins so.
pub const TRASH: &str = ".gc-";

/// An open folder that was reached without following a link.
#[derive(Debug)]
pub(super) struct Folder(OpenFolder);

impl Folder {
    /// Opens the folder at `path`, whose last part is no link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenFolder::open_real(path).map(Self)
    }

    /// Opens the folder `name` in this one.
    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        self.0.child(name).map(Self)
    }

    /// Lists the names in it.
    fn names(&self) -> io::Result<Vec<(OsString, Kind)>> {
        let mut found = Vec::new();
        self.0
            .each_again(|name, kind| found.push((name.to_owned(), kind)))?;
        for (name, kind) in &mut found {
            // Some file systems do not say in a listing what an entry is.
            if *kind == Kind::Unknown {
                let look = self.0.look(name)?;
                *kind = look.ok_or(io::ErrorKind::NotFound)?.kind;
            }
        }
        Ok(found)
    }

    /// Renames the folder `name` so that readers ignore it; returns the new name.
    ///
    /// Returns after the rename is on disk. A link is refused.
    pub(super) fn set_aside(&self, name: &str) -> io::Result<OsString> {
        // Opening refuses a link; one that is put there later is renamed, not followed.
        self.child(name)?;
        let trash = format!("{TRASH}{name}-{}", random_text(8));
        let trash = OsString::from(trash);
        crash::point("gc-before-rename");
        durable::set_aside(&self.0, OsStr::new(name), &trash)?;
        Ok(trash)
    }

    /// Removes the folder `name` with all it holds; links in it are removed as links.
    ///
    /// A folder that is gone is fine. Depth does not matter: folders inside are
    /// moved up before they are emptied, so that only two are open at a time.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        let top = match self.child(name) {
            Ok(top) => top,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        top.0.make_writable();
        loop {
            let entries = top.names()?;
            if entries.is_empty() {
                break;
            }
            for (name, kind) in entries {
                crash::point("gc-removing");
                if kind == Kind::Folder {
                    top.flatten(&name)?;
                } else {
                    gone_is_fine(top.0.remove_file(&name))?;
                }
            }
        }
        // Elsewhere an open folder may be in the way of its own removal.
        drop(top);
        match durable::discard_folder_inside(&self.0, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes whatever has this name, a folder with all it holds; a link is removed as a link.
    pub(super) fn discard(&self, name: &OsStr, is_folder: bool) -> io::Result<()> {
        if is_folder {
            self.remove(name)
        } else {
            gone_is_fine(self.0.remove_file(name))
        }
    }

    /// Removes the folder `name` if nothing is in it.
    pub(super) fn discard_empty(&self, name: &OsStr) -> io::Result<()> {
        gone_is_fine(durable::discard_folder_inside(&self.0, name))
    }

    /// Removes the folder `name`; folders in it are moved here.
    fn flatten(&self, name: &OsStr) -> io::Result<()> {
        let inner = match self.child(name) {
            Ok(inner) => inner,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        inner.0.make_writable();
        for (inside, kind) in inner.names()? {
            if kind == Kind::Folder {
                // A folder can only be moved by who may write in it, and agents leave
                // read-only ones behind, such as caches of modules.
                if let Ok(folder) = inner.child(&inside) {
                    folder.0.make_writable();
                }
                let up = OsString::from(random_text(16));
                gone_is_fine(inner.0.move_out(&inside, &self.0, &up))?;
            } else {
                gone_is_fine(inner.0.remove_file(&inside))?;
            }
        }
        drop(inner);
        gone_is_fine(self.0.remove_folder(name))
    }
}

/// Two collections may remove the same folder.
fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
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
        assert!(folder.remove(OsStr::new("run")).is_err());
        assert!(Folder::open(&place.path().join("run")).is_err());
        assert!(place.path().join("run").is_symlink());
    }
}
