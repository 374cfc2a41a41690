//! The tasks and runs of one project.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use cl_runner::delete::{DeleteError, delete_run};
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, TaskId};
use cl_wire::Problem;
use cl_wire::page::{self, CursorPage, Page};
use cl_wire::projects::{Run, TaskDetail, TaskItem, TaskPage};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::{Asked, Holds, flag, listed};
use super::projects::view_of;
use super::v1::found;
use super::{place, shape};
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::guard::Browser;
use crate::state::{ProjectView, RunFacts, TaskEntry};

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(tasks))
        .routes(routes!(task))
        .routes(routes!(runs))
        .routes(routes!(run, delete))
}

/// Which tasks are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those of this status, or `active`, `done`, `postponed`; a word that is none of these counts as not given.
    #[serde(default)]
    status: Option<String>,
    /// How many there are in an answer; 50 unless given, at most 500.
    #[serde(default)]
    limit: Option<String>,
    /// How many stand before.
    #[serde(default)]
    offset: Option<String>,
    /// Instead of `offset`: the `next` of the answer before, or nothing for the first one; the answer then has `next`.
    #[serde(default)]
    after: Option<String>,
}

/// Returns the statuses that a filter word means; none where it does not filter.
fn filter(word: Option<&str>) -> Option<&'static [TaskStatus]> {
    use TaskStatus::{AllFinished, PartialFailure, Queued, Running, Waiting};
    match word?.trim() {
        // What runs counts, whatever else is to be said of it.
        "running" | "active" => Some(&[Running, PartialFailure, Waiting]),
        "done" | "all_finished" => Some(&[AllFinished]),
        "postponed" => Some(&[Queued]),
        word => TaskStatus::parse_filter(word),
    }
}

/// Lists the tasks of a project, those made last first.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks", tag = "tasks",
    params(("project_id" = String, Path), Which),
    responses((status = 200, body = TaskPage), (status = 304), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn tasks(
    State(app): State<App>,
    headers: HeaderMap,
    Path(project): Path<String>,
    Asked(asked): Asked<Which>,
) -> Answer<Response> {
    let project = view_of(&app, &place::project_id(&project)?)?;
    let statuses = filter(asked.status.as_deref());
    let limit = page::limit(asked.limit.as_deref());
    let key = format!("tasks {} {statuses:?} {limit}", project.id);
    // The size of what runs have written is not in the view.
    let holds = Holds::ForASecond(project.version);
    if let Some(after) = asked.after {
        let after = Some(after.as_str()).filter(|after| !after.is_empty());
        let after = after.map(Behind::parse).transpose()?;
        let key = format!("{key} after {after:?}");
        return listed(&app, &headers, key, holds, move |app| {
            let page = page_behind(app, &project, statuses, limit, after.as_ref());
            Ok(TaskPage::Behind(page))
        })
        .await;
    }
    let offset = page::offset(asked.offset.as_deref());
    let key = format!("{key} at {offset}");
    listed(&app, &headers, key, holds, move |app| {
        let tasks = sorted(&project, statuses);
        let items = tasks.into_iter().map(|entry| shape::task_item(app, entry));
        Ok(TaskPage::Counted(Page::cut(items, limit, offset)))
    })
    .await
}

/// Returns the tasks of a project, those made last first.
fn sorted<'a>(
    project: &'a ProjectView,
    statuses: Option<&[TaskStatus]>,
) -> Vec<&'a Arc<TaskEntry>> {
    let is_wanted = |entry: &&Arc<TaskEntry>| {
        statuses.is_none_or(|statuses| {
            let is_done = entry.row.done && statuses.contains(&TaskStatus::AllFinished);
            is_done || statuses.contains(&entry.row.status)
        })
    };
    let mut tasks: Vec<_> = project.tasks.values().filter(is_wanted).collect();
    let key = |entry: &TaskEntry| (entry.created_at, entry.row.task_id.clone());
    tasks.sort_by_cached_key(|entry| std::cmp::Reverse(key(entry)));
    tasks
}

/// A place in the list of tasks: behind the one that was made then.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Behind {
    created_at: Option<Timestamp>,
    task: TaskId,
}

impl Behind {
    fn of(entry: &TaskEntry) -> Self {
        Self {
            created_at: entry.created_at,
            task: entry.row.task_id.clone(),
        }
    }

    fn parse(text: &str) -> Answer<Self> {
        let bad = || Refusal::bad_request(format!("invalid after: {text}"));
        let (time, task) = text.split_once('~').ok_or_else(bad)?;
        let time = Some(time).filter(|time| !time.is_empty());
        Ok(Self {
            created_at: time.map(str::parse).transpose().map_err(|_| bad())?,
            task: TaskId::parse_existing(task).map_err(|_| bad())?,
        })
    }

    fn text(&self) -> String {
        let time = self.created_at.map(|time| time.to_string());
        format!("{}~{}", time.unwrap_or_default(), self.task)
    }
}

fn page_behind(
    app: &App,
    project: &ProjectView,
    statuses: Option<&[TaskStatus]>,
    limit: usize,
    after: Option<&Behind>,
) -> CursorPage<TaskItem> {
    let tasks = sorted(project, statuses);
    let start =
        tasks.partition_point(|entry| after.is_some_and(|after| Behind::of(entry) >= *after));
    let shown = &tasks[start..tasks.len().min(start.saturating_add(limit))];
    CursorPage {
        items: shown
            .iter()
            .map(|entry| shape::task_item(app, entry))
            .collect(),
        next: shown.last().map(|entry| Behind::of(entry).text()),
        previous: shown.first().map(|entry| Behind::of(entry).text()),
        has_more: start + shown.len() < tasks.len(),
    }
}

/// What of a task is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Parts {
    /// Whether the files of the runs are listed; 1 unless given.
    #[serde(default)]
    include_files: Option<String>,
}

/// Returns a task that is there.
pub(super) fn entry(app: &App, project: &ProjectId, task: &TaskId) -> Answer<Arc<TaskEntry>> {
    let not_found = || {
        Refusal::not_found("task not found")
            .detail("project_id", project.as_str())
            .detail("task_id", task.as_str())
    };
    let view = app.index.project(project).ok_or_else(not_found)?;
    view.tasks.get(task).cloned().ok_or_else(not_found)
}

/// Shows a task with its runs.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path), Parts),
    responses((status = 200, body = TaskDetail), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn task(
    State(app): State<App>,
    headers: HeaderMap,
    Path((project, task)): Path<(String, String)>,
    Asked(asked): Asked<Parts>,
) -> Answer<Response> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let has_files = flag("include_files", asked.include_files.as_deref(), true)?;
    let found = entry(&app, &project, &id)?;
    let key = format!("task {project} {id} {has_files}");
    let holds = if has_files {
        Holds::ForASecond(found.version)
    } else {
        Holds::AtVersion(found.version)
    };
    listed(&app, &headers, key, holds, move |app| {
        Ok(shape::task_detail(app, &found, has_files))
    })
    .await
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Part {
    /// How many there are in an answer; 50 unless given, at most 500.
    #[serde(default)]
    limit: Option<String>,
    /// How many stand before.
    #[serde(default)]
    offset: Option<String>,
}

/// Lists the runs of a task, those begun last first.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs", tag = "runs",
    params(("project_id" = String, Path), ("task_id" = String, Path), Part),
    responses((status = 200, body = Page<Run>), (status = 304), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn runs(
    State(app): State<App>,
    headers: HeaderMap,
    Path((project, task)): Path<(String, String)>,
    Asked(asked): Asked<Part>,
) -> Answer<Response> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let limit = page::limit(asked.limit.as_deref());
    let offset = page::offset(asked.offset.as_deref());
    let found = entry(&app, &project, &id)?;
    if found.row.runs == 0 {
        return Err(Refusal::not_found("task not found")
            .detail("task_id", id.as_str())
            .hint("the task is there and has no runs yet"));
    }
    let key = format!("runs {project} {id} {limit} {offset}");
    let holds = Holds::ForASecond(found.version);
    listed(&app, &headers, key, holds, move |app| {
        let facts = app.index.run_facts(&found);
        let mut sorted: Vec<&RunFacts> = facts.iter().collect();
        sorted.sort_by(|a, b| (b.start, &b.id).cmp(&(a.start, &a.id)));
        let dir = found.dir(&app.root).ok();
        let runs = sorted.into_iter().map(|run| with_files(dir.as_ref(), run));
        Ok(Page::cut(runs, limit, offset))
    })
    .await
}

/// Returns a run with its files. Blocks.
fn with_files(task: Option<&cl_storage::TaskDir>, run: &RunFacts) -> Run {
    let folder = task.and_then(|task| task.run(&run.id).ok());
    Run {
        files: Some(
            folder
                .map(|folder| shape::files(&folder))
                .unwrap_or_default(),
        ),
        ..shape::run(run)
    }
}

/// Shows a run.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}", tag = "runs",
    params(("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path)),
    responses((status = 200, body = Run), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn run(
    State(app): State<App>,
    Path((project, task, run)): Path<(String, String, String)>,
) -> Answer<Json<Run>> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    let id = place::run_id(&run)?;
    let entry = entry(&app, &project, &task)?;
    let run = blocking(move || {
        let runs = app.index.run_facts(&entry);
        let run = found(&runs, &id)?;
        Ok(with_files(entry.dir(&app.root).ok().as_ref(), run))
    });
    Ok(Json(run.await?))
}

/// Deletes a run with all its files; not through browsers, and not while it runs.
#[utoipa::path(
    delete, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}", tag = "runs",
    params(("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn delete(
    State(app): State<App>,
    browser: Browser,
    Path((project, task, run)): Path<(String, String, String)>,
) -> Answer<Response> {
    browser.must_not("run deletion")?;
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    let id = place::run_id(&run)?;
    blocking(move || {
        let task = place::task(&app, &project, &task)?;
        place::run(&task, &id)?;
        delete_run(&app.root, &task, &id, &*app.clock).map_err(undeleted)?;
        app.index.look_again(&project, task.id());
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn undeleted(error: DeleteError) -> Refusal {
    match error {
        DeleteError::Active { .. } => Refusal::conflict("run is still running")
            .detail("active", error.to_string())
            .hint("stop the task first"),
        error if error.is_conflict() => Refusal::conflict(cl_view::chain(&error)),
        error => Refusal::internal("the run could not be deleted", &error),
    }
}
