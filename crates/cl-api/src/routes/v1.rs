//! What command line clients read: tasks and runs of all projects.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use cl_storage::run_info::{Phase, RunStatus};
use cl_storage::{ProjectId, RunId, TaskId, record};
use cl_wire::Problem;
use cl_wire::v1::{Readiness, RunResponse, RunningTask, Runs, Status, Task, Tasks};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::{Asked, Holds, listed};
use super::{place, shape};
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::state::{Mode, RunFacts, TaskEntry, View};

/// How many problems are told at once.
const MOST_PROBLEMS: usize = 100;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(tasks))
        .routes(routes!(task))
        .routes(routes!(runs))
        .routes(routes!(run))
        .routes(routes!(run_info))
}

/// Limits a list to one project.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InProject {
    /// The project; all if it is left out.
    #[serde(default)]
    project_id: Option<String>,
}

impl InProject {
    fn id(&self) -> Answer<Option<ProjectId>> {
        let named = self.project_id.as_deref().filter(|id| !id.is_empty());
        named.map(place::project_id).transpose()
    }
}

/// Says what runs.
#[utoipa::path(get, path = "/api/v1/status", tag = "server", responses((status = 200, body = Status)))]
async fn status(State(app): State<App>) -> Answer<Json<Status>> {
    let status = blocking(move || {
        let view = app.index.view();
        let running_tasks = running(&app, &view);
        Ok(Status {
            active_runs_count: running_tasks.len(),
            uptime_seconds: app.started.elapsed().as_secs_f64(),
            configured_agents: app.serving.config.agents.keys().cloned().collect(),
            version: app.serving.version.clone(),
            running_tasks,
            max_concurrent_runs: app
                .serving
                .config
                .defaults
                .max_concurrent_runs
                .map(std::num::NonZeroU32::get),
            readiness: Some(readiness(&app, &view)),
        })
    });
    Ok(Json(status.await?))
}

fn readiness(app: &App, view: &View) -> Readiness {
    let index = app.index.health();
    let projects = view.projects.values();
    let of_projects = projects.flat_map(|project| project.problems.iter());
    let of_queue = app.conductor.problems();
    let problems = index
        .problem
        .iter()
        .chain(&*view.problems)
        .chain(&of_queue)
        .chain(of_projects);
    Readiness {
        index_built: !index.is_building,
        recovered: app.conductor.has_recovered(),
        read_only: app.serving.is_read_only,
        polling: index.mode == Mode::Polling,
        waiting: app.conductor.waiting(),
        problems: problems.take(MOST_PROBLEMS).cloned().collect(),
    }
}

/// Returns the runs that are at work, oldest first; not those that wait for a slot.
fn running(app: &App, view: &View) -> Vec<RunningTask> {
    let may_run = |entry: &&Arc<TaskEntry>| {
        entry.row.active || entry.row.latest_status == Some(RunStatus::Running)
    };
    let mut running = Vec::new();
    for entry in view.tasks().filter(may_run) {
        let runs = app.index.run_facts(entry);
        let active = runs
            .iter()
            .filter(|run| run.status == RunStatus::Running && run.phase != Some(Phase::Queued));
        running.extend(active.map(|run| RunningTask {
            project_id: entry.row.project_id.clone(),
            task_id: entry.row.task_id.clone(),
            run_id: run.id.clone(),
            agent: shape::run(run).agent,
            started: run.start,
        }));
    }
    running.sort_by(|a, b| (a.started, &a.run_id).cmp(&(b.started, &b.run_id)));
    running
}

/// Lists the tasks of all projects, or of one.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "tasks", params(InProject),
    responses((status = 200, body = Tasks), (status = 304), (status = 400, body = Problem))
)]
async fn tasks(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(asked): Asked<InProject>,
) -> Answer<Response> {
    let only = asked.id()?;
    let view = app.index.view();
    let key = format!("v1 tasks {only:?}");
    let holds = Holds::AtVersion(view.version);
    listed(&app, &headers, key, holds, move |_| {
        let tasks = view.tasks_of(only.as_ref());
        Ok(Tasks {
            tasks: tasks.map(|entry| shape::v1_task(entry)).collect(),
        })
    })
    .await
}

/// Shows a task with its runs.
#[utoipa::path(
    get, path = "/api/v1/tasks/{task_id}", tag = "tasks",
    params(("task_id" = String, Path), InProject),
    responses((status = 200, body = Task), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn task(
    State(app): State<App>,
    Path(task): Path<String>,
    Asked(asked): Asked<InProject>,
) -> Answer<Json<Task>> {
    let (id, only) = (place::task_id(&task)?, asked.id()?);
    let task = blocking(move || {
        let entry = task_entry(&app.index.view(), only.as_ref(), &id)?;
        let mut task = shape::v1_task(&entry);
        let runs = app.index.run_facts(&entry);
        task.runs = runs
            .iter()
            .map(|run| shape::run_response(&entry, run))
            .collect();
        task.runs.sort_by(|a, b| a.run_id.cmp(&b.run_id));
        Ok(task)
    });
    Ok(Json(task.await?))
}

/// Finds the one task with this id, in the project that is named or in any.
fn task_entry(view: &View, only: Option<&ProjectId>, id: &TaskId) -> Answer<Arc<TaskEntry>> {
    let projects = view.projects.values();
    let named = projects.filter(|project| only.is_none_or(|only| *only == project.id));
    let mut found = named.filter_map(|project| project.tasks.get(id));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(Arc::clone(one)),
        (None, _) => Err(Refusal::not_found("task not found").detail("task_id", id.as_str())),
        (Some(_), Some(_)) => Err(Refusal::conflict("multiple tasks found")
            .detail("task_id", id.as_str())
            .hint("name the project with project_id")),
    }
}

/// Lists the runs of all projects, or of one, by id.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", params(InProject),
    responses((status = 200, body = Runs), (status = 304), (status = 400, body = Problem))
)]
async fn runs(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(asked): Asked<InProject>,
) -> Answer<Response> {
    let only = asked.id()?;
    let view = app.index.view();
    let key = format!("v1 runs {only:?}");
    let holds = Holds::AtVersion(view.version);
    listed(&app, &headers, key, holds, move |app| {
        let mut runs = Vec::new();
        for entry in view.tasks_of(only.as_ref()) {
            let facts = app.index.run_facts(entry);
            runs.extend(facts.iter().map(|run| shape::run_response(entry, run)));
        }
        runs.sort_by(|a, b| (&a.run_id, &a.task_id).cmp(&(&b.run_id, &b.task_id)));
        Ok(Runs { runs })
    })
    .await
}

/// Shows a run.
#[utoipa::path(
    get, path = "/api/v1/runs/{run_id}", tag = "runs", params(("run_id" = String, Path)),
    responses((status = 200, body = RunResponse), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn run(State(app): State<App>, Path(run): Path<String>) -> Answer<Json<RunResponse>> {
    let id = place::run_id(&run)?;
    let run = blocking(move || {
        let entry = entry_of_run(&app, &id)?;
        let runs = app.index.run_facts(&entry);
        let run = found(&runs, &id)?;
        Ok(shape::run_response(&entry, run))
    });
    Ok(Json(run.await?))
}

/// Returns the record of a run as it stands on disk.
#[utoipa::path(
    get, path = "/api/v1/runs/{run_id}/info", tag = "runs", params(("run_id" = String, Path)),
    responses((status = 200, body = String, content_type = "application/x-yaml"), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn run_info(State(app): State<App>, Path(run): Path<String>) -> Answer<Response> {
    let id = place::run_id(&run)?;
    let text = blocking(move || {
        let entry = entry_of_run(&app, &id)?;
        let folder = entry.dir(&app.root).map_err(place::outside)?;
        let run = place::run(&folder, &id)?;
        let text = record::read_text(&run.info())
            .map_err(|error| Refusal::internal("the record of the run cannot be read", &error))?;
        let missing = || Refusal::not_found("the run has no record").detail("run_id", id.as_str());
        text.ok_or_else(missing)
    });
    let kind = HeaderValue::from_static("application/x-yaml");
    Ok(([(header::CONTENT_TYPE, kind)], text.await?).into_response())
}

/// Finds the run `id` among `runs`.
pub(super) fn found<'a>(runs: &'a [RunFacts], id: &RunId) -> Answer<&'a RunFacts> {
    let found = runs.iter().find(|run| run.id == *id);
    found.ok_or_else(|| place::no_run(id))
}

/// Finds the one task that has this run. Blocks: looks into the folders of tasks that may have it.
pub(super) fn entry_of_run(app: &App, id: &RunId) -> Answer<Arc<TaskEntry>> {
    let view = app.index.view();
    let begun = id.started_at();
    // A task in which nothing has happened since has not begun this run.
    let may_have = |entry: &&Arc<TaskEntry>| match (entry.row.last_activity, begun) {
        (Some(last), Some(begun)) => last.as_second() + 1 >= begun.as_second(),
        _ => true,
    };
    let has = |entry: &&Arc<TaskEntry>| {
        if entry.row.latest_run.as_ref() == Some(id) {
            return true;
        }
        if entry.row.runs == 0 || entry.row.legacy {
            return false;
        }
        let folder = entry.dir(&app.root);
        folder.is_ok_and(|folder| folder.runs_folder().join(id.as_str()).is_dir())
    };
    let mut found = view.tasks().filter(may_have).filter(has);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(Arc::clone(one)),
        (None, _) => Err(place::no_run(id)),
        (Some(_), Some(_)) => {
            Err(Refusal::conflict("multiple runs found").detail("run_id", id.as_str()))
        }
    }
}
