//! Copying what a foreign process adds to its log files into the run's own.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cl_storage::durable::{self, Mode};

/// The most that one look copies, so that a flood does not keep the watcher from its duties.
const PER_LOOK: u64 = 4 * 1024 * 1024;

/// The most that is kept of one source.
const LARGEST_COPY: u64 = 1024 * 1024 * 1024;

const PIECE: usize = 64 * 1024;

/// One log file that is followed.
#[derive(Debug)]
pub(super) struct Mirror {
    source: PathBuf,
    target: PathBuf,
    /// How much of the source was copied.
    position: u64,
    /// Which file it was, by device and inode.
    identity: Option<(u64, u64)>,
    copied: u64,
    warnings: Vec<String>,
}

impl Mirror {
    /// Follows `source` from its beginning; what `target` holds already was copied before.
    ///
    /// After a crash of the watcher the copy says how far it came. Where it is longer
    /// than the source, that has shrunk meanwhile and is copied anew.
    pub(super) fn new(source: PathBuf, target: PathBuf) -> io::Result<Self> {
        let copied = durable::open_append(&target, Mode::Private)?
            .metadata()?
            .len();
        let position = match std::fs::metadata(&source) {
            Ok(meta) if meta.len() < copied => 0,
            _ => copied,
        };
        Ok(Self {
            source,
            target,
            position,
            identity: None,
            copied,
            warnings: Vec::new(),
        })
    }

    /// Copies what was added, up to a bound; tells whether there may be more.
    pub(super) fn copy(&mut self) -> bool {
        match self.try_copy() {
            Ok(more) => more,
            // It may come, or come back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.warn(format!("{}: {error}", self.source.display()));
                false
            }
        }
    }

    /// Returns what went wrong, each thing once.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn warn(&mut self, text: String) {
        const MOST: usize = 8;
        if self.warnings.len() < MOST && !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    fn try_copy(&mut self) -> io::Result<bool> {
        let mut file = open(&self.source)?;
        let meta = file.metadata()?;
        let identity = (meta.dev(), meta.ino());
        let was_replaced = self
            .identity
            .replace(identity)
            .is_some_and(|was| was != identity);
        if was_replaced || meta.len() < self.position {
            self.position = 0;
        }
        if meta.len() == self.position {
            return Ok(false);
        }
        let room = LARGEST_COPY.saturating_sub(self.copied);
        if room == 0 {
            self.warn(format!(
                "{}: more than 1 GiB; the rest was left out",
                self.source.display()
            ));
            self.position = meta.len();
            return Ok(false);
        }
        let mut target = durable::open_append(&self.target, Mode::Private)?;
        file.seek(SeekFrom::Start(self.position))?;
        let mut left = PER_LOOK.min(room);
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let read = file.read(&mut piece[..most])?;
            if read == 0 {
                return Ok(false);
            }
            target.write_all(&piece[..read])?;
            let read = read as u64;
            (self.position, self.copied, left) =
                (self.position + read, self.copied + read, left - read);
        }
        Ok(true)
    }
}

/// Opens a regular file; a pipe or a device could block for ever, or never end.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn growth_is_copied_once_and_a_shrunk_source_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("log"), folder.path().join("copy"));
        let mirror = || Mirror::new(source.clone(), target.clone()).unwrap();
        let mut one = mirror();
        assert!(!one.copy(), "a missing source is no problem");
        fs::write(&source, "first\n").unwrap();
        one.copy();
        one.copy();
        fs::write(&source, "first\nsecond\n").unwrap();
        one.copy();
        assert_eq!(fs::read_to_string(&target).unwrap(), "first\nsecond\n");
        // Another watcher goes on where this one was.
        let mut two = mirror();
        two.copy();
        assert_eq!(fs::read_to_string(&target).unwrap(), "first\nsecond\n");
        fs::write(&source, "new\n").unwrap();
        two.copy();
        fs::remove_file(&source).unwrap();
        two.copy();
        assert_eq!(fs::read_to_string(&target).unwrap(), "first\nsecond\nnew\n");
        assert!(two.warnings().is_empty());
    }

    #[test]
    fn a_flood_is_copied_in_pieces_and_a_folder_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("log"), folder.path().join("copy"));
        fs::write(&source, vec![b'x'; 9 << 20]).unwrap();
        let mut mirror = Mirror::new(source.clone(), target.clone()).unwrap();
        let mut looks = 1;
        while mirror.copy() {
            looks += 1;
        }
        assert_eq!((looks, fs::metadata(&target).unwrap().len()), (3, 9 << 20));
        fs::remove_file(&source).unwrap();
        fs::create_dir(&source).unwrap();
        mirror.copy();
        mirror.copy();
        assert_eq!(mirror.warnings().len(), 1);
    }
}
