//! The folder that the agents of a project work in, as somebody has set it.
//!
//! `<project>/PROJECT-ROOT.txt` holds one absolute path and a line end. Written by whoever
//! makes a project with a folder; read by whoever launches a task without naming one.

use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{self, Mode};
use crate::layout::ProjectDir;

const FILE: &str = "PROJECT-ROOT.txt";
/// Paths are shorter than this.
const LONGEST: u64 = 8 * 1024;

/// Reads the folder of `project`; none if nobody has set one, or what stands there is no absolute path.
pub fn read(project: &ProjectDir) -> io::Result<Option<PathBuf>> {
    use std::io::Read as _;
    let path = project.path().join(FILE);
    let is_file = match path.symlink_metadata() {
        Ok(found) => found.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_file {
        return Ok(None);
    }
    let mut text = String::new();
    let file = std::fs::File::open(&path)?;
    file.take(LONGEST).read_to_string(&mut text)?;
    let folder = PathBuf::from(text.trim_end_matches(['\n', '\r']));
    Ok(Some(folder).filter(|folder| folder.is_absolute()))
}

/// Sets the folder of `project`, which is made if it is missing; returns after that is on disk.
///
/// False, and nothing changed, if somebody has set one before.
pub fn create(project: &ProjectDir, folder: &Path) -> io::Result<bool> {
    durable::create_folders(project.path(), Mode::Shared)?;
    let mut bytes = folder.as_os_str().as_encoded_bytes().to_vec();
    bytes.push(b'\n');
    match durable::create_new(&project.path().join(FILE), &bytes, Mode::Shared) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProjectId, Root};

    #[test]
    fn a_folder_is_set_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = root.project(&ProjectId::parse("p").unwrap()).unwrap();
        assert_eq!(read(&project).unwrap(), None);
        assert!(create(&project, Path::new("/srv/a b")).unwrap());
        assert!(!create(&project, Path::new("/srv/c")).unwrap());
        assert_eq!(read(&project).unwrap(), Some("/srv/a b".into()));
    }

    #[test]
    fn what_is_no_path_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = root.project(&ProjectId::parse("p").unwrap()).unwrap();
        std::fs::create_dir_all(project.path()).unwrap();
        let file = project.path().join(FILE);
        std::fs::write(&file, "relative\n").unwrap();
        assert_eq!(read(&project).unwrap(), None);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        assert_eq!(read(&project).unwrap(), None);
    }
}
