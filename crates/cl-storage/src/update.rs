//! How far a server has come with replacing its own program.
//!
//! `<root>/.conductor/update.json` is written before each step that a crash could interrupt;
//! whoever serves the root next reads it and goes on or back. Only the server of the root
//! writes it.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::{Root, record};

/// Format of the file that this build writes.
const VERSION: u32 = 1;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateStep {
    /// The name may lead to either build; the new one has not shown yet that it is well.
    Applying,
    /// The new build serves.
    Done,
    /// The old build serves.
    Failed,
}

/// The content of `update.json`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UpdateJournal {
    /// Format of the file.
    pub version: u32,
    /// How far it has come.
    pub step: UpdateStep,
    /// The name under which the program is started; it leads to one of the two builds.
    pub link: PathBuf,
    /// The old build.
    pub old: PathBuf,
    /// The new build.
    pub new: PathBuf,
    /// What was asked for.
    pub candidate: PathBuf,
    /// The port that the new build must listen on.
    pub port: u16,
    /// How often the new build was started to serve.
    pub tries: u32,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the new build was put in place.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
}

impl UpdateJournal {
    /// The format that this build writes.
    pub const VERSION: u32 = VERSION;

    /// Reads how far the last update of `root` has come; none if there was none.
    ///
    /// Fails with `InvalidData` for a damaged file and for one of a newer format.
    pub fn read(root: &Root) -> io::Result<Option<Self>> {
        let text = record::read_text(&path(root)).map_err(io::Error::other)?;
        let Some(text) = text else { return Ok(None) };
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let journal: Self =
            serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if journal.version > VERSION {
            return Err(invalid(format!("format {} is newer", journal.version)));
        }
        Ok(Some(journal))
    }

    /// Replaces the file; returns after that is on disk.
    pub fn write(&self, root: &Root) -> io::Result<()> {
        root.ensure_conductor_folder()?;
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        durable::replace(&path(root), &text, Mode::Private)
    }
}

/// Lets the name `link` lead to `target`, in one step: at every moment it leads to a program.
///
/// Returns after that is on disk.
pub fn switch(link: &Path, target: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (link.parent(), link.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(".switch");
    let beside = folder.join(beside);
    // Of a switch that was interrupted.
    durable::discard(&beside).ok();
    std::os::unix::fs::symlink(target, &beside)?;
    durable::rename(&beside, link)
}

fn path(root: &Root) -> PathBuf {
    root.conductor_folder().join("update.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_one_and_then_to_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("program"), "zero").unwrap();
        std::fs::write(at("one"), "one").unwrap();
        std::fs::write(at("two"), "two").unwrap();
        let read = || std::fs::read_to_string(at("program")).unwrap();
        switch(&at("program"), &at("one")).unwrap();
        assert_eq!(read(), "one");
        // What an interrupted one has left is in nobody's way.
        std::os::unix::fs::symlink("nowhere", at(".program.switch")).unwrap();
        switch(&at("program"), &at("two")).unwrap();
        assert_eq!(read(), "two");
    }

    #[test]
    fn journals_are_read_back_and_newer_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        assert_eq!(UpdateJournal::read(&root).unwrap(), None);
        let at: Timestamp = "2026-02-03T04:05:06Z".parse().unwrap();
        let mut journal = UpdateJournal {
            version: VERSION,
            step: UpdateStep::Applying,
            link: "/l".into(),
            old: "/o".into(),
            new: "/n".into(),
            candidate: "/c".into(),
            port: 7,
            tries: 0,
            requested_at: at,
            started_at: at,
            finished_at: None,
            error: None,
        };
        journal.write(&root).unwrap();
        assert_eq!(UpdateJournal::read(&root).unwrap(), Some(journal.clone()));
        journal.version = VERSION + 1;
        journal.write(&root).unwrap();
        assert!(UpdateJournal::read(&root).is_err());
    }
}
