//! The record of one run, `run-info.yaml`.
//!
//! Names, order and types of the first 22 keys are those of the earlier
//! implementation, whose tools read our files and whose files we read; our own
//! keys follow and are optional. A record is only rewritten under its lock, by
//! temporary file and rename; top-level keys that this build does not know
//! survive a rewrite verbatim. A record with a newer `version` is read as far as
//! it can be understood and never rewritten.

mod format;

use jiff::Timestamp;

use crate::durable::{self, Mode};
use crate::failure::{Failure, Usage};
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::{LayoutError, RunDir, TaskDir};
use crate::lock::{self, LockError};
use crate::process::ProcessStart;
use crate::record::{self, RecordError};

/// The newest format of run records that this build writes.
pub const KNOWN_VERSION: u32 = 1;

/// The status of a run as it stands on disk.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Not ended, as far as its owner has recorded.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Never recorded; only made up by readers.
    Unknown,
}

impl RunStatus {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text.trim() {
            "running" => Self::Running,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            _ => Self::Unknown,
        }
    }
}

/// How far a run that is not ended has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for a run slot.
    Queued,
    /// Is being made ready; no agent process is recorded yet.
    Preparing,
    /// The agent runs.
    Running,
    /// The agent has ended; results are being stored. Only written where that takes a while.
    Finalizing,
}

impl Phase {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Finalizing => "finalizing",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Preparing,
            Self::Running,
            Self::Finalizing,
        ]
        .into_iter()
        .find(|phase| phase.as_str() == text.trim())
    }
}

/// How a run was stopped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StopRecord {
    /// When the stop was asked for.
    pub requested_at: Timestamp,
    /// Who asked.
    pub by: String,
    /// Processes of the run that were still alive at the end.
    pub survivors: u32,
    /// From the request to the verified end, in milliseconds.
    pub took_ms: u64,
}

/// The record of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    /// Format of the record; 0 for records made up by readers.
    pub version: u32,
    /// The run.
    pub run_id: RunId,
    /// The run that launched this one, maybe of another task.
    pub parent_run_id: Option<RunId>,
    /// The attempt before this one.
    pub previous_run_id: Option<RunId>,
    /// The project.
    pub project_id: ProjectId,
    /// The task.
    pub task_id: TaskId,
    /// The kind of agent, lower case.
    pub agent: String,
    /// Whether the process is only observed and must not be signalled.
    pub is_external: bool,
    /// The agent's process; the supervisor's while none is recorded; 0 if there is none.
    pub pid: i32,
    /// The agent's process group.
    pub pgid: i32,
    /// When the run was created; `None` if a foreign record does not say.
    pub start_time: Option<Timestamp>,
    /// When the run ended.
    pub end_time: Option<Timestamp>,
    /// Exit code, 128 + signal for a killed agent; -1 while running or unknown.
    pub exit_code: i32,
    /// The recorded status.
    pub status: RunStatus,
    /// Working folder of the agent.
    pub cwd: String,
    /// The full prompt.
    pub prompt_path: String,
    /// The final answer.
    pub output_path: String,
    /// The agent's raw standard output.
    pub stdout_path: String,
    /// The agent's raw standard error.
    pub stderr_path: String,
    /// The command line for people; not quoted, without secrets.
    pub commandline: String,
    /// One line about a failure.
    pub error_summary: String,
    /// What the agent's program said of its version.
    pub agent_version: String,
    /// How far an unfinished run has come.
    pub phase: Option<Phase>,
    /// The configured name of the agent.
    pub agent_name: String,
    /// Which attempt of its task this is, from 1.
    pub attempt: Option<u32>,
    /// How many tasks stand above this one.
    pub depth: Option<u32>,
    /// Start token of `pid`.
    pub process_start: Option<ProcessStart>,
    /// The supervisor's process.
    pub supervisor_pid: Option<i32>,
    /// Start token of the supervisor.
    pub supervisor_start: Option<ProcessStart>,
    /// The command line as a list.
    pub argv: Vec<String>,
    /// Provider behind a REST agent.
    pub backend_provider: String,
    /// Model that answered.
    pub backend_model: String,
    /// The agent's own conversation id.
    pub session_id: String,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What it used.
    pub usage: Option<Usage>,
    /// How it was stopped.
    pub stop: Option<StopRecord>,
    /// What it is for within a series of runs of its task: `implement`, `review`, `stage`.
    pub role: String,
    /// Which round or stage of the series it belongs to.
    pub iteration: Option<u32>,
    /// The gate that refused the claim to be done which this run left.
    pub rejected_by: String,
    /// Top-level keys that this build does not know, verbatim.
    pub unknown: String,
}

impl RunInfo {
    /// Returns the record of a run that is being made ready in `run`.
    pub fn preparing(run: &RunDir, agent: &str, now: Timestamp) -> Self {
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        Self {
            version: KNOWN_VERSION,
            agent: agent.to_owned(),
            start_time: Some(now),
            status: RunStatus::Running,
            prompt_path: text(run.prompt()),
            output_path: text(run.output()),
            stdout_path: text(run.stdout()),
            stderr_path: text(run.stderr()),
            phase: Some(Phase::Preparing),
            ..Self::unknown(run)
        }
    }

    /// Returns what readers show for a run folder without a record.
    pub fn unknown(run: &RunDir) -> Self {
        Self {
            version: 0,
            run_id: run.id().clone(),
            parent_run_id: None,
            previous_run_id: None,
            project_id: run.task().project().clone(),
            task_id: run.task().id().clone(),
            agent: String::new(),
            is_external: false,
            pid: 0,
            pgid: 0,
            start_time: None,
            end_time: None,
            exit_code: -1,
            status: RunStatus::Unknown,
            cwd: String::new(),
            prompt_path: String::new(),
            output_path: String::new(),
            stdout_path: String::new(),
            stderr_path: String::new(),
            commandline: String::new(),
            error_summary: String::new(),
            agent_version: String::new(),
            phase: None,
            agent_name: String::new(),
            attempt: None,
            depth: None,
            process_start: None,
            supervisor_pid: None,
            supervisor_start: None,
            argv: Vec::new(),
            backend_provider: String::new(),
            backend_model: String::new(),
            session_id: String::new(),
            failure: None,
            usage: None,
            stop: None,
            role: String::new(),
            iteration: None,
            rejected_by: String::new(),
            unknown: String::new(),
        }
    }

    /// Tells whether this is what readers show where no record is.
    pub fn is_made_up(&self) -> bool {
        self.version == 0 && self.status == RunStatus::Unknown && self.agent.is_empty()
    }

    /// Reads the record of `run`; `None` if there is none.
    ///
    /// Ids that are missing are taken from the path. A newer format is read as
    /// far as possible; look at `version`.
    pub fn read(run: &RunDir) -> Result<Option<Self>, RecordError> {
        let path = run.info();
        let Some(text) = record::read_text(&path)? else {
            return if run.task().is_flat() {
                crate::legacy::read(run)
            } else {
                Ok(None)
            };
        };
        Self::parse(&text, run).map(Some)
    }

    /// Reads the text of the record of `run`.
    pub(crate) fn parse(text: &str, run: &RunDir) -> Result<Self, RecordError> {
        format::parse(text, run).map_err(|error| RecordError::malformed(&run.info())(error))
    }

    /// Returns the record as it is written.
    pub fn to_yaml(&self) -> String {
        format::to_yaml(self)
    }

    /// Tells whether the record names an agent process, not only the supervisor.
    pub fn has_agent_process(&self) -> bool {
        self.pid > 0 && !matches!(self.phase, Some(Phase::Queued | Phase::Preparing))
    }

    /// Returns the supervisor that made the run; `None` if the record does not identify it.
    pub fn supervisor(&self) -> Option<crate::process::ProcessIdentity> {
        Some(crate::process::ProcessIdentity {
            pid: self.supervisor_pid?,
            start: self.supervisor_start.clone()?,
        })
    }

    /// Tells whether the recorded process is alive, by identity.
    ///
    /// False for records without an agent process, where only the owner or a
    /// scan for the run's environment marker can tell.
    pub fn agent_is_alive(&self) -> bool {
        let recorded_at = self.start_time.unwrap_or(Timestamp::UNIX_EPOCH);
        self.has_agent_process()
            && crate::process::is_alive(self.pid, self.process_start.as_ref(), recorded_at)
    }

    /// Returns the time by which runs are sorted.
    pub fn sort_time(&self) -> Timestamp {
        self.start_time
            .or_else(|| self.run_id.started_at())
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Why a run record could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The record's lock was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The record could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Begins a run of `task` that starts at `now` with the record that `first` makes.
///
/// Only for the task's owner. Returns after folder and record are on disk; nobody
/// ever sees the one without the other.
pub fn begin(
    task: &TaskDir,
    now: Timestamp,
    first: impl FnOnce(&RunDir) -> RunInfo,
) -> Result<(RunDir, RunInfo), LayoutError> {
    begin_as(task, RunId::generate(now), first)
}

/// Begins a run with the id that was promised for it, as [`begin`] does otherwise.
pub fn begin_as(
    task: &TaskDir,
    id: RunId,
    first: impl FnOnce(&RunDir) -> RunInfo,
) -> Result<(RunDir, RunInfo), LayoutError> {
    let mut info = None;
    let run = task.create_recorded_run(id, |run| info.insert(first(run)).to_yaml())?;
    let info = info.unwrap_or_else(|| RunInfo::unknown(&run));
    Ok((run, info))
}

/// Writes the first record of `run`; returns after it is on disk.
pub fn create(run: &RunDir, info: &RunInfo) -> Result<(), ChangeError> {
    locked(run, || write(run, info, durable::replace))
}

/// Changes the record of `run` under its lock; returns the new one after it is on disk.
///
/// A missing record is changed as an unknown one. A record of a newer format is
/// left alone.
pub fn update(run: &RunDir, change: impl FnOnce(&mut RunInfo)) -> Result<RunInfo, ChangeError> {
    update_with(run, change, durable::replace)
}

/// Changes the record of a run that goes on, as [`update`] does, but a loss of power
/// may bring the record before it back, whole.
///
/// For phase and processes: the machine takes the processes along, and then every
/// phase before the end means the same. Whoever ends a run uses [`update`].
pub fn update_for_now(
    run: &RunDir,
    change: impl FnOnce(&mut RunInfo),
) -> Result<RunInfo, ChangeError> {
    update_with(run, change, durable::replace_for_now)
}

fn update_with(
    run: &RunDir,
    change: impl FnOnce(&mut RunInfo),
    replace: durable::Replace,
) -> Result<RunInfo, ChangeError> {
    locked(run, || {
        let mut info = RunInfo::read(run)?.unwrap_or_else(|| RunInfo::unknown(run));
        if info.version > KNOWN_VERSION {
            let (path, found) = (run.info(), info.version);
            return Err(RecordError::TooNew {
                path,
                found,
                known: KNOWN_VERSION,
            });
        }
        change(&mut info);
        info.version = KNOWN_VERSION;
        write(run, &info, replace)?;
        Ok(info)
    })
}

fn locked<T>(
    run: &RunDir,
    operation: impl FnOnce() -> Result<T, RecordError>,
) -> Result<T, ChangeError> {
    Ok(lock::with_lock_file(
        &run.info_lock(),
        lock::SHORT_WAIT,
        operation,
    )??)
}

fn write(run: &RunDir, info: &RunInfo, replace: durable::Replace) -> Result<(), RecordError> {
    let path = run.info();
    replace(&path, info.to_yaml().as_bytes(), Mode::Shared).map_err(RecordError::io(&path))
}
