//! The log file of a server in the background.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cl_storage::durable::{self, Mode};

/// A file in which a server in the background logs; it is renamed to `….1` when it is full.
///
/// Clones write to the same file. Lines are not synced: a log may lose its end in a power cut.
#[derive(Debug, Clone)]
pub struct LogFile(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
    is_standard: bool,
}

impl LogFile {
    /// Opens the file at `path`, whose folder exists, to be appended to; it holds `most` bytes.
    pub fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = durable::open_append(path, Mode::Private)?;
        let size = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Inner {
            path: path.to_owned(),
            file,
            size,
            most,
            is_standard: false,
        }))))
    }

    /// Makes the file what this process and its children write to instead of the terminal.
    pub fn take_standard_streams(&self) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.is_standard = true;
        redirect(&inner.file)
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.size > 0 && inner.size.saturating_add(bytes.len() as u64) > inner.most {
            // Where that fails, the file grows; the line is not lost.
            inner.turn().ok();
        }
        inner.file.write_all(bytes)?;
        inner.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inner {
    /// Puts the file aside and begins a new one.
    fn turn(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        durable::rename(&self.path, Path::new(&old))?;
        self.file = durable::open_append(&self.path, Mode::Private)?;
        self.size = 0;
        if self.is_standard {
            redirect(&self.file)?;
        }
        Ok(())
    }
}

fn redirect(file: &File) -> io::Result<()> {
    let file = file.as_fd();
    rustix::stdio::dup2_stdout(file)?;
    rustix::stdio::dup2_stderr(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_lines_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, 20).unwrap();
        for line in ["first line\n", "second\n", "third line\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("log.1"), "first line\nsecond\n");
        assert_eq!(read("log"), "third line\n");
        let mut again = LogFile::open(&path, 20).unwrap();
        again.write_all(b"fourth line\n").unwrap();
        assert_eq!(read("log.1"), "third line\n");
        assert_eq!(read("log"), "fourth line\n");
    }
}
