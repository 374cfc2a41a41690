//! The core view: what commands print with `--json`, and what they do.

use std::time::Duration;

use cl_storage::{ProjectId, TaskId};
use cl_wire::TaskListing;
use cl_wire::changes::{
    BusPost, BusPosted, CancelAnswer, CancelRequest, ClearRequest, DeleteAnswer, DeleteRequest,
    LaunchRequest, Launched, TaskChanged, TaskStartable, UnblockAnswer,
};
use cl_wire::projects::Unblock;
use cl_wire::shown::{ProjectNames, RunListing, StopAnswer, StopRequest, TaskActivity, TaskShown};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::ClientError;
use crate::path::Path;

/// Which tasks are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CoreTasks<'a> {
    /// All.
    #[default]
    All,
    /// Those of a project.
    Project(&'a ProjectId),
    /// These of a project.
    These(&'a ProjectId, &'a [TaskId]),
}

impl CoreTasks<'_> {
    fn asked(self, path: Path) -> Path {
        match self {
            Self::All => path,
            Self::Project(project) => path.query("project_id", project),
            Self::These(project, tasks) => {
                let ids: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
                path.query("project_id", project)
                    .query("task_id", ids.join(","))
            }
        }
    }
}

fn core(part: &str) -> Path {
    Path::of(["api", "v1", "core", part])
}

fn of_task(project: &ProjectId, task: &TaskId) -> Path {
    core("projects").then(project).then("tasks").then(task)
}

impl Client {
    /// Names the projects.
    pub async fn core_projects(&self) -> Result<ProjectNames, ClientError> {
        self.get(&core("projects")).await
    }

    /// Lists tasks as commands do.
    pub async fn core_tasks(&self, which: CoreTasks<'_>) -> Result<TaskListing, ClientError> {
        self.get(&which.asked(core("tasks"))).await
    }

    /// Tells what tasks are doing; one that reports nothing for so long counts as adrift.
    pub async fn core_activities(
        &self,
        which: CoreTasks<'_>,
        drift_after: Duration,
    ) -> Result<Vec<TaskActivity>, ClientError> {
        let path = core("activities").query("drift_after_ms", drift_after.as_millis());
        self.get(&which.asked(path)).await
    }

    /// Shows everything about a task.
    pub async fn core_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskShown, ClientError> {
        self.get(&of_task(project, task)).await
    }

    /// Lists the runs of a task, oldest first.
    pub async fn core_runs(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<RunListing, ClientError> {
        self.get(&of_task(project, task).then("runs")).await
    }

    /// Runs a task.
    pub async fn core_launch(
        &self,
        project: &ProjectId,
        task: &TaskId,
        launch: &LaunchRequest,
    ) -> Result<Launched, ClientError> {
        self.post(&of_task(project, task).then("launch"), launch)
            .await
    }

    /// Stops a task and everything below it, and waits until that is done.
    pub async fn core_stop(
        &self,
        project: &ProjectId,
        task: &TaskId,
        how: &StopRequest,
    ) -> Result<StopAnswer, ClientError> {
        self.post(&of_task(project, task).then("stop"), how).await
    }

    /// Gives a task up for good.
    pub async fn core_cancel(
        &self,
        project: &ProjectId,
        task: &TaskId,
        why: &CancelRequest,
    ) -> Result<CancelAnswer, ClientError> {
        self.post(&of_task(project, task).then("cancel"), why).await
    }

    /// Takes back that a task was given up.
    pub async fn core_uncancel(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskChanged, ClientError> {
        self.post_empty(&of_task(project, task).then("uncancel"))
            .await
    }

    /// Lets a task begin without tasks that it waits for.
    pub async fn core_unblock(
        &self,
        project: &ProjectId,
        task: &TaskId,
        from: &Unblock,
    ) -> Result<UnblockAnswer, ClientError> {
        self.post(&of_task(project, task).then("unblock"), from)
            .await
    }

    /// Has a task that waits go on at once.
    pub async fn core_wake(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskChanged, ClientError> {
        self.post_empty(&of_task(project, task).then("wake")).await
    }

    /// Takes away what keeps a task from being started.
    pub async fn core_clear(
        &self,
        project: &ProjectId,
        task: &TaskId,
        how: &ClearRequest,
    ) -> Result<TaskStartable, ClientError> {
        self.post(&of_task(project, task).then("clear"), how).await
    }

    /// Deletes a task with all its files.
    pub async fn core_delete(
        &self,
        project: &ProjectId,
        task: &TaskId,
        how: &DeleteRequest,
    ) -> Result<DeleteAnswer, ClientError> {
        self.post(&of_task(project, task).then("delete"), how).await
    }

    /// Reads messages with their places, into what knows places.
    pub async fn core_messages<T: DeserializeOwned>(
        &self,
        project: &ProjectId,
        task: Option<&TaskId>,
        limit: Option<usize>,
    ) -> Result<T, ClientError> {
        let path = core("messages").query("project_id", project);
        self.get(&path.query_some("task_id", task).query_some("limit", limit))
            .await
    }

    /// Posts a message; it is as durable as it asks to be when this returns.
    pub async fn core_post(&self, message: &BusPost) -> Result<BusPosted, ClientError> {
        self.post(&core("messages"), message).await
    }
}
