//! One run as it is shown.

use cl_storage::RunId;
use cl_storage::run_info::RunStatus;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::facts::{FailureFact, UsageFact};

/// One run as it is shown; also its one JSON form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunRow {
    /// The run.
    #[schema(value_type = String)]
    pub run_id: RunId,
    /// The status that holds now.
    #[schema(value_type = String)]
    pub status: RunStatus,
    /// How far it has come while it runs: `starting`, `queued`, `preparing`, `running`, `finalizing`.
    pub phase: Option<String>,
    /// Which attempt of the launch it is.
    pub attempt: Option<u32>,
    /// The configured name of the agent, or its kind.
    pub agent: Option<String>,
    /// What the agent says its version is.
    pub agent_version: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The session of the agent, which a later run may go on with.
    pub session_id: Option<String>,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// When it began.
    #[schema(value_type = Option<String>)]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    pub ended: Option<Timestamp>,
    /// In seconds; up to now while it runs.
    pub duration: Option<i64>,
    /// The agent's process.
    pub pid: Option<i32>,
    /// Whether it is alive.
    pub pid_alive: bool,
    /// The run whose agent launched it.
    #[schema(value_type = Option<String>)]
    pub parent_run_id: Option<RunId>,
    /// The run that it follows.
    #[schema(value_type = Option<String>)]
    pub previous_run_id: Option<RunId>,
    /// How many launches it is away from a person's.
    pub depth: Option<u32>,
    /// What it is for within a series of runs.
    pub role: Option<String>,
    /// Which round or stage of the series it belongs to.
    pub iteration: Option<u32>,
    /// Why it failed.
    pub failure: Option<FailureFact>,
    /// What it used.
    pub usage: Option<UsageFact>,
    /// Its folder.
    pub path: String,
    /// Of the old flat layout, and only read.
    pub legacy: bool,
    /// There is no readable record: all but id and place is made up.
    pub synthetic: bool,
    /// Why its record could not be read.
    pub problem: Option<String>,
}
