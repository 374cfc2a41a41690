//! The family of `/api/v1`, and what servers say of themselves.

use cl_storage::{ProjectId, RunId, TaskId};
use cl_wire::LoginLink;
use cl_wire::admin::{SelfUpdate, SelfUpdateStatus};
use cl_wire::health::{Health, Healthz, Version};
use cl_wire::v1::{
    RunResponse, Runs, Status, Stopped, Stopping, Task, TaskCreate, TaskCreated, Tasks,
};

use crate::client::Client;
use crate::error::ClientError;
use crate::path::Path;
use crate::stream::EventStream;

fn v1(part: &str) -> Path {
    Path::of(["api", "v1", part])
}

fn runs(run: &RunId) -> Path {
    v1("runs").then(run)
}

impl Client {
    /// Asks whether the server is up.
    pub async fn healthz(&self) -> Result<Healthz, ClientError> {
        self.get(&Path::of(["healthz"])).await
    }

    /// Asks whether the server is well.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get(&v1("health")).await
    }

    /// Asks which version the server is; anybody may.
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.get(&v1("version")).await
    }

    /// Asks what runs.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(&v1("status")).await
    }

    /// Asks for the numbers that the server keeps about itself, as text.
    pub async fn metrics(&self) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(&Path::of(["metrics"])).await
    }

    /// Asks for a link that logs a browser in, once.
    pub async fn login_link(&self) -> Result<LoginLink, ClientError> {
        self.post_empty(&v1("admin").then("login-link")).await
    }

    /// Asks how far a self-update has come.
    pub async fn self_update_status(&self) -> Result<SelfUpdateStatus, ClientError> {
        self.get(&v1("admin").then("self-update")).await
    }

    /// Asks the server to replace itself.
    pub async fn self_update(&self, update: &SelfUpdate) -> Result<SelfUpdateStatus, ClientError> {
        self.post(&v1("admin").then("self-update"), update).await
    }

    /// Lists tasks, of all projects unless one is named.
    pub async fn tasks(&self, project: Option<&ProjectId>) -> Result<Tasks, ClientError> {
        self.get(&v1("tasks").query_some("project_id", project))
            .await
    }

    /// Shows a task with its runs.
    pub async fn task(
        &self,
        project: Option<&ProjectId>,
        task: &TaskId,
    ) -> Result<Task, ClientError> {
        let path = v1("tasks").then(task);
        self.get(&path.query_some("project_id", project)).await
    }

    /// Submits a task, once for each `key` however often it is asked for.
    pub async fn create_task(
        &self,
        task: &TaskCreate,
        key: Option<&str>,
    ) -> Result<TaskCreated, ClientError> {
        self.post_once(&v1("tasks"), task, key).await
    }

    /// Cancels a task.
    pub async fn cancel_task(
        &self,
        project: Option<&ProjectId>,
        task: &TaskId,
    ) -> Result<Stopped, ClientError> {
        let path = v1("tasks").then(task);
        self.delete(&path.query_some("project_id", project)).await
    }

    /// Lists the runs of all projects.
    pub async fn runs(&self) -> Result<Runs, ClientError> {
        self.get(&v1("runs")).await
    }

    /// Shows a run, whichever project it belongs to.
    pub async fn run(&self, run: &RunId) -> Result<RunResponse, ClientError> {
        self.get(&runs(run)).await
    }

    /// Reads the record of a run as it stands on disk.
    pub async fn run_record(&self, run: &RunId) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(&runs(run).then("info")).await
    }

    /// Stops a run, whichever project it belongs to.
    pub async fn stop_run(&self, run: &RunId) -> Result<Stopping, ClientError> {
        self.post_empty(&runs(run).then("stop")).await
    }

    /// Follows the lines and the status of a run.
    pub async fn follow_run(
        &self,
        run: &RunId,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        self.follow(runs(run).then("stream"), after).await
    }

    /// Follows the lines and the status of all runs.
    pub async fn follow_all_runs(&self, after: Option<String>) -> Result<EventStream, ClientError> {
        let path = v1("runs").then("stream").then("all");
        self.follow(path, after).await
    }
}
