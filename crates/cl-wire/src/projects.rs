//! The family of `/api/projects`: what the web UI asks.

use std::collections::BTreeMap;

use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::page::{CursorPage, Page};
use crate::v1::Ownership;

/// The answer of `GET /api/projects`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Projects {
    /// The projects, those where something happened last first.
    pub projects: Vec<Project>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its id.
    #[schema(value_type = String, example = "p")]
    pub id: ProjectId,
    /// When something happened last, if anything has.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub last_activity: Option<Timestamp>,
    /// How many tasks it has.
    #[schema(example = 1)]
    pub task_count: usize,
    /// The folder that its agents work in, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/srv/work/p")]
    pub project_root: Option<String>,
}

/// The body of `POST /api/projects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectCreate {
    /// Its id; checked strictly by whoever makes it.
    #[schema(value_type = String, example = "q")]
    pub project_id: ProjectId,
    /// The folder that its agents work in: absolute, or `~/…`.
    #[serde(default)]
    #[schema(example = "~/q")]
    pub project_root: String,
}

/// The answer of `GET /api/projects/home-dirs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HomeDirs {
    /// Folders that agents have worked in, sorted; at most 20.
    #[schema(example = json!(["/srv/a"]))]
    pub dirs: Vec<String>,
}

/// The answer of `DELETE /api/projects/{p}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectDeleted {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// How many tasks went with it.
    #[schema(example = 1)]
    pub deleted_tasks: usize,
    /// How much room that made, in bytes.
    #[schema(example = 20480)]
    pub freed_bytes: u64,
}

/// The answer of `GET /api/projects/{p}/stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectStats {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// How many tasks it has.
    #[schema(example = 1)]
    pub total_tasks: usize,
    /// How many runs.
    #[schema(example = 2)]
    pub total_runs: usize,
    /// Those that have not ended.
    #[schema(example = 1)]
    pub running_runs: usize,
    /// Those that ended well.
    #[schema(example = 1)]
    pub completed_runs: usize,
    /// Those that ended badly.
    #[schema(example = 0)]
    pub failed_runs: usize,
    /// Those of any other status.
    #[schema(example = 0)]
    pub crashed_runs: usize,
    /// How many bus files there are, archives not counted.
    #[schema(example = 2)]
    pub message_bus_files: usize,
    /// How large they are together.
    #[schema(example = 5120)]
    pub message_bus_total_bytes: u64,
}

/// The answer of `POST /api/projects/{p}/gc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcResult {
    /// How many runs were deleted, or would be.
    #[schema(example = 3)]
    pub deleted_runs: usize,
    /// How much room that made, or would, in bytes.
    #[schema(example = 10240)]
    pub freed_bytes: u64,
    /// Nothing was deleted; it was only asked.
    #[schema(example = true)]
    pub dry_run: bool,
}

/// A task in `GET /api/projects/{p}/tasks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskItem {
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub id: TaskId,
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: TaskStatus,
    /// When something happened last, if anything has.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub last_activity: Option<Timestamp>,
    /// How many runs it has.
    #[schema(example = 2)]
    pub run_count: usize,
    /// How many of each status.
    #[schema(value_type = BTreeMap<String, usize>, example = json!({"completed": 1, "running": 1}))]
    pub run_counts: BTreeMap<RunStatus, usize>,
    /// The tasks that must be done first; `null` if there are none.
    #[schema(value_type = Option<Vec<String>>)]
    pub depends_on: Option<Vec<TaskId>>,
    /// Those of them that are not; `null` if there are none.
    #[schema(value_type = Option<Vec<String>>)]
    pub blocked_by: Option<Vec<TaskId>>,
    /// The message that it answers.
    pub thread_parent: Option<ThreadParent>,
    /// The claim to be done stands.
    #[schema(example = false)]
    pub done: bool,
    /// The status of the run that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "running")]
    pub last_run_status: Option<RunStatus>,
    /// How that run ended; -1 while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = -1)]
    pub last_run_exit_code: Option<i32>,
    /// How much it has written, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 2048)]
    pub last_run_output_size: Option<u64>,
    /// Its place among those that wait for a run slot, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
}

/// The answer of `GET /api/projects/{p}/tasks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TaskPage {
    /// Counted from the start of the list.
    Counted(Page<TaskItem>),
    /// Behind a place, where `after` was given.
    Behind(CursorPage<TaskItem>),
}

/// The answer of `GET /api/projects/{p}/tasks/{t}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskDetail {
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub id: TaskId,
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: TaskStatus,
    /// Its place among those that wait for a run slot, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
    /// When something happened last, if anything has.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub last_activity: Option<Timestamp>,
    /// When it was made, if that is known.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:40:00Z")]
    pub created_at: Option<Timestamp>,
    /// The claim to be done stands.
    #[schema(example = false)]
    pub done: bool,
    /// Whether anything goes on.
    pub state: TaskState,
    /// The tasks that must be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<TaskId>,
    /// Those of them that are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub blocked_by: Vec<TaskId>,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_parent: Option<ThreadParent>,
    /// Its runs, by start.
    pub runs: Vec<Run>,
}

/// Whether anything goes on with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Nothing.
    Idle,
    /// Something runs.
    Running,
    /// The claim to be done stands.
    Done,
    /// It waits for other tasks.
    Blocked,
    /// It waits for a run slot.
    Queued,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub id: RunId,
    /// The agent; `unknown` where no record says.
    #[schema(example = "claude")]
    pub agent: String,
    /// What the agent says its version is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2.1.50 (Claude Code)")]
    pub agent_version: Option<String>,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: RunStatus,
    /// Who looks after its process, where that is not the usual owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_ownership: Option<Ownership>,
    /// How it ended; -1 while it runs.
    #[schema(example = -1)]
    pub exit_code: i32,
    /// When it began, if that is known.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
    /// The run whose agent launched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent_run_id: Option<RunId>,
    /// The run that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "20260223-2040000000-66788-1")]
    pub previous_run_id: Option<RunId>,
    /// Why it failed, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_summary: Option<String>,
    /// Its files that are there, unless they were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<RunFile>>,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFile {
    /// The name to ask for.
    #[schema(example = "output.md")]
    pub name: String,
    /// What people are shown.
    #[schema(example = "output")]
    pub label: String,
    /// How large it is, in bytes; left out if empty.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(example = 2048)]
    pub size: u64,
}

/// A file of a task or run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileContent {
    /// The name that was asked for.
    #[schema(example = "output.md")]
    pub name: String,
    /// What stands in it, or the part that was asked for; bytes that are no UTF-8 are replaced.
    #[schema(example = "# Done\n")]
    pub content: String,
    /// When it was written last.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T21:03:10Z")]
    pub modified: Timestamp,
    /// How large the whole file is, in bytes.
    #[schema(example = 7)]
    pub size_bytes: u64,
    /// Where `content` begins, in bytes; left out at the start of the file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// `content` is not all that follows `offset`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// Where the part behind this one begins, in bytes: `content` may be longer or shorter than
    /// what it was made of. Left out where the whole file was sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub next_offset: u64,
    /// Bytes that are no UTF-8 were replaced.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lossy: bool,
    /// Something in it is a secret of the configuration and was replaced.
    #[serde(default, skip_serializing_if = "is_false")]
    pub masked: bool,
}

/// Where a text stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileHits {
    /// The name of the file.
    #[schema(example = "stdout")]
    pub name: String,
    /// The places, in their order.
    pub hits: Vec<FileHit>,
    /// Where to go on, in bytes; `null` at the end of the file.
    #[schema(example = 67_108_864)]
    pub next: Option<u64>,
    /// How large the whole file is, in bytes.
    #[schema(example = 1_073_741_824)]
    pub size_bytes: u64,
}

/// A place in a file where a text stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileHit {
    /// The place, in bytes from the beginning of the file.
    #[schema(example = 4711)]
    pub at: u64,
    /// What stands around it in its line. Bytes that are no UTF-8 and secrets of the configuration are replaced.
    #[schema(example = "error: not found")]
    pub excerpt: String,
}

/// The answer of `GET /api/projects/{p}/runs/flat`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FlatRuns {
    /// The runs, by start, then id.
    pub runs: Vec<FlatRun>,
}

/// A run and what it hangs on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FlatRun {
    /// Its id.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub id: RunId,
    /// Its task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The agent; `unknown` where no record says.
    #[schema(example = "claude")]
    pub agent: String,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: RunStatus,
    /// How it ended; -1 while it runs.
    #[schema(example = -1)]
    pub exit_code: i32,
    /// When it began, if that is known.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
    /// The run whose agent launched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent_run_id: Option<RunId>,
    /// The run that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub previous_run_id: Option<RunId>,
}

/// The message that a task answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "QUESTION")]
    pub message_type: Option<String>,
}

/// The body of `POST /api/projects/{p}/tasks/{t}/resume`; may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Start the task as well; otherwise only its claim to be done is taken back.
    #[serde(default)]
    pub start: bool,
}

/// The answer of `POST /api/projects/{p}/tasks/{t}/resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resumed {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// Its claim to be done was taken back.
    #[schema(example = true)]
    pub resumed: bool,
    /// It was started as well; left out if not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub started: bool,
}

/// The body of `POST /api/projects/{p}/tasks/{t}/cancel`; may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why it is given up.
    #[serde(default)]
    #[schema(example = "the schema was dropped")]
    pub reason: String,
    /// The task that counts in its place.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub superseded_by: Option<TaskId>,
}

/// The body of `POST /api/projects/{p}/tasks/{t}/unblock`; may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unblock {
    /// The dependencies that no longer count; all if there are none here.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub dependencies: Vec<TaskId>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// The answer of `POST /api/projects/{p}/tasks/{t}/{stop,cancel,uncancel,unblock,wake}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskActed {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// What became of it.
    pub outcome: Outcome,
    /// The runs that are being stopped.
    #[schema(value_type = Vec<String>)]
    pub runs: Vec<RunId>,
    /// The dependencies that no longer count.
    #[schema(value_type = Vec<String>)]
    pub unblocked: Vec<TaskId>,
}

/// What became of a task that somebody acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What runs is being ended; it may take its time.
    Stopping,
    /// It is marked as stopped; nothing of it runs.
    NothingRunning,
    /// It is given up.
    Cancelled,
    /// It was given up before.
    AlreadyCancelled,
    /// It is given up no more.
    Uncancelled,
    /// It was not given up.
    NotCancelled,
    /// Dependencies no longer count.
    Unblocked,
    /// No dependency counted.
    NotBlocked,
    /// It waits no more.
    Awake,
}

/// The answer of `POST /api/projects/{p}/tasks/{t}/runs/{r}/stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStopping {
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// What was done.
    #[schema(example = "SIGTERM sent")]
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(size: &u64) -> bool {
    *size == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
