//! The monitor's files in the project's folder: who it is, and what it has started.
//!
//! `.monitor.pid` is locked for as long as the monitor lives, and the lock alone
//! says that there is one: the kernel frees it however the process ends. What the
//! file says is for people. `.monitor-state.yaml` counts the starts of each task, so
//! that a crash loop ends although the monitor itself is started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cl_storage::durable::{self, Mode};
use cl_storage::lock::HeldLock;
use cl_storage::process::{ProcessIdentity, ProcessStart};
use cl_storage::record;
use cl_storage::{ProjectDir, Root, TaskId, yaml};
use jiff::Timestamp;

use crate::error::CliError;

/// Somebody who asks whether there is a monitor holds the lock for a moment.
const LOCK_WAIT: Duration = Duration::from_millis(500);

const KNOWN_VERSION: u32 = 1;

/// What `.monitor.pid` says.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Nameplate {
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
}

/// Returns the path of the lock of `project`.
pub(super) fn lock_path(project: &ProjectDir) -> PathBuf {
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
        let me = ProcessIdentity::current().map_err(failed)?;
        let plate = Nameplate {
            pid: me.pid,
            process_start: me.start,
            started_at: now,
            todo,
            host: host(),
        };
        let text = yaml::to_text(&plate).map_err(|error| failed(std::io::Error::other(error)))?;
        durable::overwrite(lock.file(), text.as_bytes()).map_err(failed)?;
        Ok(Self { lock })
    }

    /// Tells whether the project's folder and the lock in it are those that were taken.
    pub(super) fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }

    /// Ends being the monitor.
    pub(super) fn leave(self) {
        // Nobody believes the text without the lock.
        durable::overwrite(self.lock.file(), b"").unwrap_or_default();
    }
}

/// Whether a project has a monitor.
#[derive(Debug)]
pub(super) enum Who {
    /// It has none.
    Nobody,
    /// It has one that has not said yet who it is.
    Unnamed,
    /// This one.
    Named(Nameplate),
}

/// Returns who is the monitor of `project`.
pub(super) fn who(project: &ProjectDir) -> Result<Who, CliError> {
    let path = lock_path(project);
    if !path.is_file() {
        return Ok(Who::Nobody);
    }
    match HeldLock::acquire(&path, Mode::Shared, Duration::ZERO) {
        Ok(_) => Ok(Who::Nobody),
        Err(error) if error.is_timeout() => Ok(nameplate(project).map_or(Who::Unnamed, Who::Named)),
        Err(error) => Err(CliError::failed("could not look at the lock").caused_by(error)),
    }
}

fn nameplate(project: &ProjectDir) -> Option<Nameplate> {
    let text = std::fs::read_to_string(lock_path(project)).ok()?;
    yaml::parse(&text).ok()
}

fn running_already(project: &ProjectDir) -> CliError {
    let plate = nameplate(project);
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
