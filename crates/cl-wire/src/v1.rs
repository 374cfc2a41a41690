//! The family of `/api/v1`: what command line clients ask.
//!
//! Objects of this family always have their times; where there is none they have the
//! zero time, which is read as none.

use std::collections::BTreeMap;

use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::changes::LaunchPolicy;
use crate::time as zero_time;

/// The answer of `GET /api/v1/tasks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tasks {
    /// The tasks, without their runs.
    pub tasks: Vec<Task>,
}

/// A task as this family shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: TaskStatus,
    /// Its place among those that wait for a run slot, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
    /// When something happened last; the zero time if that is not known.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub last_activity: Option<Timestamp>,
    /// The tasks that must be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<TaskId>,
    /// Those of them that are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub blocked_by: Vec<TaskId>,
    /// Its runs, by id; only where one task was asked for and has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunResponse>,
}

/// The answer of `GET /api/v1/runs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Runs {
    /// The runs of all projects, by id.
    pub runs: Vec<RunResponse>,
}

/// A run as this family shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunResponse {
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: RunStatus,
    /// Who looks after its process, where that is not the usual owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_ownership: Option<Ownership>,
    /// When it began; the zero time if that is not known.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub start_time: Option<Timestamp>,
    /// When it ended; the zero time as long as it has not.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "0001-01-01T00:00:00Z")]
    pub end_time: Option<Timestamp>,
    /// How it ended; -1 while it runs, left out if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(example = -1)]
    pub exit_code: i32,
    /// What the agent says its version is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2.1.50 (Claude Code)")]
    pub agent_version: Option<String>,
    /// Why it failed, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_summary: Option<String>,
}

/// Who looks after the process of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// A supervisor of ours, which may stop it.
    Managed,
    /// Somebody else; it is only observed.
    #[default]
    External,
}

/// The body of `POST /api/v1/tasks`.
///
/// Ids are read as they may stand on disk; whoever makes a task checks them strictly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskCreate {
    /// The project; made if it is not there.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-211000-answer")]
    pub task_id: TaskId,
    /// The configured name of an agent, or its kind.
    #[serde(default)]
    #[schema(example = "claude")]
    pub agent_type: String,
    /// What is to be done; its bytes are kept.
    #[serde(default)]
    #[schema(example = "Answer the question of the audit.")]
    pub prompt: String,
    /// Further variables for the agent's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, String>>,
    /// The agent's working folder: absolute, or `~/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/srv/work/p")]
    pub project_root: Option<String>,
    /// What to do if the task is there already; `create` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach_mode: Option<AttachMode>,
    /// The tasks that must be done first: `null` keeps what stands, a list replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub depends_on: Option<Vec<TaskId>>,
    /// A process that runs already and is to be taken in as the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_import: Option<ProcessImport>,
    /// The message that the task answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_parent: Option<ThreadParent>,
    /// As what it answers; `USER_REQUEST`, and only together with `thread_parent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "USER_REQUEST")]
    pub thread_message_type: Option<String>,
    /// Gates, limits and delays; what is not said is as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<LaunchPolicy>,
}

/// What to do if a task is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttachMode {
    /// Refuse.
    #[default]
    Create,
    /// Add a run to it.
    Attach,
    /// Go on with it, and tell the agent so.
    Resume,
}

/// A process that runs already and is to be taken in as a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessImport {
    /// The process.
    #[schema(example = 4711)]
    pub pid: i32,
    /// Its process group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgid: Option<i32>,
    /// How it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commandline: Option<String>,
    /// Where its standard output goes; at least one of the two paths is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/srv/work/p/build.log")]
    pub stdout_path: Option<String>,
    /// Where its standard error goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_path: Option<String>,
    /// Who looks after it; `external` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
}

/// The message that a task answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v1::ThreadParent)]
pub struct ThreadParent {
    /// The project of the message.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task on whose bus it stands.
    #[schema(value_type = String, example = "task-20260223-200000-audit")]
    pub task_id: TaskId,
    /// The run that posted it.
    #[schema(value_type = String, example = "20260223-2000010000-500-1")]
    pub run_id: RunId,
    /// The message.
    #[schema(value_type = String, example = "MSG-20260223-200130-000000001-PID00500-0003")]
    pub message_id: MessageId,
}

/// The answer of `POST /api/v1/tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskCreated {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-211000-answer")]
    pub task_id: TaskId,
    /// Its first run, once that has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "20260223-2110000000-700-1")]
    pub run_id: Option<RunId>,
    /// Whether it was started.
    pub status: Admission,
    /// Its place among those that wait for a run slot, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
    /// The tasks that must be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<TaskId>,
}

/// What became of a task that was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// It was launched.
    Started,
    /// It waits in the queue.
    Queued,
    /// It was written down; this server does not start tasks.
    Accepted,
}

/// The answer of `DELETE /api/v1/tasks/{task_id}`, which cancels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// How many runs were asked to stop.
    #[schema(example = 1)]
    pub stopped_runs: usize,
}

/// The answer of `POST /api/v1/runs/{run_id}/stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopping {
    /// `stopping`.
    #[schema(example = "stopping")]
    pub status: String,
}

/// The answer of `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// How many runs have not ended.
    #[schema(example = 1)]
    pub active_runs_count: usize,
    /// For how long the server has been up.
    #[schema(example = 123.4)]
    pub uptime_seconds: f64,
    /// The names of the agents in the configuration, sorted.
    pub configured_agents: Vec<String>,
    /// The version of the server.
    #[schema(example = "0.76.0")]
    pub version: String,
    /// What runs, oldest first.
    pub running_tasks: Vec<RunningTask>,
    /// How many runs without a parent may run at once; left out where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 4)]
    pub max_concurrent_runs: Option<u32>,
    /// Whether the server knows everything and does all its work; older servers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
}

/// Whether a server knows everything and does all its work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own that users read"
)]
pub struct Readiness {
    /// It has read everything below the root once.
    #[schema(example = true)]
    pub index_built: bool,
    /// It has taken up the tasks that had lost their supervisors; never where it changes nothing.
    #[schema(example = true)]
    pub recovered: bool,
    /// It changes nothing.
    #[schema(example = false)]
    pub read_only: bool,
    /// It learns of changes by looking again and again: the system has no more watches.
    #[schema(example = false)]
    pub polling: bool,
    /// How many submissions wait to be launched.
    #[schema(example = 0)]
    pub waiting: usize,
    /// What is slower or less than it should be, and what could not be read.
    pub problems: Vec<String>,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunningTask {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// The agent.
    #[schema(example = "codex")]
    pub agent: String,
    /// When it began; the zero time if that is not known.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T20:00:00Z")]
    pub started: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(code: &i32) -> bool {
    *code == 0
}
