//! How a server replaces itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time as zero_time;

/// The body of `POST /api/v1/admin/self-update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfUpdate {
    /// The new program, as a path on the server's machine.
    #[serde(default)]
    #[schema(example = "/opt/x/conductor")]
    pub binary_path: String,
    /// Its SHA-256, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The answer of `GET` and `POST /api/v1/admin/self-update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SelfUpdateStatus {
    /// How far it has come.
    pub state: SelfUpdateState,
    /// The new program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/opt/x/conductor")]
    pub binary_path: Option<String>,
    /// When it was asked for; the zero time if it never was.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T21:00:00Z")]
    pub requested_at: Option<Timestamp>,
    /// When it began; the zero time if it has not.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "0001-01-01T00:00:00Z")]
    pub started_at: Option<Timestamp>,
    /// When it ended; the zero time if it has not.
    #[serde(with = "zero_time", default)]
    #[schema(value_type = String, format = DateTime, example = "0001-01-01T00:00:00Z")]
    pub finished_at: Option<Timestamp>,
    /// How many root runs there were when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 2)]
    pub active_runs_at_request: Option<i64>,
    /// How many there are now; -1 if that is not known.
    #[schema(example = 2)]
    pub active_runs_now: i64,
    /// Why that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_runs_error: Option<String>,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What else is to be said of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_note: Option<String>,
}

/// How far a self-update has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelfUpdateState {
    /// Nothing was asked for.
    #[default]
    Idle,
    /// It waits until no root run is active; none is started meanwhile.
    Deferred,
    /// The new program is being put in place.
    Applying,
    /// The last one failed, and the server goes on as it was.
    Failed,
}
