//! Small versioned YAML files that one owner writes and anyone reads.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::durable::{self, Mode};
use crate::fault::{self, Target};
use crate::yaml::{self, YamlError};

/// Records are small; a larger file is damaged or not ours.
const LARGEST_RECORD: u64 = 4 * 1024 * 1024;

/// Nearly every record is smaller.
const USUAL_RECORD: usize = 8 * 1024;

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The system refused.
    #[error("could not access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The file does not hold what it should.
    #[error("{} is damaged", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: YamlError,
    },
    /// The file is from a later version; it is never rewritten.
    #[error("{} was written by a newer version (format {found}, this build knows {known})", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this build knows.
        known: u32,
    },
}

impl RecordError {
    /// Returns the file that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Malformed { path, .. } | Self::TooNew { path, .. } => {
                path
            }
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn malformed(path: &Path) -> impl FnOnce(YamlError) -> Self {
        let path = path.to_owned();
        move |source| Self::Malformed { path, source }
    }
}

/// What stands in the name of a damaged file that was set aside, behind its own name.
pub const SET_ASIDE: &str = ".damaged-";

/// Gives a damaged file a name that readers ignore, and returns where it is now.
///
/// Returns after the new name is on disk; nothing is overwritten.
pub fn set_damaged_aside(path: &Path) -> Result<PathBuf, RecordError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!("{SET_ASIDE}{}", crate::id::random_text(8)));
    let copy = path.with_file_name(name);
    durable::rename_no_replace(path, &copy).map_err(RecordError::io(path))?;
    Ok(copy)
}

#[derive(serde::Deserialize)]
struct Version {
    #[serde(default)]
    version: u32,
}

/// Reads the text of a small file; `None` if it does not exist. Links are not followed.
pub fn read_text(path: &Path) -> Result<Option<String>, RecordError> {
    let file = match durable::open_real(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(RecordError::io(path)(e)),
    };
    text_of(file, &|| path.to_owned()).map(Some)
}

/// Reads the text of an open small file; `path` is only for messages.
pub(crate) fn text_of(file: fs::File, path: &dyn Fn() -> PathBuf) -> Result<String, RecordError> {
    let bytes = bytes_of(file).map_err(|e| RecordError::io(&path())(e))?;
    let damaged = |message: &str| {
        RecordError::malformed(&path())(YamlError {
            message: message.to_owned(),
            line: 0,
            column: 0,
        })
    };
    if bytes.len() as u64 > LARGEST_RECORD {
        return Err(damaged("larger than 4 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| damaged("not UTF-8"))
}

/// Reads a file up to one byte more than a record may have.
fn bytes_of(mut file: fs::File) -> io::Result<Vec<u8>> {
    fault::pass("read", Target::File(&file))?;
    // A usual record takes one call: less than there is room for was read up to the end.
    let mut room = [0; USUAL_RECORD];
    let read = loop {
        match file.read(&mut room) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let mut bytes = room[..read].to_vec();
    if read == USUAL_RECORD {
        let left = LARGEST_RECORD + 1 - read as u64;
        file.take(left).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Reads the record at `path`; `None` if there is none.
pub fn read<T: serde::de::DeserializeOwned>(
    path: &Path,
    known: u32,
) -> Result<Option<T>, RecordError> {
    match read_text(path)? {
        Some(text) => parse(&text, path, known).map(Some),
        None => Ok(None),
    }
}

/// Reads the text of a record; `path` is only for messages.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    text: &str,
    path: &Path,
    known: u32,
) -> Result<T, RecordError> {
    let found = match first_line_version(text) {
        Some(version) => version,
        None => {
            yaml::parse_record::<Version>(text)
                .map_err(RecordError::malformed(path))?
                .version
        }
    };
    if found > known {
        return Err(RecordError::TooNew {
            path: path.to_owned(),
            found,
            known,
        });
    }
    yaml::parse_record(text).map_err(RecordError::malformed(path))
}

/// Returns the version if the text begins with it, as ours do.
fn first_line_version(text: &str) -> Option<u32> {
    let (first, _) = text.split_once('\n')?;
    first.strip_prefix("version: ")?.parse().ok()
}

/// Replaces the record at `path`; returns after it is on disk.
pub fn write<T: serde::Serialize>(path: &Path, value: &T, mode: Mode) -> Result<(), RecordError> {
    write_with(path, value, mode, durable::replace)
}

/// Replaces the record at `path` by `replace`, which says when it is on disk.
pub fn write_with<T: serde::Serialize>(
    path: &Path,
    value: &T,
    mode: Mode,
    replace: durable::Replace,
) -> Result<(), RecordError> {
    let text = yaml::to_text(value).map_err(RecordError::malformed(path))?;
    replace(path, text.as_bytes(), mode).map_err(RecordError::io(path))
}
