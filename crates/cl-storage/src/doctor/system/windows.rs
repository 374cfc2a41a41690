//! The kind of the drive; never run on Windows.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use windows_sys::Win32::System::WindowsProgramming::{DRIVE_RAMDISK, DRIVE_REMOTE};

use super::Kind;
use crate::win32;

pub(super) fn kind_of(path: &Path) -> io::Result<Kind> {
    Ok(match win32::drive_type(path)? {
        DRIVE_REMOTE => Kind::Network("a network drive"),
        DRIVE_RAMDISK => Kind::Passing("a RAM disk"),
        _ => Kind::Local,
    })
}

/// Access lists are not judged: who may look into a root is not known here.
pub(in crate::doctor) fn open_bits(_meta: &Metadata) -> Option<u32> {
    None
}
