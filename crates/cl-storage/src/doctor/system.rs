//! What the file system below a root can and cannot do.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;
use std::path::Path;

use super::{Code, Finding, Report};
use crate::durable::{self, Mode};
use crate::layout::Root;
use crate::lock;
use crate::space::{self, Room};
#[cfg(unix)]
use unix as system;
#[cfg(unix)]
pub(super) use unix::open_bits;
#[cfg(windows)]
use windows as system;
#[cfg(windows)]
pub(super) use windows::open_bits;

/// What is known of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing that speaks against it.
    Local,
    /// Other machines may change it behind our back.
    Network(&'static str),
    /// It goes with the machine or the container.
    Passing(&'static str),
}

pub(super) fn examine(root: &Root, report: &mut Report) {
    let path = root.path();
    match system::kind_of(path) {
        Ok(found) => kind(path, found, report),
        Err(error) => report.add(Code::Unreadable, path, error),
    }
    match space::free_bytes(path) {
        Ok(free) => report.findings.extend(judge_room(path, free)),
        Err(error) => report.add(Code::Unreadable, path, error),
    }
    match locks_exclude(root) {
        Ok(true) => {}
        Ok(false) => report.add(Code::LocksDoNothing, path, "two holders had one lock"),
        Err(error) => report.add(Code::ReadOnly, path, error),
    }
}

fn kind(path: &Path, found: Kind, report: &mut Report) {
    match found {
        Kind::Local => {}
        Kind::Network(name) => report.add(Code::NetworkFileSystem, path, name),
        Kind::Passing(name) => report.add(Code::PassingFileSystem, path, name),
    }
}

fn judge_room(path: &Path, free: u64) -> Option<Finding> {
    let what = format!("{} MiB are free", free >> 20);
    match Room::of(free) {
        Room::Enough => None,
        Room::Low => Some(Finding::new(Code::LowSpace, path, what)),
        Room::TooLittle => Some(Finding::new(Code::NoSpace, path, what)),
    }
}

/// Tells whether a lock keeps a second holder out, by trying it on a file that is removed again.
///
/// Two openings in one process exclude each other just as two processes do.
fn locks_exclude(root: &Root) -> io::Result<bool> {
    let own = root.conductor_folder();
    let is_real = own.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let folder = if is_real { &own } else { root.path() };
    let name = format!(
        ".doctor-{}{}",
        crate::id::random_text(8),
        durable::TEMPORARY_SUFFIX
    );
    let path = folder.join(name);
    let first = durable::open_append(&path, Mode::Private)?;
    let outcome = durable::open_append(&path, Mode::Private)
        .and_then(|second| lock::excludes(&first, &second));
    durable::discard(&path)?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn little_room_is_a_warning_and_too_little_an_error() {
        let level = |free| judge_room(Path::new("/r"), free).map(|finding| finding.level);
        assert_eq!(level(2 << 30), None);
        assert_eq!(level(500 << 20), Some(Level::Warning));
        assert_eq!(level(99 << 20), Some(Level::Error));
    }

    #[test]
    fn the_lock_is_tried_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        assert!(locks_exclude(&root).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::create_dir(root.conductor_folder()).unwrap();
        assert!(locks_exclude(&root).unwrap());
        let left = std::fs::read_dir(root.conductor_folder()).unwrap();
        assert_eq!(left.count(), 0);
    }
}
