//! The tree of a project: what stands below what, decided by the server.
//!
//! The tree is a list in the order in which it is shown, each row with its level and the
//! place of its parent: chains of restarts make trees so deep that nested JSON could not
//! be read, and whoever shows a part of a long list wants to count and not to descend.
//!
//! ```text
//! row  level parent below
//!  0     0     -      3    task a
//!  1     1     0      1      run 2          the newest of the chain
//!  2     2     1      0        run 1        which run 2 has replaced
//!  3     1     0      0      task a.1       launched by a run of a
//!  4     0     -      0    task b
//! ```

use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{FailureKind, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::facts::ParentRef;
use crate::projects::ThreadParent;

/// The answer of `GET /api/projects/{p}/tree`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tree {
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// What its root tasks make of it.
    pub status: ProjectStatus,
    /// When something happened last, if anything has.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub last_activity: Option<Timestamp>,
    /// Its tasks, those included that are not among the rows.
    pub counts: Counts,
    /// The rows in the order in which they are shown, each directly before what is below it.
    pub rows: Vec<Row>,
    /// Rows were left out because there are too many; those of active tasks never are.
    #[schema(example = false)]
    pub truncated: bool,
    /// What of the project's files could not be read.
    pub problems: Vec<String>,
}

/// What the root tasks of a project make of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProjectStatus {
    /// One runs.
    Running,
    /// None runs, and one is queued.
    Queued,
    /// Neither.
    #[default]
    Idle,
}

/// How many tasks there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// All.
    pub tasks: usize,
    /// Those that nothing stands above.
    pub root_tasks: usize,
    /// Those with anything that runs.
    pub active: usize,
    /// Those that wait for a run slot.
    pub queued: usize,
    /// Those that wait for other tasks.
    pub blocked: usize,
    /// Those that ended as wished.
    pub completed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Their runs.
    pub runs: usize,
}

/// A row of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Row {
    /// The id of the task or run; each stands in one row only.
    #[schema(example = "task-20260223-204858-docs-pass")]
    pub key: String,
    /// How many rows stand above it, one within the other.
    #[schema(example = 0)]
    pub level: usize,
    /// The place in `rows` of the one directly above; `null` at the top.
    pub parent: Option<usize>,
    /// How many rows are below it; they follow directly.
    #[schema(example = 3)]
    pub below: usize,
    /// Something below it is active.
    #[schema(example = false)]
    pub active_below: bool,
    /// Why it stands where it stands.
    pub place: Place,
    /// What people are shown: the id without what all ids have.
    #[schema(example = "docs-pass")]
    pub label: String,
    /// What it is.
    #[serde(flatten)]
    pub node: Node,
}

/// Why a row stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Nothing stands above it.
    Root,
    /// A task that an agent of the task above launched.
    Child,
    /// A task that answers a message of the task above.
    Thread,
    /// A run of the task above.
    Run,
    /// A run that an agent of the run above launched.
    Launched,
    /// A run that the run above has replaced.
    Replaced,
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Node {
    /// A task.
    Task(Box<TaskNode>),
    /// A run.
    Run(Box<RunNode>),
}

/// A task of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own that users read"
)]
pub struct TaskNode {
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: TaskStatus,
    /// An owner, an agent or a child is alive.
    #[schema(example = true)]
    pub active: bool,
    /// The claim to be done stands.
    #[schema(example = false)]
    pub done: bool,
    /// It is done, but nothing was seen of any work.
    #[schema(example = false)]
    pub suspicious: bool,
    /// There is no such task here; it is shown because others stand below it.
    #[schema(example = false)]
    pub missing: bool,
    /// When something happened last; what tasks are ordered by.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub last_activity: Option<Timestamp>,
    /// The agent of the run that counts.
    #[schema(example = "claude")]
    pub agent: Option<String>,
    /// How many runs it has.
    #[schema(example = 2)]
    pub runs: usize,
    /// How many of them follow another one.
    #[schema(example = 1)]
    pub restarts: usize,
    /// The run that counts.
    #[schema(value_type = Option<String>, example = "20260223-2048580000-66788-1")]
    pub latest_run: Option<RunId>,
    /// When that began.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub started: Option<Timestamp>,
    /// When that ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// Its only run, where that has nothing below it: it has no row of its own.
    pub only_run: Option<Box<RunNode>>,
    /// What its owner waits for: a slot, children, a limit, a delay.
    pub waiting_for: Option<String>,
    /// Until when it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub wake_at: Option<Timestamp>,
    /// Its place among those that wait for a run slot, from one.
    pub queue_position: Option<usize>,
    /// The tasks that must be done first and are not.
    #[schema(value_type = Vec<String>)]
    pub blocked_by: Vec<TaskId>,
    /// Why it failed last.
    #[schema(value_type = Option<String>)]
    pub failure: Option<FailureKind>,
    /// The task and run that launched it.
    pub launched_by: Option<ParentRef>,
    /// The message that it answers.
    pub thread_parent: Option<ThreadParent>,
    /// What of its files could not be read.
    pub problems: Vec<String>,
}

/// A run of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunNode {
    /// The run.
    #[schema(value_type = String, example = "20260223-2048580000-66788-1")]
    pub run_id: RunId,
    /// Its task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task_id: TaskId,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: RunStatus,
    /// How far it has come while it runs.
    #[schema(example = "running")]
    pub phase: Option<String>,
    /// Which attempt of the launch it is.
    #[schema(example = 2)]
    pub attempt: Option<u32>,
    /// What it is for within a series of runs.
    pub role: Option<String>,
    /// The agent.
    #[schema(example = "claude")]
    pub agent: Option<String>,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// When it began.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-23T20:48:58.12Z")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// The run whose agent launched it.
    #[schema(value_type = Option<String>)]
    pub parent_run_id: Option<RunId>,
    /// The run that it follows.
    #[schema(value_type = Option<String>, example = "20260223-2040000000-66788-1")]
    pub previous_run_id: Option<RunId>,
    /// Why it failed.
    #[schema(value_type = Option<String>)]
    pub failure: Option<FailureKind>,
}
