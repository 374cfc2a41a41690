//! Rotates a bus: names its archives, lists them, and moves a full file aside.
//!
//! ```text
//! lock → same file still at the path? → at the limit? → rename, no replacing → unlock
//! ```
//!
//! The rename happens under the lock of the file that is renamed. Whoever waits
//! for that lock finds afterwards that the path names something else and starts
//! again, so an archive never changes once it has its name, and no record goes
//! astray. Between the rename and the next append there is no file at the path;
//! readers take that for what it is, an empty end of the history.
//!
//! Archives stand beside the bus: `<bus>.<YYYYMMDD-HHMMSS>-<number>.archived`. The
//! number grows by one each time and gives the order, because clocks jump. Names
//! without a number come from an earlier implementation and are older than all
//! others.

use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use cl_storage::durable;
use jiff::Timestamp;

/// How the names of all archives end.
pub const ARCHIVE_SUFFIX: &str = ".archived";
/// How large a bus file may grow before it is moved aside, unless told otherwise.
pub const ROTATE_AT_BYTES: u64 = 10 * 1024 * 1024;

/// How often a number that somebody else took is counted up; nobody does, because
/// rotating needs the lock.
const TRIES: u64 = 100;

/// The largest number that a name may have.
const LARGEST_NUMBER: u64 = 1_000_000_000_000;

/// One archive of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) inode: u64,
    pub(crate) order: ArchiveOrder,
}

/// Number and time in the name of an archive, by which archives are sorted.
pub(crate) type ArchiveOrder = (u64, String);

/// Lists the archives of the bus at `path`, oldest first.
///
/// Links, folders and other names are left out.
pub(crate) fn archives(path: &Path) -> io::Result<Vec<Archive>> {
    let mut found = names_of_archives(path)?;
    found.retain(|(_, is_file)| *is_file);
    Ok(found.into_iter().map(|(archive, _)| archive).collect())
}

/// Says which archives of the bus at `path` should be there and are not to be read.
///
/// An archive that is a link or no file, and a hole in the numbers. Archives that
/// came before all others may have been deleted on purpose.
pub(crate) fn missing(path: &Path) -> io::Result<Vec<String>> {
    let found = names_of_archives(path)?;
    let mut missing: Vec<String> = found
        .iter()
        .filter(|(_, is_file)| !is_file)
        .map(|(archive, _)| {
            let name = archive.path.file_name().unwrap_or_default();
            format!("{} is no regular file", name.to_string_lossy())
        })
        .collect();
    let numbers = found.iter().map(|(archive, _)| archive.order.0);
    let numbered: Vec<u64> = numbers.filter(|&number| number > 0).collect();
    for pair in numbered.windows(2) {
        let (first, last) = (pair[0] + 1, pair[1].saturating_sub(1));
        if first == last {
            missing.push(format!("archive number {first} is not there"));
        } else if first < last {
            missing.push(format!("archives number {first} to {last} are not there"));
        }
    }
    Ok(missing)
}

/// Tells whether `other` has the name of an archive of the bus at `path`, beside it.
pub(crate) fn is_archive_of(path: &Path, other: &Path) -> bool {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    match (name(path), name(other)) {
        (Some(bus), Some(name)) => {
            path.parent() == other.parent() && parse_name(&bus, &name).is_some()
        }
        _ => false,
    }
}

/// Lists what has the name of an archive, in their order, and whether it is a file.
fn names_of_archives(path: &Path) -> io::Result<Vec<(Archive, bool)>> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let bus_name = path.file_name().unwrap_or_default().to_string_lossy();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let order = name.to_str().and_then(|name| parse_name(&bus_name, name));
        if let Some(order) = order {
            let archive = Archive {
                path: entry.path(),
                inode: entry.ino(),
                order,
            };
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            found.push((archive, is_file));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.order.cmp(&b.order));
    Ok(found)
}

/// Moves the bus at `path` aside; the caller holds its lock. Returns the new path.
pub(crate) fn rotate(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let last = archives(path)?.last().map_or(0, |last| last.order.0);
    let stamp = cl_storage::id::stamp(now);
    for number in last + 1..=last + TRIES {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{stamp}-{number:06}{ARCHIVE_SUFFIX}"));
        let target = path.with_file_name(name);
        match durable::rename_no_replace(path, &target) {
            Ok(()) => return Ok(target),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other(format!(
        "{TRIES} names of archives in a row were taken"
    )))
}

/// Returns number and time of an archive's name; `None` if it is none of this bus.
fn parse_name(bus_name: &str, name: &str) -> Option<(u64, String)> {
    let middle = name
        .strip_prefix(bus_name)?
        .strip_prefix('.')?
        .strip_suffix(ARCHIVE_SUFFIX)?;
    let stamp = middle.get(..15)?;
    let is_stamp = stamp.bytes().enumerate().all(|(at, b)| match at {
        8 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    let number = match &middle[15..] {
        "" => 0,
        rest => rest.strip_prefix('-')?.parse().ok()?,
    };
    // Nobody rotates that often: the name was made by hand, and there must be room above.
    let is_stamp = is_stamp && number <= LARGEST_NUMBER;
    is_stamp.then(|| (number, stamp.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(name: &str, expected: Option<u64>) {
        let found = parse_name("BUS.md", name);
        assert_eq!(found.map(|(number, _)| number), expected, "{name}");
    }

    #[test]
    fn names() {
        check_name("BUS.md.20260201-100000-000007.archived", Some(7));
        check_name("BUS.md.20260201-100000-1000000.archived", Some(1_000_000));
        check_name("BUS.md.20260201-100000.archived", Some(0));
        check_name("BUS.md.20260201.archived", None);
        check_name("BUS.md.20260201-100000-x.archived", None);
        check_name("BUS.md.20260201-100000-7", None);
        check_name("OTHER.md.20260201-100000-7.archived", None);
        check_name("BUS.md.20260201-100000-18446744073709551615.archived", None);
        check_name("BUS.md", None);
    }

    #[test]
    fn the_number_and_not_the_clock_gives_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("BUS.md");
        let names = [
            "BUS.md.20260101-000000.archived",
            "BUS.md.20260201-100000-000001.archived",
            "BUS.md.20200101-000000-000002.archived",
        ];
        for name in names.iter().rev() {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("BUS.md.20260201-100000-000009.archived")).unwrap();
        fs::write(&path, "now").unwrap();
        let now = "2019-01-01T00:00:00Z".parse().unwrap();
        let rotated = rotate(&path, now).unwrap();
        let found: Vec<_> = archives(&path)
            .unwrap()
            .into_iter()
            .map(|archive| archive.path)
            .collect();
        let expected: Vec<_> = names.map(|name| folder.path().join(name)).to_vec();
        assert_eq!(found[..3], expected);
        assert_eq!(found[3], rotated);
        assert_eq!(fs::read(rotated).unwrap(), b"now");
    }
}
