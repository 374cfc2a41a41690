//! Messages of buses.

use cl_storage::{ProjectId, TaskId};
use cl_wire::messages::{Messages, Post, PostTo, Posted};

use super::projects;
use crate::client::Client;
use crate::error::ClientError;
use crate::path::Path;
use crate::stream::EventStream;

/// Whose bus is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusOf<'a> {
    /// That of a project.
    Project(&'a ProjectId),
    /// That of a task.
    Task(&'a ProjectId, &'a TaskId),
}

impl BusOf<'_> {
    fn path(self) -> Path {
        match self {
            Self::Project(project) => projects::of(project),
            Self::Task(project, task) => projects::of_task(project, task),
        }
        .then("messages")
    }
}

impl Client {
    /// Reads messages: all, those after the message `since`, or the last `limit` of them.
    pub async fn messages(
        &self,
        bus: BusOf<'_>,
        since: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Messages, ClientError> {
        let path = bus.path();
        self.get(&path.query_some("since", since).query_some("limit", limit))
            .await
    }

    /// Posts a message, once for each `key` however often it is asked for; it is on disk
    /// when this returns.
    pub async fn post_message(
        &self,
        bus: BusOf<'_>,
        message: &Post,
        key: Option<&str>,
    ) -> Result<Posted, ClientError> {
        self.post_once(&bus.path(), message, key).await
    }

    /// Follows a bus, behind the message `after` if one is given.
    pub async fn follow_messages(
        &self,
        bus: BusOf<'_>,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        self.follow(bus.path().then("stream"), after).await
    }

    /// Reads the messages of a project or, with a task, of that task, by the path for both.
    pub async fn any_messages(
        &self,
        project: &ProjectId,
        task: Option<&TaskId>,
        limit: Option<usize>,
    ) -> Result<Messages, ClientError> {
        let path = any().query("project_id", project);
        self.get(&path.query_some("task_id", task).query_some("limit", limit))
            .await
    }

    /// Posts a message that says itself where it belongs, once for each `key`.
    pub async fn post_any_message(
        &self,
        message: &PostTo,
        key: Option<&str>,
    ) -> Result<Posted, ClientError> {
        self.post_once(&any(), message, key).await
    }

    /// Follows a bus by the path for both, behind the message `after` if one is given.
    pub async fn follow_any_messages(
        &self,
        project: &ProjectId,
        task: Option<&TaskId>,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        let path = any().then("stream").query("project_id", project);
        self.follow(path.query_some("task_id", task), after).await
    }
}

fn any() -> Path {
    Path::of(["api", "v1", "messages"])
}
