//! A task's folder, opened once and listed once, so that a look at a task costs few system calls.
//!
//! Names that were not listed are not asked for again: the look is one of the
//! moment of the listing, and the content of what was listed is read after it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::id::RunId;
use crate::layout::{TASK_CONFIG, TaskDir};
use crate::marker::{Marker, Markers, Presence};
use crate::record::{self, RecordError};
use crate::task_config::TaskConfig;

/// The names that a look at a task is about.
const NAMES: [&str; 8] = [
    "DONE",
    "CANCELLED",
    "STOP-REQUESTED",
    "owner.yaml",
    "task-state.yaml",
    "launch.yaml",
    TASK_CONFIG,
    crate::layout::TASK_BUS,
];

/// An open folder of a task, or none where there is no such folder.
pub(crate) struct OpenTask<'a> {
    task: &'a TaskDir,
    folder: Option<OwnedFd>,
    /// What stands under each of [`NAMES`].
    listed: [Option<FileType>; NAMES.len()],
}

impl<'a> OpenTask<'a> {
    /// Opens the folder of `task` and looks at what is there.
    pub(crate) fn open(task: &'a TaskDir) -> io::Result<Self> {
        let mut open = Self {
            task,
            folder: None,
            listed: [None; NAMES.len()],
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match rustix::fs::open(task.path(), flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(open),
            Err(e) => return Err(e.into()),
        };
        for entry in Dir::new(folder.try_clone()?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let place = NAMES.iter().position(|known| known.as_bytes() == name);
            if let Some(place) = place {
                open.listed[place] = Some(entry.file_type());
            }
        }
        open.folder = Some(folder);
        Ok(open)
    }

    /// Tells whether there is a folder.
    pub(crate) fn exists(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns the folder if `name` was listed in it.
    fn folder_with(&self, name: &str) -> Option<&OwnedFd> {
        let place = NAMES.iter().position(|known| *known == name)?;
        self.listed[place].and(self.folder.as_ref())
    }

    /// Looks at the markers.
    pub(crate) fn markers(&self, now: Timestamp) -> io::Result<Markers> {
        Markers::of(self.task, now, |marker| self.presence(marker))
    }

    fn presence(&self, marker: Marker) -> io::Result<Presence> {
        let name = marker.file_name();
        let place = NAMES.iter().position(|known| *known == name);
        let listed = place.and_then(|place| self.listed[place]);
        let kind = match (listed, &self.folder) {
            (None, _) | (_, None) => return Ok(Presence::Absent),
            // Some file systems do not say in a listing what an entry is.
            (Some(FileType::Unknown), Some(folder)) => {
                match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => return Ok(Presence::Absent),
                    Err(e) => return Err(e.into()),
                }
            }
            (Some(kind), _) => kind,
        };
        Ok(if kind == FileType::RegularFile {
            Presence::Present
        } else {
            Presence::NotAFile
        })
    }

    /// Reads the record `name`; `None` if there is none.
    pub(crate) fn record<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        known: u32,
    ) -> Result<Option<T>, RecordError> {
        let path = || self.task.path().join(name);
        let Some(folder) = self.folder_with(name) else {
            return Ok(None);
        };
        match read_at(folder, Path::new(name), &path)? {
            Some(text) => record::parse(&text, &path(), known).map(Some),
            None => Ok(None),
        }
    }

    /// Reads what was settled about the task; nothing if there is no file.
    pub(crate) fn config(&self) -> Result<TaskConfig, RecordError> {
        let path = || self.task.path().join(TASK_CONFIG);
        let Some(folder) = self.folder_with(TASK_CONFIG) else {
            return Ok(TaskConfig::default());
        };
        match read_at(folder, Path::new(TASK_CONFIG), &path)? {
            Some(text) => TaskConfig::parse(&text).map_err(RecordError::malformed(&path())),
            None => Ok(TaskConfig::default()),
        }
    }

    /// Lists the runs, sorted by id; `None` where only a look by path can tell what is wrong.
    pub(crate) fn runs(&self) -> Option<Vec<RunId>> {
        let Some(folder) = &self.folder else {
            return Some(Vec::new());
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let runs = match openat(folder, "runs", flags, Mode::empty()) {
            Ok(runs) => runs,
            Err(Errno::NOENT) => return Some(Vec::new()),
            Err(_) => return None,
        };
        let mut found = Vec::new();
        for entry in Dir::new(runs).ok()? {
            let entry = entry.ok()?;
            let Ok(id) = entry.file_name().to_str().map(RunId::parse) else {
                continue;
            };
            match (id, entry.file_type()) {
                (Ok(id), FileType::Directory) => found.push(id),
                (Ok(_), FileType::Unknown) => return None,
                _ => {}
            }
        }
        found.sort();
        Some(found)
    }

    /// Reads the text of a run's record; `None` if it does not exist.
    pub(crate) fn run_record(&self, run: &RunId) -> Result<Option<String>, RecordError> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let name = record_of(run);
        let path = || self.task.path().join(&name);
        read_at(folder, Path::new(&name), &path)
    }

    /// Returns when `name` was last changed, in whole seconds: fractions are the file system's, not the user's.
    pub(crate) fn modified(&self, name: &str) -> Option<Timestamp> {
        let is_known = NAMES.contains(&name);
        let folder = if is_known {
            self.folder_with(name)?
        } else {
            self.folder.as_ref()?
        };
        let stat = if name.is_empty() {
            rustix::fs::fstat(folder)
        } else {
            statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        };
        Timestamp::from_second(stat.ok()?.st_mtime).ok()
    }
}

/// The path of a run's record below its task's folder.
pub(crate) fn record_of(run: &RunId) -> String {
    format!("runs/{run}/{}", crate::layout::RUN_INFO)
}

fn read_at(
    folder: &OwnedFd,
    name: &Path,
    path: &dyn Fn() -> std::path::PathBuf,
) -> Result<Option<String>, RecordError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => record::text_of(File::from(file), path).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(RecordError::io(&path())(e.into())),
    }
}
