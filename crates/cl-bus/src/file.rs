//! Opens bus files: regular files only, never through a link.

use std::fs::{File, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use cl_storage::durable::{self, Mode};
use cl_storage::fault::{self, Target};

use crate::scan::{self, End, Item, ScanState};

/// How much of a file is read at once, and at first.
const CHUNK_BYTES: usize = 1024 * 1024;
const FIRST_CHUNK_BYTES: usize = 64 * 1024;

/// Why a bus file could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The path names a link.
    #[error("message bus path {path:?} is a symlink")]
    Symlink {
        /// The path of the bus.
        path: PathBuf,
    },
    /// The path names a folder or a special file.
    #[error("message bus path {path:?} is not a regular file")]
    NotRegular {
        /// The path of the bus.
        path: PathBuf,
    },
    /// The system said no.
    #[error("could not {doing} message bus {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The path of the bus.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// Tells whether a new file was to be made where something stands.
    pub fn is_in_the_way(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }

    /// Makes the error of a system call.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// What tells one file from another, whatever their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl FileId {
    pub(crate) fn inode(self) -> u64 {
        self.inode
    }
}

/// Looks at what `path` names; `None` if nothing is there.
pub(crate) fn look(path: &Path) -> Result<Option<Metadata>, FileError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FileError::io("look at", path, e)),
    };
    if found.file_type().is_symlink() {
        return Err(FileError::Symlink {
            path: path.to_owned(),
        });
    }
    if !found.file_type().is_file() {
        return Err(FileError::NotRegular {
            path: path.to_owned(),
        });
    }
    Ok(Some(found))
}

/// Opens the bus at `path` for reading; `None` if it does not exist.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<File>, FileError> {
    // A file may be swapped for a link between the look and the opening; then
    // the two looks disagree. Replacing it again and again is no honest use.
    for _ in 0..10 {
        let Some(looked) = look(path)? else {
            return Ok(None);
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(FileError::io("open", path, e)),
        };
        let opened = file
            .metadata()
            .map_err(|e| FileError::io("look at", path, e))?;
        if FileId::of(&opened) == FileId::of(&looked) {
            return Ok(Some(file));
        }
    }
    let source = io::Error::other("it is being replaced all the time");
    Err(FileError::io("open", path, source))
}

/// Opens the bus at `path` for appending, and creates it if it does not exist.
pub(crate) fn open_to_append(path: &Path) -> Result<File, FileError> {
    // Opening a pipe for writing would block, so the look comes first.
    look(path)?;
    match durable::open_append(path, Mode::Shared) {
        Ok(file) => Ok(file),
        Err(e) => {
            // A link that came in between is refused by the open itself; say so.
            look(path)?;
            Err(FileError::io("open", path, e))
        }
    }
}

/// Scans `file` from `state` to its end or until `sink` breaks, and moves `state` on.
///
/// Holds at most one chunk and one record in memory. Where `state` stands after a
/// break means nothing.
pub(crate) fn scan_file(
    file: &File,
    state: &mut ScanState,
    end: End,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    scan_up_to(file, u64::MAX, state, end, sink)
}

/// Scans `file` as [`scan_file`] does, as if it had no bytes from `stop` on.
pub(crate) fn scan_up_to(
    file: &File,
    stop: u64,
    state: &mut ScanState,
    end: End,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut wanted = FIRST_CHUNK_BYTES;
    let mut flow = ControlFlow::Continue(());
    loop {
        let left = usize::try_from(stop.saturating_sub(state.offset)).unwrap_or(usize::MAX);
        let is_last = wanted >= left;
        let at_end = fill(file, state.offset, &mut buffer, wanted.min(left))? || is_last;
        let before = state.offset;
        let end = if at_end { end } else { End::More };
        scan::scan(&buffer, state, end, &mut |item| {
            if flow.is_continue() {
                flow = sink(item);
            }
        });
        if at_end || flow.is_break() {
            return Ok(flow);
        }
        let consumed = usize::try_from(state.offset - before).unwrap_or(buffer.len());
        buffer.drain(..consumed);
        // A record longer than what is here is looked for in twice as much. Who
        // breaks soon pays for little, who reads all for few calls.
        wanted = if consumed == 0 {
            (wanted * 2).min(scan::LONGEST_PIECE_BYTES + CHUNK_BYTES)
        } else {
            (wanted * 2).min(CHUNK_BYTES).max(buffer.len() * 2)
        };
    }
}

/// Returns the last boundary of `file` before `stop`, but not one at its first byte.
pub(crate) fn last_boundary(file: &File, stop: u64) -> io::Result<Option<u64>> {
    let mut end = stop;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES as u64);
        // The byte before tells whether a line starts.
        let from = start.saturating_sub(1);
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        let bytes = bytes_at(file, from, length + scan::OPENING_BYTES)?;
        if let Some(at) = scan::find_last_boundary(&bytes, length.min(bytes.len())) {
            return Ok(Some(from + at as u64));
        }
        end = start;
    }
    Ok(None)
}

/// Reads on until `buffer`, which starts at `offset`, has `wanted` bytes.
///
/// Returns whether the end of the file was met.
fn fill(file: &File, offset: u64, buffer: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
    let have = buffer.len();
    let more = wanted.saturating_sub(have);
    // Twice as much at each growth would be reserved otherwise.
    buffer.reserve_exact(more);
    buffer.resize(have + more, 0);
    let read = read_at(file, &mut buffer[have..], offset + have as u64)?;
    let is_full = have + read == buffer.len();
    buffer.truncate(have + read);
    Ok(!is_full)
}

/// Reads at `offset` until `buffer` is full or the file ends; returns how much was read.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        let allowed = fault::pass("read", Target::File(file));
        match allowed.and_then(|()| file.read_at(&mut buffer[have..], offset + have as u64)) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(have)
}

/// Reads up to `length` bytes at `offset`.
pub(crate) fn bytes_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = read_at(file, &mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}
