//! The monitor's files in the project's folder: who it is, and what it has started.
//!
//! `.monitor.lock` is locked for as long as the monitor lives, and the lock alone keeps
//! a second one away: the kernel frees it however the process ends. `.monitor.pid` says
//! who it is, to people and to `--status`, which judges by that process and never takes
//! the lock: a monitor that starts meanwhile must not be turned away.
//! `.monitor-state.yaml` counts the starts of each task, so that a crash loop ends
//! although the monitor itself is started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cl_storage::durable::{self, Mode};
use cl_storage::lock::HeldLock;
use cl_storage::process::{ProcessIdentity, ProcessStart};
use cl_storage::record::{self, RecordError};
use cl_storage::{ProjectDir, Root, TaskId};
use jiff::Timestamp;

use crate::error::CliError;

/// Nobody but a monitor takes the lock, so whoever does not get it soon never will.
const LOCK_WAIT: Duration = Duration::from_millis(50);

const KNOWN_VERSION: u32 = 1;

/// What `.monitor.pid` says.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Nameplate {
    version: u32,
    pub(super) pid: i32,
    pub(super) process_start: ProcessStart,
    pub(super) started_at: Timestamp,
    pub(super) todo: PathBuf,
    pub(super) host: String,
}

/// The one monitor of a project.
#[derive(Debug)]
pub(super) struct Post {
    lock: HeldLock,
    plate: PathBuf,
}

/// Returns the path of the lock of `project`.
pub(super) fn lock_path(project: &ProjectDir) -> PathBuf {
    project.path().join(".monitor.lock")
}

fn plate_path(project: &ProjectDir) -> PathBuf {
    project.path().join(".monitor.pid")
}

impl Post {
    /// Becomes the monitor of `project`, or says who is.
    pub(super) fn take(
        root: &Root,
        project: &ProjectDir,
        todo: PathBuf,
        now: Timestamp,
    ) -> Result<Self, CliError> {
        root.ensure()?;
        let failed = |error: std::io::Error| {
            CliError::failed(format!("could not become the monitor of {}", project.id()))
                .caused_by(error)
        };
        durable::create_folders(project.path(), Mode::Shared).map_err(failed)?;
        let path = lock_path(project);
        let lock = HeldLock::acquire(&path, Mode::Shared, LOCK_WAIT).map_err(|error| {
            if error.is_timeout() {
                running_already(project)
            } else {
                failed(std::io::Error::other(error))
            }
        })?;
        let plate = plate_path(project);
        // Monitors of earlier builds lock the nameplate itself.
        match HeldLock::acquire(&plate, Mode::Shared, Duration::ZERO) {
            Ok(_) => {}
            Err(error) if error.is_timeout() => return Err(running_already(project)),
            Err(error) => return Err(failed(std::io::Error::other(error))),
        }
        let me = ProcessIdentity::current().map_err(failed)?;
        let named = Nameplate {
            version: KNOWN_VERSION,
            pid: me.pid,
            process_start: me.start,
            started_at: now,
            todo,
            host: host(),
        };
        record::write(&plate, &named, Mode::Shared)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(Self { lock, plate })
    }

    /// Tells whether the project's folder and the lock in it are those that were taken.
    pub(super) fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }

    /// Ends being the monitor.
    pub(super) fn leave(self) {
        // In a folder that was replaced, the nameplate is somebody else's. A name that
        // stays is the name of a process that is gone, which nobody believes.
        if self.is_in_place() {
            durable::replace(&self.plate, b"", Mode::Shared).unwrap_or_default();
        }
    }
}

/// Whether a project has a monitor.
#[derive(Debug)]
pub(super) enum Who {
    /// It has none.
    Nobody,
    /// It has, or had, one that a newer version of this program has named.
    Unnamed,
    /// This one.
    Named(Nameplate),
}

/// Returns who is the monitor of `project`. Takes no lock.
pub(super) fn who(project: &ProjectDir) -> Result<Who, CliError> {
    match read_plate(project) {
        Ok(Some(plate)) if plate.is_alive() => Ok(Who::Named(plate)),
        // What is damaged was not written by a monitor, which replaces it whole.
        Ok(_) | Err(RecordError::Malformed { .. }) => Ok(Who::Nobody),
        Err(RecordError::TooNew { .. }) => Ok(Who::Unnamed),
        Err(error) => Err(CliError::failed("could not look who is the monitor").caused_by(error)),
    }
}

impl Nameplate {
    fn is_alive(&self) -> bool {
        let monitor = ProcessIdentity {
            pid: self.pid,
            start: self.process_start.clone(),
        };
        monitor.is_alive()
    }
}

fn read_plate(project: &ProjectDir) -> Result<Option<Nameplate>, RecordError> {
    let path = plate_path(project);
    if record::read_text(&path)?.is_none_or(|text| text.trim().is_empty()) {
        return Ok(None);
    }
    record::read(&path, KNOWN_VERSION)
}

fn running_already(project: &ProjectDir) -> CliError {
    // One that has the lock already may not have said who it is; then an older name stands there.
    let plate = read_plate(project).ok().flatten();
    let plate = plate.filter(Nameplate::is_alive);
    let path = lock_path(project);
    let who = plate.as_ref().map_or_else(String::new, |plate| {
        format!(" (PID {}, since {})", plate.pid, plate.started_at)
    });
    let error = CliError::conflict(format!(
        "monitor already running for project \"{}\"{who}; lockfile: {}",
        project.id(),
        path.display()
    ));
    match plate {
        Some(plate) => error.hint(format!(
            "`kill {}` ends it and leaves its tasks alone",
            plate.pid
        )),
        None => error,
    }
}

fn host() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text.trim().to_owned()
}

/// What the monitor remembers of one task.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Memory {
    /// Starts in a row.
    pub(super) launches: u32,
    /// The launch that the last start made; empty if it was refused.
    #[serde(default)]
    pub(super) launch_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) launched_at: Option<Timestamp>,
    /// A person was called.
    #[serde(default)]
    pub(super) given_up: bool,
}

/// What the monitor remembers.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Memories {
    version: u32,
    #[serde(default)]
    pub(super) tasks: BTreeMap<TaskId, Memory>,
}

impl Memories {
    /// Reads what was remembered; a file that cannot be read is an error.
    pub(super) fn read(project: &ProjectDir) -> Result<Self, CliError> {
        let found = record::read(&path(project), KNOWN_VERSION).map_err(|error| {
            CliError::failed("could not read what the monitor has started")
                .caused_by(error)
                .hint("remove the file; the starts are then counted anew")
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Writes it; returns after it is on disk.
    pub(super) fn write(&mut self, project: &ProjectDir) -> Result<(), CliError> {
        self.version = KNOWN_VERSION;
        record::write(&path(project), self, Mode::Shared).map_err(|error| {
            CliError::failed("could not write down what the monitor starts").caused_by(error)
        })
    }
}

fn path(project: &ProjectDir) -> PathBuf {
    project.path().join(".monitor-state.yaml")
}
