//! Versions of agent programs: parsing, minimum, and a cache of what was probed.
//!
//! Asking a program for its version takes 100 ms or hangs, so the answer is kept
//! under the program's path, modification time and size. Starting the program is
//! not done here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::kind::AgentKind;

/// A version of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// First number.
    pub major: u64,
    /// Second number.
    pub minor: u64,
    /// Third number.
    pub patch: u64,
}

impl Version {
    /// Returns the version `major.minor.patch`.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Finds the first `N.N.N` or `vN.N.N` in what a program printed.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
            .find_map(|word| Self::parse_word(word.strip_prefix('v').unwrap_or(word)))
    }

    fn parse_word(word: &str) -> Option<Self> {
        let mut numbers = word.splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        // What follows the third number (`-beta`, `.4`) does not matter here.
        let rest = numbers.next()?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .map_or(rest, |end| &rest[..end]);
        Some(Self::new(major, minor, digits.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Returns what to warn about, given what `kind` printed when asked for its version.
///
/// A version that is too old or cannot be read never stops a run.
pub fn version_warning(kind: AgentKind, printed: &str) -> Option<String> {
    let minimum = crate::adapter::adapter(kind).minimum_version?;
    match Version::find(printed) {
        Some(found) if found >= minimum => None,
        Some(found) => Some(format!(
            "{kind} {found} is older than {minimum}, the oldest version known to work"
        )),
        None => Some(format!("the version of {kind} could not be determined")),
    }
}

/// What identifies a program file without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStamp {
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// The answers of earlier probes, by program path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionCache {
    /// Format of the file; 1.
    pub version: u32,
    entries: BTreeMap<String, CachedVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CachedVersion {
    stamp: ProgramStamp,
    printed: String,
}

impl VersionCache {
    /// Returns what the program printed, if it is still the same file.
    pub fn get(&self, program: &Path, stamp: &ProgramStamp) -> Option<&str> {
        let entry = self.entries.get(program.to_str()?)?;
        (entry.stamp == *stamp).then_some(entry.printed.as_str())
    }
}
