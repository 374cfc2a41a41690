//! Turns that record nothing.

#![expect(
    clippy::unused_self,
    reason = "the same calls as those of turns that record"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use crate::durable::SyncPoint;

/// The right to change something; there is no need for it outside of tests.
pub(crate) struct Turn;

impl Turn {
    #[inline]
    pub(crate) fn take() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn made_folder(&mut self, _path: &Path) {}

    #[inline]
    pub(crate) fn made_file(&mut self, _path: &Path, _file: &File) {}

    #[inline]
    pub(crate) fn appended(&mut self, _file: &File, _bytes: &[u8]) {}

    #[inline]
    pub(crate) fn wrote(&mut self, _file: &File, _offset: u64, _bytes: &[u8]) {}

    #[inline]
    pub(crate) fn cut(&mut self, _file: &File, _size: u64) {}

    #[inline]
    pub(crate) fn renamed(&mut self, _from: &Path, _to: &Path) {}

    #[inline]
    pub(crate) fn removed(&mut self, _path: &Path) {}

    #[inline]
    pub(crate) fn renamed_inside(&mut self, _folder: &File, _from: &OsStr, _to: &OsStr) {}

    #[inline]
    pub(crate) fn removed_inside(&mut self, _folder: &File, _name: &OsStr) {}

    #[inline]
    pub(crate) fn synced(&mut self, _file: &File, _point: SyncPoint) {}
}
