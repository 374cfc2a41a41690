//! The core view: what commands print with `--json`, which servers answer below
//! `/api/v1/core`, so that both doors show the same.

use std::collections::BTreeMap;

use cl_storage::owner::OwnerState;
use cl_storage::task_state::{Attempts, LimitWait, StopWish};
use cl_storage::{ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::facts::ResultFact;
use crate::run::RunRow;
use crate::task::TaskRow;

/// The projects there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectNames {
    /// Those that only folders of the old layout know.
    pub legacy_projects: Vec<String>,
    /// All of them, in order.
    pub projects: Vec<String>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// The runs of a task, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunListing {
    /// What of them could not be read.
    pub problems: Vec<String>,
    /// The runs.
    pub runs: Vec<RunRow>,
}

/// Everything about one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskShown {
    /// What it is doing, and when it last said something that matters.
    #[schema(value_type = Option<Object>)]
    pub activity: Option<serde_json::Value>,
    /// Why it was given up, if it was.
    pub cancelled: Option<CancellationShown>,
    /// `DONE` is there and no regular file, so that it does not count.
    pub done_is_no_file: bool,
    /// How it was launched last.
    pub launch: Option<LaunchShown>,
    /// Which markers are there.
    pub markers: BTreeMap<String, bool>,
    /// Who runs it, or did until it was lost.
    pub owner: Option<OwnerShown>,
    /// Its folder, on the machine that answers.
    pub path: String,
    /// What of its files could not be read.
    pub problems: Vec<String>,
    /// Its runs, oldest first.
    pub runs: Vec<RunRow>,
    /// Where it stands, as its owner wrote it down.
    pub state: Option<StateShown>,
    /// The task as listings show it.
    pub task: TaskRow,
}

/// What a task is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskActivity {
    /// What it is doing, and when it last said something that matters.
    #[schema(value_type = Object)]
    pub activity: serde_json::Value,
    /// The project.
    #[schema(value_type = String)]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task_id: TaskId,
}

/// Who runs a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerShown {
    /// The launch that it serves.
    pub launch_id: String,
    /// Its process.
    pub pid: i32,
    /// Since when.
    #[schema(value_type = String)]
    pub since: Timestamp,
    /// Whether it is alive.
    #[schema(value_type = String)]
    pub state: OwnerState,
}

/// How a task was launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaunchShown {
    /// The configured name of the agent, or its kind.
    pub agent_name: String,
    /// How many launches it is away from a person's.
    pub depth: u32,
    /// `task` for a restart loop, `job` for a single run.
    pub kind: String,
    /// The launch.
    pub launch_id: String,
    /// When.
    #[schema(value_type = String)]
    pub launched_at: Timestamp,
    /// Where from.
    pub origin: String,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StateShown {
    /// The agent that goes on with the launch, where it is another.
    pub agent: Option<String>,
    /// How often agents were started.
    #[schema(value_type = Object)]
    pub attempts: Attempts,
    /// How often a gate refused.
    pub gate_failures: u32,
    /// The gate that refused last.
    pub last_gate: String,
    /// The launch that this is about.
    pub launch_id: String,
    /// The usage limit that it waits for.
    #[schema(value_type = Option<Object>)]
    pub limit: Option<LimitWait>,
    /// How the launch ended.
    pub result: Option<ResultFact>,
    /// A person's wish to stop.
    #[schema(value_type = Option<Object>)]
    pub stop: Option<StopWish>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// Until when.
    #[schema(value_type = Option<String>)]
    pub wake_at: Option<Timestamp>,
}

/// Why a task was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CancellationShown {
    /// When.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The task that counts in its place.
    #[schema(value_type = Option<String>)]
    pub superseded_by: Option<TaskId>,
}

/// What became of a wish to stop a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskStopped {
    /// How many child tasks were stopped.
    pub children: usize,
    /// What happened, in a word.
    pub outcome: StopOutcome,
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectId,
    /// The runs that were active.
    #[schema(value_type = Vec<String>)]
    pub runs: Vec<RunId>,
    /// How many processes are left.
    pub survivors: u32,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
}

/// How stopping a task went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopOutcome {
    /// Nothing was running.
    NothingRunning,
    /// Its supervisor stopped it.
    Stopped,
    /// Only children of it were active, and were stopped.
    ChildrenStopped,
    /// Its folder is gone; what was left of it was ended.
    EndedDeleted,
    /// It had no live supervisor; what was left of it was ended.
    EndedLost,
    /// It was only asked, and has not ended yet.
    StillRunning,
}

/// The answer to a wish to stop a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StopAnswer {
    /// How many processes were ended where no supervisor did it.
    pub ended: usize,
    /// How many child tasks are still active.
    pub left_children: usize,
    /// What would start the task was told to leave it alone.
    pub is_marked: bool,
    /// None of the runs that were named is active.
    pub is_other_run: bool,
    /// Whether a supervisor had died, where there was none to ask.
    #[schema(value_type = Option<String>)]
    pub owner: Option<OwnerState>,
    /// What happened.
    pub stopped: TaskStopped,
}

/// How a task is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// How long agents may take to end before they are killed, in milliseconds.
    pub grace_ms: u64,
    /// Whether agents that do not end are killed.
    pub kills: bool,
    /// Only if one of these runs is active; whichever is if there are none.
    #[schema(value_type = Vec<String>)]
    pub runs: Vec<RunId>,
    /// What the monitor does meanwhile.
    pub suppression: Suppression,
}

/// How long the monitor leaves a stopped task alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// For as long as the configuration says.
    Configured,
    /// For so many milliseconds.
    ForMs(u64),
    /// Until somebody starts or resumes it.
    ForGood,
}
