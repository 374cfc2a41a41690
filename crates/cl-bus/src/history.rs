//! The bus as a row of files: its archives, oldest first, and the file at its path.
//!
//! What is read is the bus as it was when the history was opened, or a little
//! later: the file at the path is opened first, and archives count up to the one
//! that this file may have become meanwhile. Nothing falls between, because a
//! rotation renames a file that is complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::{self, Archive, ArchiveOrder};
use crate::file::{self, FileError, FileId};
use crate::legacy;
use crate::locate::Place;
use crate::message::Message;
use crate::scan;

/// The files of a bus at one moment.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    current: Option<File>,
    /// Oldest first; listed when they are needed.
    archives: Option<Vec<Archive>>,
}

/// A file of a history: how many newer ones there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age(usize);

impl Age {
    /// The file at the path of the bus.
    pub(crate) const CURRENT: Self = Self(0);

    /// The file before this one.
    pub(crate) fn older(self) -> Self {
        Self(self.0 + 1)
    }

    /// The file after this one; `None` for the current one.
    pub(crate) fn newer(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl History {
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self {
            path: path.to_owned(),
            current: file::open_to_read(path)?,
            archives: None,
        })
    }

    /// Returns the age of the oldest file.
    pub(crate) fn oldest(&mut self) -> Result<Age, FileError> {
        self.archives().map(|archives| Age(archives.len()))
    }

    /// Returns the place of the first byte.
    pub(crate) fn start(&mut self) -> Result<Place, FileError> {
        self.oldest().map(Place::start_of)
    }

    /// Returns the place where the next record is found, or shortly before it; `None`
    /// without a file at the path.
    pub(crate) fn end(&mut self) -> Result<Option<Place>, FileError> {
        let Some(file) = &self.current else {
            return Ok(None);
        };
        let size = file.metadata().map_err(|e| self.read_error(e))?.len();
        let position = file::last_boundary(file, size).map_err(|e| self.read_error(e))?;
        Ok(Some(Place {
            age: Age::CURRENT,
            position: position.unwrap_or(0),
        }))
    }

    /// Returns the age of an open file of this bus; an unknown one is the current one.
    pub(crate) fn age_of(&mut self, id: FileId) -> Result<Age, FileError> {
        let archives = self.archives()?;
        let at = archives
            .iter()
            .position(|archive| archive.inode == id.inode());
        Ok(at.map_or(Age::CURRENT, |at| Age(archives.len() - at)))
    }

    /// Returns the path of the bus.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file of the history; `None` if it is not there.
    pub(crate) fn file(&mut self, age: Age) -> Result<Option<File>, FileError> {
        if age == Age::CURRENT {
            let again = self.current.as_ref().map(File::try_clone).transpose();
            return again.map_err(|e| FileError::io("open", &self.path, e));
        }
        match self.archive(age)? {
            Some(archive) => file::open_to_read(&archive.path),
            None => Ok(None),
        }
    }

    /// Returns the archive that came last.
    pub(crate) fn newest_archive(&mut self) -> Result<Option<ArchiveOrder>, FileError> {
        let archives = self.archives()?;
        Ok(archives.last().map(|archive| archive.order.clone()))
    }

    /// Returns the names of the archives, oldest first.
    pub(crate) fn archive_names(&mut self) -> Result<Vec<String>, FileError> {
        let name = |archive: &Archive| {
            let name = archive.path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        Ok(self.archives()?.iter().map(name).collect())
    }

    /// Returns the size of all files.
    pub(crate) fn size_bytes(&mut self) -> Result<u64, FileError> {
        let mut size = 0;
        let mut age = Some(self.oldest()?);
        while let Some(this) = age {
            if let Some(file) = self.file(this)? {
                size += file.metadata().map_err(|e| self.read_error(e))?.len();
            }
            age = this.newer();
        }
        Ok(size)
    }

    /// Makes the error of a read that failed.
    pub(crate) fn read_error(&self, source: io::Error) -> FileError {
        FileError::io("read", &self.path, source)
    }

    /// Returns the name of an archive; `None` for the current file.
    pub(crate) fn archive_name(&mut self, age: Age) -> Option<String> {
        if age == Age::CURRENT {
            // The folder may hold very much else; it is listed for archives alone.
            return None;
        }
        let archive = self.archive(age).ok().flatten()?;
        Some(archive.path.file_name()?.to_string_lossy().into_owned())
    }

    /// Counts the line feeds in all files older than `age`.
    pub(crate) fn lines_before(&mut self, age: Age) -> Result<u64, FileError> {
        let mut lines = 0;
        let mut older = self.oldest()?;
        while older > age {
            if let Some(file) = self.file(older)? {
                let size = file.metadata().map_or(0, |found| found.len());
                lines +=
                    count_lines(&file, size).map_err(|e| FileError::io("read", &self.path, e))?;
            }
            older = Age(older.0 - 1);
        }
        Ok(lines)
    }

    fn archive(&mut self, age: Age) -> Result<Option<&Archive>, FileError> {
        let archives = self.archives()?;
        let at = archives.len().checked_sub(age.0);
        Ok(at.and_then(|at| archives.get(at)))
    }

    fn archives(&mut self) -> Result<&[Archive], FileError> {
        if self.archives.is_none() {
            let io_error = |e| FileError::io("look for archives of", &self.path, e);
            let mut archives = archive::archives(&self.path).map_err(io_error)?;
            if let Some(current) = &self.current {
                let inode = FileId::of(&current.metadata().map_err(io_error)?).inode();
                if let Some(at) = archives.iter().position(|archive| archive.inode == inode) {
                    archives.truncate(at);
                }
            }
            self.archives = Some(archives);
        }
        Ok(self.archives.as_deref().unwrap_or_default())
    }
}

/// Gives legacy lines their names, which hold their number along the whole bus.
///
/// A reading that starts somewhere does not know how many lines stand before;
/// they are counted when the first legacy line is met, and nearly never is one.
#[derive(Debug)]
pub(crate) struct Numbering {
    age: Age,
    start: u64,
    before: Option<u64>,
}

impl Numbering {
    /// For a scan that starts at `start` in the file of `age`, with line zero.
    pub(crate) fn new(age: Age, start: u64) -> Self {
        Self {
            age,
            start,
            before: None,
        }
    }

    /// Returns where the scan starts.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Corrects the name of a legacy line.
    pub(crate) fn correct(
        &mut self,
        history: &mut History,
        file: &File,
        message: &mut Message,
    ) -> Result<(), FileError> {
        let Some(number) = legacy::number_of(&message.id) else {
            return Ok(());
        };
        let before = if let Some(before) = self.before {
            before
        } else {
            let here = count_lines(file, self.start).map_err(|e| history.read_error(e))?;
            *self.before.insert(history.lines_before(self.age)? + here)
        };
        message.id = legacy::id_of(number + before);
        Ok(())
    }
}

/// Counts the line feeds before `position`.
pub(crate) fn count_lines(file: &File, position: u64) -> io::Result<u64> {
    let (mut lines, mut at) = (0, 0);
    let mut chunk = vec![0; 256 * 1024];
    while at < position {
        let wanted = usize::try_from(position - at)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        let read = file::read_at(file, &mut chunk[..wanted], at)?;
        if read == 0 {
            break;
        }
        lines += scan::count_line_feeds(&chunk[..read]);
        at += read as u64;
    }
    Ok(lines)
}
