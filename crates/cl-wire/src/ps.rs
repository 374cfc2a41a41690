//! The processes of tasks, and what they are doing.
//!
//! Keys stand in the order of the alphabet where they have always been printed so.

use cl_storage::owner::OwnerState;
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The processes of tasks; `ps --json` and its endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Processes {
    /// The processes, each task's together, supervisors first and everything behind its parent.
    pub processes: Vec<ProcessRow>,
    /// The tasks that have processes.
    pub tasks: Vec<TaskActivity>,
    /// Their sums.
    pub totals: ProcessTotals,
}

/// One process of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProcessRow {
    /// Whether its own parent has died and the supervisor is the parent now.
    pub adopted: bool,
    /// Its age.
    #[schema(example = 12)]
    pub age_seconds: u64,
    /// Its command line without secrets, cut; empty if it may not be read.
    #[schema(example = "claude --print")]
    pub command: String,
    /// Processor time.
    pub cpu_ms: u64,
    /// Processor time as a part of the age, in percent of one processor.
    pub cpu_percent: f64,
    /// How many of its ancestors are in the list.
    pub level: usize,
    /// Name of its executable, cut by the kernel.
    #[schema(example = "claude")]
    pub name: String,
    /// What is wrong with it.
    pub note: Option<String>,
    /// Whether the task's owner is alive, lost or none.
    #[schema(value_type = String, example = "alive")]
    pub owner: OwnerState,
    /// Its parent.
    pub parent_pid: i32,
    /// Its id.
    #[schema(example = 4711)]
    pub pid: i32,
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project: ProjectId,
    /// What it is: `supervisor`, `agent`, `gate`, `descendant`.
    #[schema(example = "agent")]
    pub role: String,
    /// Resident memory.
    pub rss_bytes: u64,
    /// The run; none for supervisors.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// What it does: `running`, `sleeping`, `blocked`, `stopped`, `other`.
    #[schema(example = "sleeping")]
    pub state: String,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task: TaskId,
}

/// A task that has processes, and what it is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ps::TaskActivity)]
pub struct TaskActivity {
    /// What it is doing; none if it does nothing any more.
    pub activity: Option<Activity>,
    /// Whether somebody runs it.
    #[schema(value_type = String, example = "alive")]
    pub owner: OwnerState,
    /// The project.
    #[schema(value_type = String, example = "p")]
    pub project: ProjectId,
    /// The run that counts.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// The status that holds now.
    #[schema(value_type = String, example = "running")]
    pub status: TaskStatus,
    /// The task.
    #[schema(value_type = String, example = "task-20260223-204858-docs-pass")]
    pub task: TaskId,
}

/// What a task is doing, as far as it can be told from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// Whether its processes compute: `busy`, `still`, or `unknown` where nobody had to look.
    #[schema(example = "unknown")]
    pub cpu: String,
    /// When the streams or the answer of the run last grew.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub latest_output_at: Option<Timestamp>,
    /// Seconds since something was written last.
    #[schema(example = 4)]
    pub silent_seconds: Option<u64>,
    /// `working`, `quiet`, `idle`, `stuck`, `waiting`.
    #[schema(example = "working")]
    pub state: String,
    /// What it waits for.
    pub waiting_for: Option<String>,
}

/// Sums over processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcessTotals {
    /// Processor time.
    pub cpu_ms: u64,
    /// How many there are.
    #[schema(example = 3)]
    pub processes: usize,
    /// Resident memory.
    pub rss_bytes: u64,
    /// How many tasks they belong to.
    #[schema(example = 1)]
    pub tasks: usize,
}
