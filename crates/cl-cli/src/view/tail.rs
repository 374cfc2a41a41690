//! Reading a file that may still be growing.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const PIECE: usize = 64 * 1024;

/// A file that may still be growing, read from some place on.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    path: PathBuf,
    position: u64,
}

impl GrowingFile {
    /// Starts at the beginning of the file, which need not exist yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            position: 0,
        }
    }

    /// Moves to where the last `count` lines begin; 0 means all of them.
    pub(crate) fn skip_to_last_lines(&mut self, count: usize) -> io::Result<()> {
        if let (Some(file), true) = (open_regular(&self.path)?, count > 0) {
            self.position = start_of_last_lines(&file, count)?;
        }
        Ok(())
    }

    /// Moves so that at most the last `limit` bytes are read; returns how many that left out.
    pub(crate) fn limit_to_last(&mut self, limit: u64) -> io::Result<u64> {
        let size = match open_regular(&self.path)? {
            Some(file) => file.metadata()?.len(),
            None => 0,
        };
        let left_out = size.saturating_sub(self.position).saturating_sub(limit);
        self.position += left_out;
        Ok(left_out)
    }

    /// Hands out everything that is there now; tells whether there was anything.
    pub(crate) fn read_on<E: From<io::Error>>(
        &mut self,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(mut file) = open_regular(&self.path)? else {
            return Ok(false);
        };
        if file.metadata()?.len() < self.position {
            // It was cut or replaced: what is there now is new.
            self.position = 0;
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut piece = vec![0; PIECE];
        let mut found = false;
        loop {
            let read = match file.read(&mut piece) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if read == 0 {
                return Ok(found);
            }
            found = true;
            self.position += read as u64;
            sink(&piece[..read])?;
        }
    }
}

/// Opens a regular file for reading; none if there is none.
///
/// Links are not followed and a pipe does not block: agents own these folders.
pub(crate) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.is_file() {
        Ok(Some(file))
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Finds where the last `count` lines begin; the last may lack its line end.
fn start_of_last_lines(file: &File, count: usize) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let mut piece = vec![0; PIECE];
    let mut end = size;
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(PIECE as u64);
        let length = usize::try_from(end - start).unwrap_or(PIECE);
        file.read_exact_at(&mut piece[..length], start)?;
        for index in (0..length).rev() {
            let at = start + index as u64;
            // The line end at the very end ends the last line and starts none.
            if piece[index] == b'\n' && at + 1 < size {
                found += 1;
                if found == count {
                    return Ok(at + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &[u8], count: usize, expected: &[u8]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, content).unwrap();
        let mut file = GrowingFile::new(&path);
        file.skip_to_last_lines(count).unwrap();
        let mut read = Vec::new();
        file.read_on(|piece| {
            read.extend_from_slice(piece);
            Ok::<_, io::Error>(())
        })
        .unwrap();
        assert_eq!(read, expected);
    }

    #[test]
    fn the_last_lines_are_found() {
        check(b"a\nb\nc\n", 0, b"a\nb\nc\n");
        check(b"a\nb\nc\n", 1, b"c\n");
        check(b"a\nb\nc", 2, b"b\nc");
        check(b"a\nb\nc\n", 9, b"a\nb\nc\n");
        check(b"\n\n", 1, b"\n");
        check(b"", 3, b"");
        let mut long = vec![b'x'; 200_000];
        long.extend_from_slice(b"\nend\n");
        check(&long, 1, b"end\n");
        check(&long, 2, &long);
    }

    #[test]
    fn only_the_end_of_a_large_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "0123456789").unwrap();
        let mut file = GrowingFile::new(&path);
        assert_eq!(file.limit_to_last(10).unwrap(), 0);
        assert_eq!(file.limit_to_last(3).unwrap(), 7);
        let mut read = Vec::new();
        file.read_on(|piece| {
            read.extend_from_slice(piece);
            Ok::<_, io::Error>(())
        })
        .unwrap();
        assert_eq!(read, b"789");
    }

    #[test]
    fn growth_is_read_once_and_a_cut_file_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut file = GrowingFile::new(&path);
        let mut next = || {
            let mut read = Vec::new();
            file.read_on(|piece| {
                read.extend_from_slice(piece);
                Ok::<_, io::Error>(())
            })
            .map(|_| String::from_utf8(read).unwrap())
            .unwrap()
        };
        assert_eq!(next(), "");
        std::fs::write(&path, "one\n").unwrap();
        assert_eq!((next(), next()), ("one\n".into(), String::new()));
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(next(), "two\n");
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(next(), "new\n");
    }

    #[test]
    fn links_and_pipes_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(open_regular(&link).is_err());
        assert!(open_regular(folder.path()).is_err());
        assert!(open_regular(&folder.path().join("none")).unwrap().is_none());
    }
}
