//! Who changed what through a server.

use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change that was asked for; one line of the audit file and one item of its endpoint.
///
/// The keys stand in the order of the file. What it says of its outcome is newer than the
/// rest, so readers of older lines find none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T21:10:00.1Z")]
    pub timestamp: Timestamp,
    /// The request.
    #[schema(example = "req-1771881000100000000-a1b2c3d4e5f6")]
    pub request_id: String,
    /// The request again.
    pub correlation_id: String,
    /// Its method.
    #[schema(example = "POST")]
    pub method: String,
    /// Its path.
    #[schema(example = "/api/v1/messages")]
    pub path: String,
    /// The pattern of its path.
    #[schema(example = "POST /api/v1/messages")]
    pub endpoint: String,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "127.0.0.1:50412")]
    pub remote_addr: Option<String>,
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "p")]
    pub project_id: Option<ProjectId>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub task_id: Option<TaskId>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub message_id: Option<MessageId>,
    /// What the request said, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<serde_json::Value>,
    /// The HTTP status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 201)]
    pub status: Option<u16>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What was asked for, the newest first; the answer of `GET /api/v1/audit`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditTrail {
    /// Each change; without a status where nothing is known of its outcome.
    pub entries: Vec<AuditEntry>,
    /// There are older ones.
    #[schema(example = false)]
    pub has_more: bool,
    /// How many lines could not be read.
    #[schema(example = 0)]
    pub unreadable: usize,
}
