//! The bare system calls that benchmarks put next to ours.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Opens a file to append to, and makes it if need be.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Makes the system calls without which no two writers can share a file that may be replaced.
pub fn locked_append(file: &mut File, path: &Path, record: &[u8]) -> io::Result<()> {
    file.lock()?;
    let ours = file.metadata()?;
    let there = std::fs::metadata(path)?;
    if ours.ino() != there.ino() {
        return Err(io::Error::other("the file was replaced"));
    }
    file.write_all(record)?;
    file.unlock()
}

/// Appends a record and waits for the disk.
pub fn synced_append(file: &mut File, record: &[u8]) -> io::Result<()> {
    file.write_all(record)?;
    sync(file)
}

/// Waits for the disk to have the data of a file.
#[expect(
    clippy::disallowed_methods,
    reason = "the bare system call is what is measured"
)]
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Reads a file in chunks and returns its length.
pub fn read(path: &Path) -> io::Result<usize> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(length),
            bytes => length += bytes,
        }
    }
}

/// Reads all YAML files below a folder and returns their length.
pub fn read_records(folder: &Path) -> io::Result<usize> {
    let mut length = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            length += read_records(&path)?;
        } else if path.extension().is_some_and(|name| name == "yaml") {
            length += std::fs::read(&path)?.len();
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep.yaml");
        let mut file = open(&path).unwrap();
        locked_append(&mut file, &path, b"first").unwrap();
        synced_append(&mut file, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"firstsecond");
        assert_eq!(read(&path).unwrap(), 11);
        std::fs::write(folder.path().join("other.txt"), "not read").unwrap();
        assert_eq!(read_records(folder.path()).unwrap(), 11);
    }

    #[test]
    fn a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another").unwrap();
        assert!(locked_append(&mut file, &path, b"record").is_err());
    }
}
