//! The family of `/api/projects`.

use cl_storage::{ProjectId, RunId, TaskId};
use cl_wire::page::{CursorPage, Page};
use cl_wire::projects::{
    FileContent, FlatRuns, GcResult, HomeDirs, Project, ProjectCreate, ProjectDeleted,
    ProjectStats, Projects, Resume, Resumed, Run, RunStopping, TaskDetail, TaskItem,
};
use cl_wire::tree::Tree;

use crate::client::{Client, Fresh};
use crate::error::ClientError;
use crate::path::Path;
use crate::stream::EventStream;

/// Which tasks are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only those of a status, by a word of the filter.
    pub status: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// How many are passed over.
    pub offset: Option<usize>,
}

/// Which runs of a project are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlatQuery {
    /// Only those that are active, and what they hang on.
    pub active_only: bool,
    /// Those of a task, and what they hang on.
    pub selected_task: Option<TaskId>,
    /// Only so many of that task.
    pub selected_limit: Option<usize>,
}

/// What is collected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcQuery {
    /// Only what is older, such as `168h`.
    pub older_than: Option<String>,
    /// Nothing is deleted; it is only asked.
    pub dry_run: bool,
    /// Runs that failed stay.
    pub keep_failed: bool,
}

/// Which part of a file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FilePart {
    /// All of it, as far as the server sends it at once.
    #[default]
    All,
    /// So many of its last lines.
    Tail(usize),
    /// What stands behind so many bytes.
    From(u64),
}

fn all() -> Path {
    Path::of(["api", "projects"])
}

pub(super) fn of(project: &ProjectId) -> Path {
    all().then(project)
}

pub(super) fn of_task(project: &ProjectId, task: &TaskId) -> Path {
    of(project).then("tasks").then(task)
}

pub(super) fn of_run(project: &ProjectId, task: &TaskId, run: &RunId) -> Path {
    of_task(project, task).then("runs").then(run)
}

impl Client {
    /// Lists the projects.
    pub async fn projects(&self) -> Result<Projects, ClientError> {
        self.get(&all()).await
    }

    /// Makes a project.
    pub async fn create_project(&self, project: &ProjectCreate) -> Result<Project, ClientError> {
        self.post(&all(), project).await
    }

    /// Lists folders that agents have worked in.
    pub async fn home_dirs(&self) -> Result<HomeDirs, ClientError> {
        self.get(&all().then("home-dirs")).await
    }

    /// Shows a project.
    pub async fn project(&self, project: &ProjectId) -> Result<Project, ClientError> {
        self.get(&of(project)).await
    }

    /// Deletes a project; what runs there is stopped only `if_running`.
    pub async fn delete_project(
        &self,
        project: &ProjectId,
        if_running: IfRunning,
    ) -> Result<ProjectDeleted, ClientError> {
        let path = of(project);
        self.delete(&match if_running {
            IfRunning::Refuse => path,
            IfRunning::Stop => path.query("force", true),
        })
        .await
    }

    /// Counts what a project has.
    pub async fn project_stats(&self, project: &ProjectId) -> Result<ProjectStats, ClientError> {
        self.get(&of(project).then("stats")).await
    }

    /// Deletes old runs of a project.
    pub async fn collect(
        &self,
        project: &ProjectId,
        what: &GcQuery,
    ) -> Result<GcResult, ClientError> {
        let path = of(project)
            .then("gc")
            .query_some("older_than", what.older_than.as_ref())
            .query("dry_run", what.dry_run)
            .query("keep_failed", what.keep_failed);
        self.post_empty(&path).await
    }

    /// Shows what stands below what in a project, unless it is what `etag` stands for.
    pub async fn tree(
        &self,
        project: &ProjectId,
        etag: Option<&str>,
    ) -> Result<Fresh<Tree>, ClientError> {
        self.get_fresh(&of(project).then("tree"), etag).await
    }

    /// Lists runs of a project and what they hang on.
    pub async fn flat_runs(
        &self,
        project: &ProjectId,
        which: &FlatQuery,
    ) -> Result<FlatRuns, ClientError> {
        let path = of(project)
            .then("runs")
            .then("flat")
            .query_some("active_only", which.active_only.then_some("1"))
            .query_some("selected_task_id", which.selected_task.as_ref())
            .query_some("selected_task_limit", which.selected_limit);
        self.get(&path).await
    }

    /// Lists the tasks of a project behind a place, the newest first; without one from the start.
    pub async fn project_tasks_behind(
        &self,
        project: &ProjectId,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<CursorPage<TaskItem>, ClientError> {
        let path = of(project)
            .then("tasks")
            .query("after", after.unwrap_or_default())
            .query_some("limit", limit);
        self.get(&path).await
    }

    /// Lists the tasks of a project, the newest first.
    pub async fn project_tasks(
        &self,
        project: &ProjectId,
        which: &TaskQuery,
    ) -> Result<Page<TaskItem>, ClientError> {
        let path = of(project)
            .then("tasks")
            .query_some("status", which.status.as_ref())
            .query_some("limit", which.limit)
            .query_some("offset", which.offset);
        self.get(&path).await
    }

    /// Shows a task of a project with its runs.
    pub async fn task_detail(
        &self,
        project: &ProjectId,
        task: &TaskId,
    ) -> Result<TaskDetail, ClientError> {
        self.get(&of_task(project, task)).await
    }

    /// Deletes a task.
    pub async fn delete_task(&self, project: &ProjectId, task: &TaskId) -> Result<(), ClientError> {
        self.delete(&of_task(project, task)).await
    }

    /// Takes back a task's claim to be done, and starts it if asked to.
    pub async fn resume_task(
        &self,
        project: &ProjectId,
        task: &TaskId,
        how: &Resume,
    ) -> Result<Resumed, ClientError> {
        self.post(&of_task(project, task).then("resume"), how).await
    }

    /// Reads a file of a task.
    pub async fn task_file(
        &self,
        project: &ProjectId,
        task: &TaskId,
        name: &str,
    ) -> Result<FileContent, ClientError> {
        let path = of_task(project, task).then("file");
        self.get(&path.query("name", name)).await
    }

    /// Lists the runs of a task, the newest first.
    pub async fn task_runs(
        &self,
        project: &ProjectId,
        task: &TaskId,
        limit: Option<usize>,
        offset: Option<usize>,
    ) -> Result<Page<Run>, ClientError> {
        let path = of_task(project, task)
            .then("runs")
            .query_some("limit", limit)
            .query_some("offset", offset);
        self.get(&path).await
    }

    /// Shows a run of a task.
    pub async fn task_run(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
    ) -> Result<Run, ClientError> {
        self.get(&of_run(project, task, run)).await
    }

    /// Stops a run of a task.
    pub async fn stop_task_run(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
    ) -> Result<RunStopping, ClientError> {
        self.post_empty(&of_run(project, task, run).then("stop"))
            .await
    }

    /// Deletes a run of a task.
    pub async fn delete_run(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
    ) -> Result<(), ClientError> {
        self.delete(&of_run(project, task, run)).await
    }

    /// Reads a file of a run: `stdout`, `stderr`, `prompt` or `output.md`.
    pub async fn run_file(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
        name: &str,
        part: FilePart,
    ) -> Result<FileContent, ClientError> {
        let path = of_run(project, task, run).then("file").query("name", name);
        let path = match part {
            FilePart::All => path,
            FilePart::Tail(lines) => path.query("tail", lines),
            FilePart::From(offset) => path.query("offset", offset),
        };
        self.get(&path).await
    }

    /// Follows the text of a file of a run until the run has ended.
    pub async fn follow_run_file(
        &self,
        project: &ProjectId,
        task: &TaskId,
        run: &RunId,
        name: &str,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        let path = of_run(project, task, run).then("stream");
        self.follow(path.query("name", name), after).await
    }

    /// Follows the lines and the status of the runs of a task.
    pub async fn follow_task_runs(
        &self,
        project: &ProjectId,
        task: &TaskId,
        after: Option<String>,
    ) -> Result<EventStream, ClientError> {
        let path = of_task(project, task).then("runs").then("stream");
        self.follow(path, after).await
    }
}

/// What becomes of what runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfRunning {
    /// It keeps what was asked from being done.
    #[default]
    Refuse,
    /// It is stopped first.
    Stop,
}
