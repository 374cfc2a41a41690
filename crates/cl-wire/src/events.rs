//! What event streams send.

use cl_storage::run_info::RunStatus;
use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::messages;
use crate::run::RunRow;
use crate::sse;
use crate::task::TaskRow;

/// The names of events, as they stand in `event:` lines.
pub mod name {
    /// A line of a run's streams.
    pub const LOG: &str = "log";
    /// The status of a run, on connecting and on each change.
    pub const STATUS: &str = "status";
    /// Nothing has happened, and the stream is alive.
    pub const HEARTBEAT: &str = "heartbeat";
    /// A message of a bus; also the name of an event that has none.
    pub const MESSAGE: &str = "message";
    /// Something below the root is another than before.
    pub const CHANGE: &str = "change";
    /// How large a followed file is.
    pub const GROWN: &str = "grown";
    /// What was followed is not what it was, or the place to resume from is unknown.
    pub const RESET: &str = "reset";
    /// The beginning of all that there is, told as changes.
    pub const SNAPSHOT: &str = "snapshot";
    /// All that there is was told; only what changes follows.
    pub const READY: &str = "ready";
    /// Nothing follows any more.
    pub const DONE: &str = "done";
    /// The stream ends early; its data say why.
    pub const ERROR: &str = "error";
}

/// A line of a run's streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "p")]
    pub project_id: Option<ProjectId>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "task-20260223-204858-docs-pass")]
    pub task_id: Option<TaskId>,
    /// Which of its streams.
    pub stream: Stream,
    /// The line without its end; bytes that are no UTF-8 are replaced.
    #[schema(example = "building")]
    pub line: String,
    /// When it was read.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T20:49:01.5Z")]
    pub timestamp: Timestamp,
    /// The line is longer than is sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// A stream of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The status of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunState {
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "p")]
    pub project_id: Option<ProjectId>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "task-20260223-204858-docs-pass")]
    pub task_id: Option<TaskId>,
    /// The status that holds now.
    #[schema(value_type = String, example = "completed")]
    pub status: RunStatus,
    /// How it ended; -1 while it runs.
    #[schema(example = 0)]
    pub exit_code: i32,
}

/// What was followed is not what it was, or the place to resume from is unknown.
///
/// What was shown of it is no longer what is on disk; what follows is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reset {
    /// `since_id_not_found`, `truncated`, `replaced` or `removed`.
    #[schema(example = "since_id_not_found")]
    pub reason: String,
    /// The run, where it is about a stream of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// Which of its streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
}

/// All that there is follows, told as changes, until [`name::READY`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The version of the view that is told.
    #[schema(example = 17)]
    pub version: u64,
    /// The `ETag` that listings of this version have.
    pub etag: String,
    /// The project; `null` where the whole root is told.
    #[schema(value_type = Option<String>)]
    pub project_id: Option<ProjectId>,
    /// How many projects follow.
    pub projects: usize,
    /// How many tasks follow.
    pub tasks: usize,
}

/// All that there is was told; only what changes follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// The version up to which it was told.
    #[schema(example = 17)]
    pub version: u64,
}

/// How a run ended; nothing follows any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunEnd {
    /// The status that holds.
    #[schema(value_type = String, example = "completed")]
    pub status: RunStatus,
    /// How it ended; -1 where nobody knows.
    #[schema(example = 0)]
    pub exit_code: i32,
}

/// Nothing has happened, and the stream is alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heartbeat {}

/// Something below the root is another than before.
///
/// Carries what it is now, so that whoever shows it need not ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// What has changed.
    pub what: Changed,
    /// The version of the view in which it has; grows with every change.
    #[schema(example = 17)]
    pub version: u64,
    /// The project; `null` where everything is to be asked for again.
    #[schema(value_type = Option<String>, example = "p")]
    pub project_id: Option<ProjectId>,
    /// The task, where the change is about one.
    #[schema(value_type = Option<String>, example = "task-20260223-204858-docs-pass")]
    pub task_id: Option<TaskId>,
    /// The task as it is now; `null` where it is gone.
    pub task: Option<Box<TaskRow>>,
    /// The run that counts as it is now.
    pub run: Option<Box<RunRow>>,
    /// The newest message, where the change is one.
    #[schema(value_type = Option<String>)]
    pub msg_id: Option<MessageId>,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// A task is there, or is another than before.
    Task,
    /// A task is gone.
    TaskGone,
    /// A project is there, or is another than before.
    Project,
    /// A project is gone.
    ProjectGone,
    /// A bus of the project or of the task has new messages.
    Bus,
    /// Changes were missed: ask for everything again.
    Reset,
}

/// How large a followed file is now; what is new in it is fetched by its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grown {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// The name of the file.
    #[schema(example = "stdout")]
    pub file: String,
    /// Its size in bytes; 0 where there is none.
    #[schema(example = 4711)]
    pub size: u64,
    /// Another one for another file of this name; `null` where there is no file.
    #[schema(example = "fd00-2a41-18b2c3")]
    pub identity: Option<String>,
    /// When it was written last; `null` where there is no file.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T21:03:10Z")]
    pub modified: Option<Timestamp>,
    /// It is not the file that was told before, or has become shorter: what was read of it
    /// counts no more.
    pub replaced: bool,
}

/// An event of a stream, understood.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A line of a run's streams.
    Log(LogLine),
    /// The status of a run.
    Status(RunState),
    /// Nothing has happened.
    Heartbeat,
    /// A message of a bus.
    Message(Box<messages::Item>),
    /// Something below the root is another than before.
    Change(Box<Change>),
    /// How large a followed file is.
    Grown(Box<Grown>),
    /// What was followed is not what it was, or the place to resume from is unknown.
    Reset(Reset),
    /// All that there is follows.
    Snapshot(Box<Snapshot>),
    /// All that there is was told.
    Ready(Ready),
    /// Text of a file.
    Chunk(String),
    /// Nothing follows any more.
    Done(String),
    /// The stream ends early.
    Error(String),
    /// An event that this build does not know.
    Other(sse::Event),
}

/// Data of an event that are not what its name promises.
#[derive(Debug, thiserror::Error)]
#[error("an event {name:?} does not hold what it should")]
pub struct BadEvent {
    /// The name of the event.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub source: serde_json::Error,
}

impl Event {
    /// Understands an event of a stream of logs, messages or changes.
    pub fn read(event: sse::Event) -> Result<Self, BadEvent> {
        let understood = match event.name() {
            name::LOG => serde_json::from_str(&event.data).map(Self::Log),
            name::STATUS => serde_json::from_str(&event.data).map(Self::Status),
            name::HEARTBEAT => Ok(Self::Heartbeat),
            name::MESSAGE => serde_json::from_str(&event.data).map(Self::Message),
            name::CHANGE => serde_json::from_str(&event.data).map(Self::Change),
            name::GROWN => serde_json::from_str(&event.data).map(Self::Grown),
            name::RESET => serde_json::from_str(&event.data).map(Self::Reset),
            name::SNAPSHOT => serde_json::from_str(&event.data).map(Self::Snapshot),
            name::READY => serde_json::from_str(&event.data).map(Self::Ready),
            name::DONE => return Ok(Self::Done(event.data)),
            name::ERROR => return Ok(Self::Error(event.data)),
            _ => return Ok(Self::Other(event)),
        };
        understood.map_err(|source| BadEvent {
            name: event.name().to_owned(),
            source,
        })
    }

    /// Understands an event of the stream of a file, whose text has no name.
    pub fn read_of_file(event: sse::Event) -> Self {
        match event.name() {
            name::MESSAGE => Self::Chunk(event.data),
            name::DONE => Self::Done(event.data),
            name::ERROR => Self::Error(event.data),
            name::HEARTBEAT => Self::Heartbeat,
            _ => Self::Other(event),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
