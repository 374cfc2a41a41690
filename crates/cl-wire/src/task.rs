//! One task as it is shown.

use cl_storage::owner::OwnerState;
use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::facts::{ChildRef, ClaimFact, FailureFact, ParentRef};

/// One task as it is shown; also its one JSON form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own that users read"
)]
pub struct TaskRow {
    /// The project.
    #[schema(value_type = String)]
    pub project_id: ProjectId,
    /// The task.
    #[schema(value_type = String)]
    pub task_id: TaskId,
    /// The status that holds now.
    #[schema(value_type = String)]
    pub status: TaskStatus,
    /// How the run that counts ended; none while it runs.
    pub exit_code: Option<i32>,
    /// The run that counts.
    #[schema(value_type = Option<String>)]
    pub latest_run: Option<RunId>,
    /// The status of that run.
    #[schema(value_type = Option<String>)]
    pub latest_status: Option<RunStatus>,
    /// `task` for a restart loop, `job` for a single run.
    pub kind: Option<String>,
    /// An owner, an agent or a child is alive.
    pub active: bool,
    /// How many runs there are.
    pub runs: usize,
    /// The claim to be done stands.
    pub done: bool,
    /// What the gates said of the last claim to be done.
    pub claim: Option<ClaimFact>,
    /// It is done, but nothing was seen of any work.
    pub suspicious: bool,
    /// Whether the process of the run that counts is alive.
    pub pid_alive: Option<bool>,
    /// Whether somebody runs it.
    #[schema(value_type = String)]
    pub owner: OwnerState,
    /// It lost its owner, and `recover` goes on with it.
    #[serde(default)]
    pub goes_on: bool,
    /// What its owner waits for: a slot, children, a limit, a delay.
    pub waiting_for: Option<String>,
    /// Until when it waits.
    #[schema(value_type = Option<String>)]
    pub wake_at: Option<Timestamp>,
    /// Attempts of the present launch.
    pub attempts: Option<u32>,
    /// The configured name of the agent, or its kind.
    pub agent: Option<String>,
    /// Why it failed last.
    pub failure: Option<FailureFact>,
    /// The task and run that launched it.
    pub parent: Option<ParentRef>,
    /// What its agents launched.
    pub children: Vec<ChildRef>,
    /// The tasks that must be done first.
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<TaskId>,
    /// Those of them that are not.
    #[schema(value_type = Vec<String>)]
    pub blocked_by: Vec<TaskId>,
    /// The way to what keeps it from ever beginning; empty if it may begin by itself.
    #[schema(value_type = Vec<String>)]
    pub deadlocked_by: Vec<TaskId>,
    /// Its place among those that wait for a run slot, from one.
    pub queue_position: Option<usize>,
    /// When something happened last.
    #[schema(value_type = Option<String>)]
    pub last_activity: Option<Timestamp>,
    /// Of the old flat layout, and only read.
    pub legacy: bool,
    /// What of its files could not be read.
    pub problems: Vec<String>,
}

impl TaskRow {
    /// Tells whether nothing more will happen by itself.
    pub fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }

    /// Tells whether it ended as wished.
    ///
    /// A restart loop that ended without `DONE` gave up; a single run did not.
    pub fn is_success(&self) -> bool {
        match self.status {
            TaskStatus::AllFinished | TaskStatus::Cancelled => true,
            TaskStatus::Completed => self.kind.as_deref() != Some("task"),
            _ => false,
        }
    }
}
