//! What runs use, what limits them, which processes they have, and what was changed.

use cl_storage::{ProjectId, TaskId};
use cl_wire::audit::AuditTrail;
use cl_wire::limits::{Forgotten, Limits};
use cl_wire::ps::Processes;
use cl_wire::usage::{UsageBucket, UsageBy, UsageReport, UsageTrend};
use jiff::Timestamp;
use serde_json::Value;

use crate::client::Client;
use crate::error::ClientError;
use crate::path::Path;
use crate::stream::EventStream;

/// Which runs are added up, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageQuery<'a> {
    /// Only those of this project.
    pub project: Option<&'a ProjectId>,
    /// Only those of this task of it.
    pub task: Option<&'a TaskId>,
    /// What they are added up by.
    pub by: Option<UsageBy>,
    /// Only those of the last so many days, in UTC.
    pub days: Option<u32>,
    /// Only those that began then or later, instead of `days`; not along time.
    pub since: Option<Timestamp>,
}

/// Which changes are read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditQuery<'a> {
    /// Only those of this project.
    pub project: Option<&'a ProjectId>,
    /// Only those of this task.
    pub task: Option<&'a TaskId>,
    /// Only what this request has changed.
    pub request: Option<&'a str>,
    /// At most so many.
    pub limit: Option<usize>,
}

fn v1(part: &str) -> Path {
    Path::of(["api", "v1", part])
}

impl Client {
    /// Adds up what runs have used.
    pub async fn usage(&self, which: &UsageQuery<'_>) -> Result<UsageReport, ClientError> {
        let path = v1("usage")
            .query_some("project_id", which.project)
            .query_some("task_id", which.task)
            .query_some("by", which.by.map(UsageBy::as_str))
            .query_some("days", which.days)
            .query_some("since", which.since);
        self.get(&path).await
    }

    /// Adds up what runs have used along time.
    pub async fn usage_trend(
        &self,
        which: &UsageQuery<'_>,
        bucket: UsageBucket,
    ) -> Result<UsageTrend, ClientError> {
        let path = v1("usage")
            .then("trend")
            .query("bucket", bucket.as_str())
            .query_some("project_id", which.project)
            .query_some("task_id", which.task)
            .query_some("by", which.by.map(UsageBy::as_str))
            .query_some("days", which.days);
        self.get(&path).await
    }

    /// Shows what is known of the usage limits of agents.
    pub async fn usage_limits(&self) -> Result<Limits, ClientError> {
        self.get(&v1("limits")).await
    }

    /// Forgets what is known of the limits of an agent.
    pub async fn forget_limits(&self, agent: &str) -> Result<Forgotten, ClientError> {
        self.delete(&v1("limits").then(agent)).await
    }

    /// Shows the processes of tasks.
    pub async fn processes(
        &self,
        project: Option<&ProjectId>,
        task: Option<&TaskId>,
    ) -> Result<Processes, ClientError> {
        let path = v1("ps").query_some("project_id", project);
        self.get(&path.query_some("task_id", task)).await
    }

    /// Reads back what was changed through the server, the newest first.
    pub async fn audit(&self, which: &AuditQuery<'_>) -> Result<AuditTrail, ClientError> {
        let path = v1("audit")
            .query_some("project_id", which.project)
            .query_some("task_id", which.task)
            .query_some("request_id", which.request)
            .query_some("limit", which.limit);
        self.get(&path).await
    }

    /// Reads the OpenAPI document of the server.
    pub async fn openapi(&self) -> Result<Value, ClientError> {
        self.get(&Path::of(["api", "openapi.json"])).await
    }

    /// Follows what changes below the root, after all there is.
    pub async fn follow_changes(&self, after: Option<String>) -> Result<EventStream, ClientError> {
        self.follow(Path::of(["api", "stream"]), after).await
    }
}
