//! Files of lines that only grow, and are put aside when they have grown enough.
//!
//! One process writes a logbook. The file that is written has the plain name; older ones have
//! a number behind it, the newest 1, and the oldest is removed.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::durable::{self, Mode, SyncPoint};
use crate::layout::Root;

/// The largest a file of a logbook becomes.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// How many older files are kept.
const KEPT: u32 = 4;

/// A file of lines; see the module.
#[derive(Debug)]
pub struct Logbook {
    root: Root,
    /// Its folder, from the root on.
    folder: &'static [&'static str],
    name: &'static str,
    most_bytes: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// What is promised when a line was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is on disk.
    Disk,
    /// It is on disk when the system gets to it, or with the next line that is.
    Later,
}

impl Logbook {
    /// Returns the book of what was asked of a server: `_audit/form-submissions.jsonl`.
    pub fn audit(root: &Root) -> Self {
        Self::new(root, &["_audit"], "form-submissions.jsonl")
    }

    /// Returns the book of the requests to a server: `.conductor/log/access.log`.
    pub fn access(root: &Root) -> Self {
        Self::new(root, &[".conductor", "log"], "access.log")
    }

    fn new(root: &Root, folder: &'static [&'static str], name: &'static str) -> Self {
        Self {
            root: root.clone(),
            folder,
            name,
            most_bytes: MOST_BYTES,
            open: None,
        }
    }

    /// Puts the file aside when it would become larger than `bytes`.
    #[must_use]
    pub fn of_at_most(mut self, bytes: u64) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Returns the path of the file that is written.
    pub fn path(&self) -> PathBuf {
        let folder = self.root.path().to_owned();
        let folder = self
            .folder
            .iter()
            .fold(folder, |path, name| path.join(name));
        folder.join(self.name)
    }

    /// Appends `line`, which has no line end; makes folder and file where they are missing.
    ///
    /// Blocks as long as the disk does. After an error the line may be there, or a part of it,
    /// which readers pass over. No link is followed.
    pub fn append(&mut self, line: &str, keeping: Keeping) -> io::Result<()> {
        debug_assert!(!line.contains('\n'), "one line");
        let result = self.try_append(line, keeping);
        if result.is_err() {
            // Whatever is wrong with it, the next line begins anew.
            self.open = None;
        }
        result
    }

    fn try_append(&mut self, line: &str, keeping: Keeping) -> io::Result<()> {
        let path = self.path();
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        if self.open.as_ref().is_some_and(|_| !path.exists()) {
            // Somebody has taken it away.
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_at(&path)?,
        };
        if open.size > 0 && open.size + bytes.len() as u64 > self.most_bytes {
            drop(open);
            put_aside(&path)?;
            open = self.open_at(&path)?;
        }
        durable::append(&open.file, &bytes)?;
        open.size += bytes.len() as u64;
        if keeping == Keeping::Disk {
            durable::sync_data(&open.file, SyncPoint::LogLine)?;
        }
        self.open = Some(open);
        Ok(())
    }

    fn open_at(&self, path: &Path) -> io::Result<Open> {
        let mut folder = self.root.path().to_owned();
        for name in self.folder {
            folder.push(name);
            if folder.is_symlink() {
                return Err(io::Error::other(format!("{} is a link", folder.display())));
            }
        }
        durable::create_folders(&folder, Mode::Private)?;
        let is_new = !path.exists();
        let mut file = durable::open_append(path, Mode::Private)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other(format!("{} is no file", path.display())));
        }
        let mut size = file.metadata()?.len();
        if is_new {
            durable::sync_folder(&folder, SyncPoint::LogEntry)?;
        } else if size > 0 {
            // A writer that was killed may have left a part of a line.
            let mut last = [0];
            file.seek(SeekFrom::Start(size - 1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                durable::append(&file, b"\n")?;
                size += 1;
            }
        }
        Ok(Open { file, size })
    }

    /// Gives the lines to `visit`, the newest first, until it breaks off.
    ///
    /// Holds one file at a time, which is 8 MiB at the most; what has no end yet is no line.
    /// A file that another program has made larger is read from its end.
    pub fn newest_first(&self, visit: &mut dyn FnMut(&str) -> ControlFlow<()>) -> io::Result<()> {
        let path = self.path();
        let older = (1..=KEPT).map(|number| numbered(&path, number));
        for path in std::iter::once(path.clone()).chain(older) {
            let mut file = match durable::open_real(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(2 * self.most_bytes)))?;
            let mut text = Vec::new();
            file.take(2 * self.most_bytes).read_to_end(&mut text)?;
            let text = String::from_utf8_lossy(&text);
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.rsplit('\n').filter(|line| !line.is_empty()) {
                if visit(line).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Gives every file the next number; a crash on the way leaves a gap, which readers pass over.
fn put_aside(path: &Path) -> io::Result<()> {
    let oldest = numbered(path, KEPT);
    if fs::symlink_metadata(&oldest).is_ok() {
        durable::remove(&oldest)?;
    }
    for number in (1..KEPT).rev() {
        let from = numbered(path, number);
        if fs::symlink_metadata(&from).is_ok() {
            durable::rename(&from, &numbered(path, number + 1))?;
        }
    }
    durable::rename(path, &numbered(path, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> (tempfile::TempDir, Logbook) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("root")).unwrap();
        (folder, Logbook::audit(&root))
    }

    fn lines(book: &Logbook) -> Vec<String> {
        let mut found = Vec::new();
        book.newest_first(&mut |line| {
            found.push(line.to_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    }

    #[test]
    fn lines_come_back_newest_first() {
        let (_folder, mut book) = book();
        assert_eq!(lines(&book), [""; 0]);
        for line in ["a", "b", "c"] {
            book.append(line, Keeping::Later).unwrap();
        }
        assert_eq!(lines(&book), ["c", "b", "a"]);
        let mut seen = 0;
        let visit = &mut |_: &str| {
            seen += 1;
            ControlFlow::Break(())
        };
        book.newest_first(visit).unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn a_torn_line_costs_no_other() {
        let (_folder, mut book) = book();
        book.append("a", Keeping::Disk).unwrap();
        let torn = durable::open_append(&book.path(), Mode::Private).unwrap();
        durable::append(&torn, b"half").unwrap();
        assert_eq!(lines(&book), ["a"]);
        // The writer that wrote it is dead.
        let mut book = Logbook::audit(&book.root);
        book.append("b", Keeping::Disk).unwrap();
        assert_eq!(lines(&book), ["b", "half", "a"]);
    }

    #[test]
    fn old_files_are_put_aside_and_then_removed() {
        let (_folder, book) = book();
        let mut book = book.of_at_most(20);
        for number in 100..130 {
            book.append(&format!("line {number}"), Keeping::Later)
                .unwrap();
        }
        // Two lines fit into a file.
        let expected: Vec<_> = (120..130).rev().map(|n| format!("line {n}")).collect();
        assert_eq!(lines(&book), expected);
        let files = fs::read_dir(book.path().parent().unwrap()).unwrap();
        assert_eq!(files.count(), 5);
    }

    #[test]
    fn a_file_that_was_taken_away_is_made_anew() {
        let (_folder, mut book) = book();
        book.append("a", Keeping::Later).unwrap();
        durable::remove(&book.path()).unwrap();
        book.append("b", Keeping::Later).unwrap();
        assert_eq!(lines(&book), ["b"]);
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed() {
        let (folder, mut book) = book();
        let outside = folder.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(book.root.path()).unwrap();
        let link = book.root.path().join("_audit");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        assert!(book.append("a", Keeping::Later).is_err());
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), book.path()).unwrap();
        assert!(book.append("a", Keeping::Later).is_err());
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }
}
