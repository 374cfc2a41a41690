//! Messages of buses.

use cl_storage::{ProjectId, TaskId};
use cl_wire::messages::{Messages, Post, Posted};

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
}
