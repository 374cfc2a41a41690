//! Versions of agent programs: parsing, minimum, and a cache of what was probed.
//!
//! Asking a program for its version takes 100 ms or hangs, so the answer is kept
//! under the program's path and what tells whether it is still the same file; so
//! are the flags that its help names. Starting the program is not done here.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use cl_storage::durable::{self, Mode};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStamp {
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Time of the last change of the file's own record in nanoseconds since 1970.
    ///
    /// Package managers set the modification time to what they like; not this one.
    pub changed_ns: u64,
    /// Number of the file on its file system.
    pub inode: u64,
}

impl ProgramStamp {
    /// Looks at a file; links are followed, since a link's target is what is replaced.
    pub fn of(program: &Path) -> io::Result<Self> {
        let metadata = program.metadata()?;
        let since_epoch = metadata
            .modified()?
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            modified_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
            size_bytes: metadata.len(),
            changed_ns: u64::try_from(metadata.ctime())
                .unwrap_or_default()
                .saturating_mul(1_000_000_000)
                .saturating_add(u64::try_from(metadata.ctime_nsec()).unwrap_or_default()),
            inode: metadata.ino(),
        })
    }
}

/// The answers of earlier probes, by program path.
///
/// It is derived data: losing it costs a probe, so two writers may overwrite each
/// other, and a file that cannot be read counts as empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCache {
    /// Format of the file.
    version: u32,
    #[serde(default)]
    entries: BTreeMap<String, CachedVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CachedVersion {
    stamp: ProgramStamp,
    printed: String,
    /// The flags that its help names; none if that was not read yet.
    #[serde(default)]
    flags: Option<Vec<String>>,
}

/// The format that this build reads and writes; any other is started anew.
const FORMAT: u32 = 2;

/// More entries than anybody has programs; a full cache is started anew.
const MOST_ENTRIES: usize = 100;

impl Default for VersionCache {
    fn default() -> Self {
        Self {
            version: FORMAT,
            entries: BTreeMap::new(),
        }
    }
}

impl VersionCache {
    /// Reads the cache at `path`; a missing or damaged one is empty.
    pub fn load(path: &Path) -> Self {
        std::fs::read(path)
            .ok()
            .and_then(|content| serde_json::from_slice::<Self>(&content).ok())
            .filter(|cache| cache.version == FORMAT)
            .unwrap_or_default()
    }

    /// Replaces the cache at `path`; returns after it is on disk.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        durable::replace(path, &text, Mode::Private)
    }

    /// Returns what the program printed, if it is still the same file.
    pub fn get(&self, program: &Path, stamp: &ProgramStamp) -> Option<&str> {
        let entry = self.entries.get(program.to_str()?)?;
        (entry.stamp == *stamp).then_some(entry.printed.as_str())
    }

    /// Remembers what a program printed: its first line, at most 200 characters.
    pub fn put(&mut self, program: &Path, stamp: ProgramStamp, printed: &str) {
        let Some(program) = program.to_str() else {
            return;
        };
        if self.entries.len() >= MOST_ENTRIES {
            self.entries.clear();
        }
        let line = printed.trim().lines().next().unwrap_or_default();
        let printed = line.chars().take(200).collect();
        let entry = CachedVersion {
            stamp,
            printed,
            flags: None,
        };
        self.entries.insert(program.to_owned(), entry);
    }

    /// Returns the flags that the program's help names, if it is still the same file.
    pub fn flags(&self, program: &Path, stamp: &ProgramStamp) -> Option<&[String]> {
        let entry = self.entries.get(program.to_str()?)?;
        let flags = (entry.stamp == *stamp).then_some(entry.flags.as_deref());
        flags.flatten()
    }

    /// Remembers the flags of a program whose version is remembered.
    pub fn put_flags(&mut self, program: &Path, stamp: &ProgramStamp, flags: Vec<String>) {
        let entry = program.to_str().and_then(|name| self.entries.get_mut(name));
        if let Some(entry) = entry.filter(|entry| entry.stamp == *stamp) {
            entry.flags = Some(flags);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_find(text: &str, expected: Option<(u64, u64, u64)>) {
        let expected = expected.map(|(major, minor, patch)| Version::new(major, minor, patch));
        assert_eq!(Version::find(text), expected, "{text:?}");
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        check_find("2.1.329 (Claude Code)", Some((2, 1, 329)));
        check_find("codex-cli 0.169.0", Some((0, 169, 0)));
        check_find("0.61.0\n", Some((0, 61, 0)));
        check_find("tool v1.2.3-beta.4+build", Some((1, 2, 3)));
        check_find("built 2026-11-21, tool 1.2.3", Some((1, 2, 3)));
        check_find("1.2", None);
        check_find("", None);
        check_find("99999999999999999999.1.1", None);
    }

    #[test]
    fn old_and_unreadable_versions_are_warned_about() {
        assert_eq!(
            version_warning(AgentKind::Claude, "2.1.329 (Claude Code)"),
            None
        );
        assert_eq!(version_warning(AgentKind::Codex, "codex-cli 0.1.0"), None);
        assert!(
            version_warning(AgentKind::Claude, "0.9.9")
                .unwrap()
                .contains("older than 1.0.0")
        );
        assert!(version_warning(AgentKind::Gemini, "no idea").is_some());
        assert_eq!(version_warning(AgentKind::Command, "no idea"), None);
    }

    #[test]
    fn an_answer_holds_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tool");
        std::fs::write(&program, "one").unwrap();
        let stamp = ProgramStamp::of(&program).unwrap();
        let mut cache = VersionCache::default();
        assert_eq!(cache.get(&program, &stamp), None);
        cache.put(&program, stamp, "  tool 1.2.3\nmore\n");
        assert_eq!(cache.get(&program, &stamp), Some("tool 1.2.3"));

        std::fs::write(&program, "three").unwrap();
        let changed = ProgramStamp::of(&program).unwrap();
        assert_eq!(cache.get(&program, &changed), None);
        assert!(ProgramStamp::of(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn a_cache_survives_on_disk_and_damage_makes_it_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("versions.json");
        assert_eq!(VersionCache::load(&path), VersionCache::default());
        let mut cache = VersionCache::default();
        let stamp = ProgramStamp {
            modified_ns: 1,
            size_bytes: 2,
            changed_ns: 3,
            inode: 4,
        };
        cache.put(Path::new("/bin/tool"), stamp, "1.2.3");
        assert_eq!(cache.flags(Path::new("/bin/tool"), &stamp), None);
        cache.put_flags(Path::new("/bin/tool"), &stamp, vec!["-p".to_owned()]);
        cache.store(&path).unwrap();
        let read = VersionCache::load(&path);
        assert_eq!(read, cache);
        assert_eq!(
            read.flags(Path::new("/bin/tool"), &stamp),
            Some(&["-p".to_owned()][..])
        );
        let other = ProgramStamp { inode: 5, ..stamp };
        assert_eq!(read.flags(Path::new("/bin/tool"), &other), None);

        for damaged in ["", "{", "{\"version\": 1}", "[]"] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(
                VersionCache::load(&path),
                VersionCache::default(),
                "{damaged}"
            );
        }
    }
}
