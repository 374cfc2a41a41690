//! The core view of changes: what is asked for, and what commands print of it with `--json`.

use std::collections::BTreeMap;

use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That a task is to be given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// What runs is stopped first, rather than in the way.
    pub force: bool,
    /// How long agents may take to end before they are killed, in milliseconds.
    pub grace_ms: u64,
    /// Why.
    pub reason: String,
    /// The task that counts in its place.
    #[schema(value_type = Option<String>)]
    pub superseded_by: Option<TaskId>,
}

/// A task that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskCancelled {
    /// When it was given up first.
    #[schema(value_type = String)]
    pub cancelled_at: Timestamp,
    /// `cancelled` or `already_cancelled`.
    pub outcome: String,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// Why.
    pub reason: String,
    /// Whether there was anything to end.
    pub stopped: bool,
    /// The task that counts in its place.
    #[schema(value_type = Option<String>)]
    pub superseded_by: Option<TaskId>,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// The answer to a wish to give a task up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CancelAnswer {
    /// What happened.
    pub cancelled: TaskCancelled,
    /// What else there is to say.
    pub warnings: Vec<String>,
}

/// A task to which something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskChanged {
    /// What, in a word.
    pub outcome: String,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// That a task is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteRequest {
    /// What runs is stopped first, rather than in the way.
    pub force: bool,
    /// How long agents may take to end before they are killed, in milliseconds.
    pub grace_ms: u64,
}

/// A task that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskDeleted {
    /// Tasks that wait for it.
    #[schema(value_type = Vec<String>)]
    pub dependents: Vec<TaskId>,
    /// What is left of its folder, which nobody sees.
    pub leftover: Option<String>,
    /// Its folder.
    pub path: String,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// How large it was.
    pub size_bytes: u64,
    /// What was stopped for it.
    pub stopped: Vec<String>,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// The answer to a wish to delete a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeleteAnswer {
    /// What happened.
    pub deleted: TaskDeleted,
    /// Why something is left of its folder.
    pub leftover_error: Option<String>,
}

/// That what keeps a task from being started is to be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearRequest {
    /// Also if it was given up.
    pub force: bool,
}

/// A task whose dependencies were lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskUnblocked {
    /// The tasks that it depends on.
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<TaskId>,
    /// Those of them that still count.
    #[schema(value_type = Vec<String>)]
    pub gating: Vec<TaskId>,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
    /// Those that count no more since now.
    #[schema(value_type = Vec<String>)]
    pub unblocked: Vec<TaskId>,
}

/// The answer to a wish to lift dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnblockAnswer {
    /// What happened.
    pub unblocked: TaskUnblocked,
    /// What else there is to say.
    pub warnings: Vec<String>,
}

/// A task that can be started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskStartable {
    /// The markers that were taken away.
    pub cleared: Vec<String>,
    /// `startable`.
    pub outcome: String,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// That a task is to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchRequest {
    /// The configured name of the agent; none lets the configuration choose.
    pub agent: Option<String>,
    /// The folder that agents work in, absolute on the server's machine; none takes the
    /// project's, or that of the last launch.
    pub cwd: Option<String>,
    /// The tasks that must be done first; none keeps those that are stored.
    #[schema(value_type = Option<Vec<String>>)]
    pub depends_on: Option<Vec<TaskId>>,
    /// Variables for the agents; not secret.
    pub env: BTreeMap<String, String>,
    /// Also if it was given up.
    pub force: bool,
    /// What is run.
    pub kind: LaunchKind,
    /// Limits and delays; what is not said is as configured, or as in the last launch.
    pub policy: LaunchPolicy,
    /// What the agent is to do; none takes what the task was told first.
    pub prompt: Option<String>,
}

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LaunchKind {
    /// A restart loop.
    Task,
    /// A single run.
    Job,
    /// What the task was last, taken up where it stopped.
    Resume,
}

/// Limits and delays of a launch; times are in milliseconds, 0 switches a limit off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchPolicy {
    /// How long a task that is done waits for those that its agents have started.
    pub child_wait_ms: Option<u64>,
    /// How often a blocked task looks at those that it waits for.
    pub dependency_poll_ms: Option<u64>,
    /// Whether a task fails whose dependencies can make no progress.
    pub fails_on_deadlock: Option<bool>,
    /// Commands that must succeed before `DONE` is believed.
    #[serde(default)]
    pub gates: Vec<String>,
    /// How long an agent that is asked to end may take.
    pub grace_ms: Option<u64>,
    /// How long an attempt may be silent.
    pub idle_timeout_ms: Option<u64>,
    /// How many attempts are made.
    pub max_attempts: Option<u32>,
    /// How much money the task may use, in US dollars, such as `2.50`.
    pub max_cost_usd: Option<String>,
    /// How long an attempt may take.
    pub max_duration_ms: Option<u64>,
    /// How often gates may refuse.
    pub max_gate_failures: Option<u32>,
    /// How much an attempt may write.
    pub max_output_bytes: Option<u64>,
    /// How long the task may take in all.
    pub max_task_duration_ms: Option<u64>,
    /// How many tokens the task may use.
    pub max_tokens: Option<u64>,
    /// `DONE` is refused when nothing has changed.
    #[serde(default)]
    pub require_change: bool,
    /// The pause between two attempts.
    pub restart_delay_ms: Option<u64>,
    /// The conversation of the last attempt goes on.
    #[serde(default)]
    pub resume_session: bool,
    /// Whether child tasks are stopped when waiting for them ends.
    pub stops_children: Option<bool>,
}

/// A launch that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Launched {
    /// The launch.
    pub launch_id: String,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// Its place among those that wait for a run slot; none once it is launched.
    pub queue_position: Option<usize>,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// A message that is to be posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BusPost {
    /// Its text.
    pub body: String,
    /// When it counts as posted: on the `disk`, or when the system has it (`os`).
    pub durability: String,
    /// The issue that it is about; may be empty.
    pub issue_id: String,
    /// What sort of message it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Places that it points to.
    pub links: Vec<String>,
    /// Further facts, by name.
    pub meta: BTreeMap<String, String>,
    /// The messages that it answers, each with how.
    #[schema(value_type = Vec<(String, String)>)]
    pub parents: Vec<(MessageId, String)>,
    /// The project.
    #[schema(value_type = String)]
    pub project_id: ProjectId,
    /// The run that it is about.
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// The task on whose bus it goes; the project's own without one.
    #[schema(value_type = Option<String>)]
    pub task_id: Option<TaskId>,
}

/// A message that was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusPosted {
    /// The file with its whole body, where that does not fit into a message.
    pub attachment: Option<String>,
    /// The bus file, on the machine that answers.
    pub bus: String,
    /// What is promised.
    pub durability: String,
    /// The id that it got.
    #[schema(value_type = String)]
    pub msg_id: MessageId,
    /// Where it stands in the file.
    pub position: u64,
    /// The project.
    #[schema(value_type = String)]
    pub project_id: ProjectId,
    /// The run that it is about.
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// The task.
    #[schema(value_type = Option<String>)]
    pub task_id: Option<TaskId>,
}
