//! How much room is left on the disk, and whether it is enough.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;
use std::path::Path;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// Below this many free bytes a warning is due: 1 GiB.
pub const LOW_BYTES: u64 = 1 << 30;
/// Below this many free bytes no task is started: 100 MiB.
pub const LEAST_BYTES: u64 = 100 << 20;

/// Whether the free room is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is.
    Enough,
    /// Not for long.
    Low,
    /// Nothing new should be begun.
    TooLittle,
}

impl Room {
    /// Judges a number of free bytes.
    pub fn of(free_bytes: u64) -> Self {
        match free_bytes {
            0..LEAST_BYTES => Self::TooLittle,
            LEAST_BYTES..LOW_BYTES => Self::Low,
            LOW_BYTES.. => Self::Enough,
        }
    }
}

/// Returns how many bytes may still be written below `path`, which may not exist yet.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    system::free_bytes(nearest(path))
}

/// Returns the nearest thing at or above `path` that exists.
fn nearest(path: &Path) -> &Path {
    path.ancestors()
        .find(|above| above.exists())
        .unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_belong_to_the_better_side() {
        for (free, room) in [
            (0, Room::TooLittle),
            (LEAST_BYTES - 1, Room::TooLittle),
            (LEAST_BYTES, Room::Low),
            (LOW_BYTES - 1, Room::Low),
            (LOW_BYTES, Room::Enough),
            (u64::MAX, Room::Enough),
        ] {
            assert_eq!(Room::of(free), room, "{free}");
        }
    }

    #[test]
    fn a_root_to_be_made_is_measured_where_it_will_be() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("a/b")).unwrap() > 0);
    }
}
