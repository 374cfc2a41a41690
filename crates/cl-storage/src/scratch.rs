//! A folder for a short time, outside of every root.

use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{self, Mode};

/// A folder for its owner alone that is removed with all it holds.
///
/// Dropping it removes it as well as can be; [`Self::remove`] says if it could not. A
/// process that is killed leaves it behind, under a name that says what it is.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    is_removed: bool,
}

impl Scratch {
    /// Makes the folder `<parent>/<name>-<random>`; `parent` exists.
    pub fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let path = parent.join(format!("{name}-{}", crate::id::random_text(12)));
        // Fails if something is there, so nobody can have prepared the place.
        durable::create_folder(&path, Mode::Private)?;
        Ok(Self {
            path: std::fs::canonicalize(path)?,
            is_removed: false,
        })
    }

    /// Returns the absolute path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder `name` in it, and returns its path.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        durable::create_folder(&path, Mode::Private)?;
        Ok(path)
    }

    /// Removes it. Links in it are removed as links.
    pub fn remove(mut self) -> io::Result<()> {
        self.is_removed = true;
        std::fs::remove_dir_all(&self.path)
    }
}

impl Scratch {
    /// Leaves it where it is: something may still use it.
    pub fn keep(mut self) {
        self.is_removed = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_removed
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "left a folder behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn it_goes_with_all_it_holds_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let outside = parent.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        for drops in [true, false] {
            let scratch = Scratch::make(parent.path(), "look").unwrap();
            let path = scratch.path().to_owned();
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            let inner = scratch.folder("inner").unwrap();
            symlink(&outside, inner.join("link")).unwrap();
            if drops {
                drop(scratch);
            } else {
                scratch.remove().unwrap();
            }
            assert!(!path.exists());
            assert!(outside.join("kept").exists());
        }
        assert!(Scratch::make(&parent.path().join("missing"), "look").is_err());
    }
}
