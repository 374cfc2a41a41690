//! What the file system below a root can and cannot do.

use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{Code, Finding, Report};
use crate::durable::{self, Mode};
use crate::layout::Root;
use crate::space::{self, Room};

/// What is known of a file system by its magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing that speaks against it.
    Local,
    /// Other machines may change it behind our back.
    Network(&'static str),
    /// It goes with the machine or the container.
    Passing(&'static str),
}

/// The numbers are those of `statfs(2)`.
fn kind_of(magic: u64) -> Kind {
    match magic {
        0x6969 => Kind::Network("NFS"),
        0x517b => Kind::Network("SMB"),
        0xfe53_4d42 => Kind::Network("SMB2"),
        0xff53_4d42 => Kind::Network("CIFS"),
        0x5346_414f => Kind::Network("AFS"),
        0x00c3_6400 => Kind::Network("Ceph"),
        0x0102_1997 => Kind::Network("9P"),
        0x6573_5546 => Kind::Network("FUSE"),
        0x0102_1994 => Kind::Passing("tmpfs"),
        0x8584_58f6 => Kind::Passing("ramfs"),
        0x794c_7630 => Kind::Passing("overlay"),
        _ => Kind::Local,
    }
}

pub(super) fn examine(root: &Root, report: &mut Report) {
    let path = root.path();
    match rustix::fs::statfs(path) {
        Ok(stat) => kind(path, u64::try_from(stat.f_type).unwrap_or(0), report),
        Err(error) => report.add(Code::Unreadable, path, io::Error::from(error)),
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

fn kind(path: &Path, magic: u64, report: &mut Report) {
    match kind_of(magic) {
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
    let outcome = durable::open_append(&path, Mode::Private).and_then(|second| {
        flock(&first, FlockOperation::NonBlockingLockExclusive)?;
        match flock(&second, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    });
    durable::discard(&path)?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn file_systems_are_known_by_their_number() {
        for (magic, kind) in [
            (0x6969, Kind::Network("NFS")),
            (0xff53_4d42, Kind::Network("CIFS")),
            (0x0102_1994, Kind::Passing("tmpfs")),
            (0x794c_7630, Kind::Passing("overlay")),
            (0xef53, Kind::Local),
            (0, Kind::Local),
        ] {
            assert_eq!(kind_of(magic), kind, "{magic:x}");
        }
    }

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
