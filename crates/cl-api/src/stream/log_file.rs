//! A file of lines that grows, read on from a place.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use cl_storage::durable;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// How many lines are handed out at once.
const MOST_LINES: usize = 1024;
/// What of a longer line is kept.
const LONGEST_LINE: usize = 256 * 1024;
/// What of a file is shown to those who ask for nothing else.
const TAIL_BYTES: u64 = 1024 * 1024;
const TAIL_LINES: usize = 5000;

/// A file of lines that grows, read on from a place.
///
/// Opens the file for each reading, so it may come, go and be replaced. Holds at most the
/// beginning of one line.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Where the next line begins.
    offset: u64,
    /// Which file it was.
    identity: Option<(u64, u64)>,
    /// The line that does not fit a chunk.
    long: Option<Long>,
    /// How long the file was when it was read to its end.
    read_to: Option<u64>,
}

/// A line of which not all was read at once.
#[derive(Debug)]
struct Long {
    head: Vec<u8>,
    /// How far it was read.
    scanned: u64,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Without its end; bytes that are no UTF-8 are replaced.
    pub(super) text: String,
    /// There is more of it.
    pub(super) truncated: bool,
    /// Where the next one begins.
    pub(super) end: u64,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// The file is not the one that was read before, and is read from its start.
    pub(super) reset: Option<&'static str>,
    pub(super) lines: Vec<Line>,
    /// There is more to read.
    pub(super) has_more: bool,
}

/// Text that was read.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "as in the pieces that it is made of"
)]
pub(super) struct Text {
    /// As in [`Piece`].
    pub(super) reset: Option<&'static str>,
    /// Whole lines with their ends, or a part of a line that is longer than a chunk.
    pub(super) text: String,
    pub(super) has_more: bool,
}

impl LogFile {
    /// Reads `path` from `offset` on; nothing is opened yet.
    pub(super) fn new(path: PathBuf, offset: u64) -> Self {
        Self {
            path,
            offset,
            identity: None,
            long: None,
            read_to: None,
        }
    }

    /// Returns where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads on.
    ///
    /// Lines come whole; what stands behind the last line end comes as a line when the file
    /// `is_complete`. A file that is not there has nothing.
    pub(super) fn read(&mut self, is_complete: bool) -> io::Result<Piece> {
        let mut piece = Piece::default();
        let Some((file, length)) = self.open(&mut piece)? else {
            return Ok(piece);
        };
        if self.read_to == Some(length) && !is_complete {
            return Ok(piece);
        }
        let start = self.long.as_ref().map_or(self.offset, |long| long.scanned);
        let wanted = usize::try_from(length.saturating_sub(start)).unwrap_or(CHUNK);
        let mut chunk = vec![0; wanted.min(CHUNK)];
        let read = read_at(&file, &mut chunk, start)?;
        chunk.truncate(read);
        let mut at = start;
        let mut rest = chunk.as_slice();
        while piece.lines.len() < MOST_LINES {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            at += end as u64 + 1;
            piece.lines.push(self.line(&rest[..end], at));
            rest = &rest[end + 1..];
        }
        let behind = at + rest.len() as u64;
        let is_at_end = behind >= length;
        if piece.lines.len() == MOST_LINES {
            piece.has_more = is_complete || !rest.is_empty() || !is_at_end;
            return Ok(piece);
        }
        if is_at_end && is_complete {
            if !rest.is_empty() || self.long.is_some() {
                piece.lines.push(self.line(rest, behind));
            }
        } else if piece.lines.is_empty() && (rest.len() == CHUNK || self.long.is_some()) {
            let long = self.long.get_or_insert_with(|| Long {
                head: Vec::new(),
                scanned: at,
            });
            let room = (LONGEST_LINE + 1).saturating_sub(long.head.len());
            long.head.extend_from_slice(&rest[..rest.len().min(room)]);
            long.scanned = behind;
        }
        piece.has_more = !is_at_end;
        self.read_to = is_at_end.then_some(length);
        Ok(piece)
    }

    /// Reads on, as it is: what is read at once are whole lines, or a part of a long one.
    ///
    /// What stands behind the last line end comes when the file `is_complete`. Not to be used
    /// together with [`Self::read`].
    pub(super) fn read_text(&mut self, is_complete: bool) -> io::Result<Text> {
        let mut piece = Piece::default();
        let opened = self.open(&mut piece)?;
        let mut text = Text {
            reset: piece.reset,
            ..Text::default()
        };
        let Some((file, length)) = opened else {
            return Ok(text);
        };
        if self.read_to == Some(length) && !is_complete {
            return Ok(text);
        }
        let wanted = usize::try_from(length.saturating_sub(self.offset)).unwrap_or(CHUNK);
        let mut chunk = vec![0; wanted.min(CHUNK)];
        let read = read_at(&file, &mut chunk, self.offset)?;
        chunk.truncate(read);
        let is_at_end = self.offset + read as u64 >= length;
        let whole = chunk.iter().rposition(|byte| *byte == b'\n');
        let taken = match whole {
            _ if is_at_end && is_complete => read,
            Some(end) => end + 1,
            None if read == CHUNK => read - torn(&chunk),
            None => 0,
        };
        text.text = String::from_utf8_lossy(&chunk[..taken]).into_owned();
        self.offset += taken as u64;
        text.has_more = taken > 0 && self.offset < length && (!is_at_end || is_complete);
        self.read_to = is_at_end.then_some(length);
        Ok(text)
    }

    /// Opens the file; `None` if it is not there.
    fn open(&mut self, piece: &mut Piece) -> io::Result<Option<(File, u64)>> {
        let file = match durable::open_real(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.identity.is_some() {
                    self.begin_again(piece, "removed");
                }
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let identity = (found.dev(), found.ino());
        let scanned = self.long.as_ref().map_or(self.offset, |long| long.scanned);
        if self.identity.is_some_and(|known| known != identity) {
            self.begin_again(piece, "replaced");
        } else if found.len() < scanned {
            self.begin_again(piece, "truncated");
        }
        self.identity = Some(identity);
        Ok(Some((file, found.len())))
    }

    fn begin_again(&mut self, piece: &mut Piece, why: &'static str) {
        piece.reset = Some(why);
        self.offset = 0;
        self.identity = None;
        self.long = None;
        self.read_to = None;
    }

    /// Makes a line that ends with `bytes`; the next one begins at `end`.
    fn line(&mut self, bytes: &[u8], end: u64) -> Line {
        let long = self.long.take();
        let mut whole = long.map(|long| long.head).unwrap_or_default();
        let line = if whole.is_empty() {
            bytes
        } else {
            let room = (LONGEST_LINE + 1).saturating_sub(whole.len());
            whole.extend_from_slice(&bytes[..bytes.len().min(room)]);
            &whole
        };
        let truncated = line.len() > LONGEST_LINE;
        let line = &line[..line.len().min(LONGEST_LINE)];
        let line = match line.strip_suffix(b"\r") {
            Some(line) if !truncated => line,
            _ => line,
        };
        self.offset = end;
        Line {
            text: String::from_utf8_lossy(line).into_owned(),
            truncated,
            end,
        }
    }
}

/// Returns how many bytes at the end belong to what comes next: a character or a line end that
/// is not complete.
fn torn(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    let start = bytes
        .iter()
        .rev()
        .take(4)
        .position(|byte| byte & 0xc0 != 0x80);
    let Some(back) = start else { return 0 };
    let first = bytes[bytes.len() - 1 - back];
    let length = match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    if back + 1 < length { back + 1 } else { 0 }
}

/// Returns where the last lines of a file begin: a mebibyte or 5 000 of them, whichever is less.
pub(super) fn tail_of(path: &Path) -> io::Result<u64> {
    let file = match durable::open_real(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let first = length.saturating_sub(TAIL_BYTES);
    let mut chunk = vec![0; CHUNK];
    let mut lines = 0;
    let mut end = length;
    // Where the earliest line begins that was found to.
    let mut begin = None;
    while end > first {
        let start = end.saturating_sub(CHUNK as u64).max(first);
        let size = usize::try_from(end - start).unwrap_or(CHUNK);
        let read = read_at(&file, &mut chunk[..size], start)?;
        for (at, byte) in chunk[..read].iter().enumerate().rev() {
            let behind = start + at as u64 + 1;
            if *byte != b'\n' || behind == length {
                continue;
            }
            lines += 1;
            begin = Some(behind);
            if lines == TAIL_LINES {
                return Ok(behind);
            }
        }
        end = start;
    }
    Ok(if first == 0 {
        0
    } else {
        begin.unwrap_or(first)
    })
}

/// Returns how long a file is up to the end of its last whole line; zero if it is not there.
pub(super) fn end_of(path: &Path) -> io::Result<u64> {
    let file = match durable::open_real(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let first = length.saturating_sub(TAIL_BYTES);
    let mut chunk = vec![0; CHUNK];
    let mut end = length;
    while end > first {
        let start = end.saturating_sub(CHUNK as u64).max(first);
        let size = usize::try_from(end - start).unwrap_or(CHUNK);
        let read = read_at(&file, &mut chunk[..size], start)?;
        if let Some(at) = chunk[..read].iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(first)
}

/// Reads at `offset` until `buffer` is full or the file ends; returns how much.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match file.read_at(&mut buffer[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
