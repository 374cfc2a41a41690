//! What is done with a task, and what is known of it besides its runs.

use cl_storage::{ProjectId, RunId, TaskId};
use cl_wire::evidence::TaskEvidence;
use cl_wire::projects::{Cancel, FileHits, TaskActed, Unblock};

use super::projects::{of, of_run, of_task};
use crate::client::Client;
use crate::error::ClientError;
use crate::stream::EventStream;

impl Client {
    /// Stops a task; nothing of it begins until somebody takes it up again.
    pub async fn stop_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskActed, ClientError> {
        self.post_empty(&of_task(project, task).then("stop")).await
    }

    /// Gives a task up, and says why.
    pub async fn give_up_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
        why: &Cancel,
    ) -> Result<TaskActed, ClientError> {
        self.post(&of_task(project, task).then("cancel"), why).await
    }

    /// Takes back that a task was given up.
    pub async fn uncancel_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskActed, ClientError> {
        self.post_empty(&of_task(project, task).then("uncancel"))
            .await
    }

    /// Has a task not wait for others any more.
    pub async fn unblock_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
        from: &Unblock,
    ) -> Result<TaskActed, ClientError> {
        self.post(&of_task(project, task).then("unblock"), from)
            .await
    }

    /// Has a task that waits go on at once.
    pub async fn wake_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskActed, ClientError> {
        self.post_empty(&of_task(project, task).then("wake")).await
    }

    /// Shows what the gates found of a task's claims to be done.
    pub async fn evidence(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskEvidence, ClientError> {
        self.get(&of_task(project, task).then("evidence")).await
    }

    /// Reads what a gate printed.
    pub async fn evidence_output(
        &self,
        project: &ProjectId,
        task: &TaskId,
        number: u32,
    ) -> Result<Vec<u8>, ClientError> {
        let path = of_task(project, task).then("evidence");
        self.get_bytes(&path.then(number.to_string()).then("output"))
            .await
    }

    /// Reads the bytes of a file of a task.
    pub async fn task_bytes(
        &self,
        project: &ProjectId,
        task: &TaskId,
        name: &str,
    ) -> Result<Vec<u8>, ClientError> {
        let path = of_task(project, task).then("file").then("raw");
        self.get_bytes(&path.query("name", name)).await
    }

    /// Reads the bytes of a file of a run.
    pub async fn run_bytes(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
        name: &str,
    ) -> Result<Vec<u8>, ClientError> {
        let path = of_run(project, task, run).then("file").then("raw");
        self.get_bytes(&path.query("name", name)).await
    }

    /// Finds where a text stands in a file of a run, from the byte `from` on.
    pub async fn search_run_file(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
        name: &str,
        text: &str,
        from: Option<u64>,
    ) -> Result<FileHits, ClientError> {
        let path = of_run(project, task, run).then("file").then("search");
        let path = path.query("name", name).query("q", text);
        self.get(&path.query_some("from", from)).await
    }

    /// Follows what changes in a project, after all there is.
    pub async fn follow_project(
        &self,
        project: &ProjectId,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        self.follow(of(project).then("stream"), after).await
    }
}
