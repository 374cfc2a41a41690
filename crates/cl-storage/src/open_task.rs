//! A task's folder, opened once and listed once, so that a look at a task costs few system calls.
//!
//! Names that were not listed are not asked for again: the look is one of the
//! moment of the listing, and the content of what was listed is read after it.

use std::ffi::OsStr;
use std::io;

use jiff::Timestamp;

use crate::folder::OpenFolder;
use crate::id::RunId;
use crate::layout::{TASK_CONFIG, TaskDir};
use crate::look::{Kind, Look};
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
    folder: Option<OpenFolder>,
    /// What stands under each of [`NAMES`].
    listed: [Option<Kind>; NAMES.len()],
}

impl<'a> OpenTask<'a> {
    /// Opens the folder of `task` and looks at what is there.
    pub(crate) fn open(task: &'a TaskDir) -> io::Result<Self> {
        let mut open = Self {
            task,
            folder: None,
            listed: [None; NAMES.len()],
        };
        let folder = match OpenFolder::open(task.path()) {
            Ok(folder) => folder,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(open),
            Err(e) => return Err(e),
        };
        folder.each(|name, kind| {
            let place = NAMES.iter().position(|known| OsStr::new(known) == name);
            if let Some(place) = place {
                open.listed[place] = Some(kind);
            }
        })?;
        open.folder = Some(folder);
        Ok(open)
    }

    /// Tells whether there is a folder.
    pub(crate) fn exists(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns the folder if `name` was listed in it.
    fn folder_with(&self, name: &str) -> Option<&OpenFolder> {
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
            (Some(Kind::Unknown), Some(folder)) => match folder.look(OsStr::new(name))? {
                Some(look) => look.kind,
                None => return Ok(Presence::Absent),
            },
            (Some(kind), _) => kind,
        };
        Ok(if kind == Kind::File {
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
        match read_at(folder, name, &path)? {
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
        match read_at(folder, TASK_CONFIG, &path)? {
            Some(text) => TaskConfig::parse(&text).map_err(RecordError::malformed(&path())),
            None => Ok(TaskConfig::default()),
        }
    }

    /// Lists the runs, sorted by id; `None` where only a look by path can tell what is wrong.
    pub(crate) fn runs(&self) -> Option<Vec<RunId>> {
        let Some(folder) = &self.folder else {
            return Some(Vec::new());
        };
        let runs = match folder.child("runs") {
            Ok(runs) => runs,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Some(Vec::new()),
            Err(_) => return None,
        };
        let (mut found, mut is_told) = (Vec::new(), true);
        let listed = runs.each(|name, kind| {
            let Some(Ok(id)) = name.to_str().map(RunId::parse) else {
                return;
            };
            match kind {
                Kind::Folder => found.push(id),
                Kind::Unknown => is_told = false,
                _ => {}
            }
        });
        found.sort();
        (listed.is_ok() && is_told).then_some(found)
    }

    /// Reads the text of a run's record; `None` if it does not exist.
    pub(crate) fn run_record(&self, run: &RunId) -> Result<Option<String>, RecordError> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let name = record_of(run);
        let path = || self.task.path().join(&name);
        read_at(folder, &name, &path)
    }

    /// Returns when `name` was last changed, in whole seconds: fractions are the file system's, not the user's.
    pub(crate) fn modified(&self, name: &str) -> Option<Timestamp> {
        let is_known = NAMES.contains(&name);
        let folder = if is_known {
            self.folder_with(name)?
        } else {
            self.folder.as_ref()?
        };
        let look = if name.is_empty() {
            Look::of(folder.file()).ok()?
        } else {
            folder.look(OsStr::new(name)).ok()??
        };
        Timestamp::from_second(look.modified.0).ok()
    }
}

/// The path of a run's record below its task's folder.
pub(crate) fn record_of(run: &RunId) -> String {
    format!("runs/{run}/{}", crate::layout::RUN_INFO)
}

fn read_at(
    folder: &OpenFolder,
    name: &str,
    path: &dyn Fn() -> std::path::PathBuf,
) -> Result<Option<String>, RecordError> {
    match folder.open_file(OsStr::new(name)) {
        Ok(file) => record::text_of(file, path).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(RecordError::io(&path())(e)),
    }
}
