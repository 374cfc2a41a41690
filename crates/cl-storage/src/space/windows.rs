//! `GetDiskFreeSpaceExW`; never run on Windows.

use std::io;
use std::path::Path;

use crate::win32;

/// Returns how many bytes this user may still write on the volume of `path`.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    // The call wants a folder.
    let folder = match path.parent() {
        Some(above) if !path.is_dir() => above,
        _ => path,
    };
    win32::free_bytes(folder)
}
