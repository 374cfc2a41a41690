//! The core view: what commands print with `--json`, by way of the server.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use cl_runner::stop::{StopError, StopOptions, stop_task};
use cl_storage::snapshot::TaskView;
use cl_storage::{ProjectId, TaskDir, TaskId};
use cl_view::Survey;
use cl_wire::TaskListing;
use cl_wire::shown::{
    ProjectNames, RunListing, StopAnswer, StopRequest, Suppression, TaskActivity, TaskShown,
};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place;
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::guard::Body;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(projects))
        .routes(routes!(tasks))
        .routes(routes!(activities))
        .routes(routes!(task))
        .routes(routes!(runs))
        .routes(routes!(stop))
}

/// Names the projects.
#[utoipa::path(
    get, path = "/api/v1/core/projects", tag = "core",
    responses((status = 200, body = ProjectNames))
)]
async fn projects(State(app): State<App>) -> Answer<Json<ProjectNames>> {
    blocking(move || {
        let view = app.index.view();
        let names = |only_old: bool| {
            let projects = view.projects.values();
            let projects = projects.filter(move |project| project.is_legacy || !only_old);
            projects.map(|project| project.id.to_string()).collect()
        };
        Ok(Json(ProjectNames {
            legacy_projects: names(true),
            projects: names(false),
            problems: view.problems.to_vec(),
        }))
    })
    .await
}

/// Which tasks are meant.
#[derive(Debug, Deserialize)]
struct Which {
    #[serde(default)]
    project_id: Option<String>,
    /// Several, with commas between them.
    #[serde(default)]
    task_id: Option<String>,
}

/// Lists tasks: all, those of a project, or the ones that are named.
#[utoipa::path(
    get, path = "/api/v1/core/tasks", tag = "core",
    params(
        ("project_id" = Option<String>, Query, description = "Only those of this project"),
        ("task_id" = Option<String>, Query, description = "Only these, with commas between them; needs project_id")
    ),
    responses((status = 200, body = TaskListing), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn tasks(State(app): State<App>, Query(which): Query<Which>) -> Answer<Json<TaskListing>> {
    blocking(move || listing(&app, &which).map(Json)).await
}

fn listing(app: &App, which: &Which) -> Answer<TaskListing> {
    let project = which.project_id.as_deref().map(place::project_id);
    let project = project.transpose()?;
    let named = which.task_id.as_deref().unwrap_or_default();
    let named: Vec<TaskId> = named
        .split(',')
        .filter(|id| !id.is_empty())
        .map(place::task_id)
        .collect::<Answer<_>>()?;
    match project {
        None if !named.is_empty() => Err(Refusal::bad_request("task_id needs project_id")),
        None => Ok(all_tasks(app)),
        Some(project) if named.is_empty() => tasks_of(app, &project),
        Some(project) => tasks_named(app, &project, &named),
    }
}

/// After how long a silent task counts as adrift.
#[derive(Debug, Deserialize)]
struct Drift {
    drift_after_ms: u64,
}

/// Tells what tasks are doing; which ones is said as for `/api/v1/core/tasks`.
#[utoipa::path(
    get, path = "/api/v1/core/activities", tag = "core",
    params(
        ("project_id" = Option<String>, Query), ("task_id" = Option<String>, Query),
        ("drift_after_ms" = u64, Query, description = "From when on a task that reports nothing that matters counts as adrift")
    ),
    responses((status = 200, body = Vec<TaskActivity>), (status = 404, body = cl_wire::Problem))
)]
async fn activities(
    State(app): State<App>,
    Query(which): Query<Which>,
    Query(drift): Query<Drift>,
) -> Answer<Json<Vec<TaskActivity>>> {
    blocking(move || {
        let rows = listing(&app, &which)?.tasks;
        let drift_after = Duration::from_millis(drift.drift_after_ms);
        let told = cl_view::activities(&app.root, &rows, drift_after, app.now());
        Ok(Json(told))
    })
    .await
}

fn all_tasks(app: &App) -> TaskListing {
    let view = app.index.view();
    let mut survey = Survey::default();
    survey.problems.extend(view.problems.iter().cloned());
    for project in view.projects.values() {
        add(&mut survey, project);
    }
    survey.listing()
}

fn tasks_of(app: &App, id: &ProjectId) -> Answer<TaskListing> {
    let mut survey = Survey::default();
    match app.index.project(id) {
        Some(project) => add(&mut survey, &project),
        None => return Err(no_project(app, id)),
    }
    Ok(survey.listing())
}

fn add(survey: &mut Survey, project: &crate::state::ProjectView) {
    survey.problems.extend(project.problems.iter().cloned());
    for entry in project.tasks.values() {
        survey.problems.extend(entry.row.problems.iter().cloned());
        survey.rows.push(entry.row.clone());
    }
}

/// Those that are named are looked at now: whoever waits for one wants to see the last change.
fn tasks_named(app: &App, project: &ProjectId, named: &[TaskId]) -> Answer<TaskListing> {
    let mut survey = Survey::default();
    for id in named {
        survey.add(&look(app, &folder(app, project, id)?)?);
    }
    survey.complete(&app.root, app.now());
    Ok(survey.listing())
}

/// Shows everything about a task.
#[utoipa::path(
    get, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskShown), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn task(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
) -> Answer<Json<TaskShown>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let view = look(&app, &folder(&app, &project, &id)?)?;
        Ok(Json(cl_view::show(&app.root, view, app.now())))
    })
    .await
}

/// Lists the runs of a task, oldest first.
#[utoipa::path(
    get, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/runs", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = RunListing), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn runs(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
) -> Answer<Json<RunListing>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let view = look(&app, &folder(&app, &project, &id)?)?;
        Ok(Json(cl_view::run_listing(&view, app.now())))
    })
    .await
}

/// Stops a task and everything below it; answers when that is done.
#[utoipa::path(
    post, path = "/api/v1/core/projects/{project_id}/tasks/{task_id}/stop", tag = "core",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = StopRequest,
    responses((status = 200, body = StopAnswer), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn stop(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    Body(asked): Body<StopRequest>,
) -> Answer<Json<StopAnswer>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = changeable(folder(&app, &project, &id)?, "stop")?;
        let view = look(&app, &task)?;
        for run in &asked.runs {
            place::run(&task, run)?;
        }
        let active = view.runs.iter().filter(|run| run.is_active);
        let active: Vec<_> = active.map(|run| run.run.id().clone()).collect();
        if !asked.runs.is_empty() && !asked.runs.iter().any(|run| active.contains(run)) {
            return Ok(Json(cl_view::not_among(&task)));
        }
        let options = StopOptions {
            by: "conductor stop".to_owned(),
            grace: Duration::from_millis(asked.grace_ms),
            kills: asked.kills,
            suppression: match asked.suppression {
                Suppression::ForGood => None,
                Suppression::ForMs(ms) => Some(Duration::from_millis(ms)),
                Suppression::Configured => Some(app.serving.config.defaults.stop_suppression),
            },
        };
        // What only waits in the queue must not begin behind the answer.
        super::changing::unqueue(&app, &task)?;
        let report =
            stop_task(&app.root, &task, &options, &*app.clock).map_err(|error| not_stopped(&error));
        let report = place::unless_deleted(&task, report)?;
        app.index.look_again(&project, &id);
        Ok(Json(cl_view::stop_answer(&task, &report, active)))
    })
    .await
}

pub(super) fn not_stopped(error: &StopError) -> Refusal {
    let message = format!("the task was not stopped: {}", cl_view::chain(error));
    match error {
        StopError::External { .. } => Refusal::conflict(message),
        StopError::TimedOut { .. } => {
            Refusal::new(cl_wire::ProblemCode::Unavailable, message).detail("exit", "timeout")
        }
        _ => Refusal::new(cl_wire::ProblemCode::Internal, message),
    }
}

pub(super) fn look(app: &App, task: &TaskDir) -> Answer<TaskView> {
    TaskView::read(&app.root, task, app.now())
        .map_err(|error| Refusal::internal("the task could not be looked at", &error))
}

/// Returns the folder of a task, which may be one of the old layout.
pub(super) fn folder(app: &App, project: &ProjectId, id: &TaskId) -> Answer<TaskDir> {
    if let Ok(folder) = place::task(app, project, id) {
        return Ok(folder);
    }
    let view = app.index.project(project);
    let old = view.and_then(|view| view.tasks.get(id).map(|entry| entry.dir(&app.root)));
    match old {
        Some(Ok(old)) if old.is_flat() => Ok(old),
        _ => Err(no_task(app, project, id)),
    }
}

pub(super) fn changeable(task: TaskDir, verb: &str) -> Answer<TaskDir> {
    if !task.is_flat() {
        return Ok(task);
    }
    let (id, path) = (task.id(), task.path().display());
    Err(Refusal::conflict(format!(
        "cannot {verb} {id}: {path} is a folder of the old layout, which is only read"
    ))
    .hint("`run-agent output` and `run-agent status` show it"))
}

pub(super) fn no_project(app: &App, id: &ProjectId) -> Refusal {
    let root = app.root.path().display();
    Refusal::not_found(format!("project {id} does not exist below {root}"))
        .hint(format!(
            "`run-agent list --no-infer --root {root}` shows the projects there are"
        ))
        .detail("project_id", id.as_str())
}

fn no_task(app: &App, project: &ProjectId, id: &TaskId) -> Refusal {
    let root = app.root.path().display();
    Refusal::not_found(format!("task {id} does not exist in project {project}"))
        .hint(format!(
            "looked below {root}; `run-agent list --project {project} --root {root}` shows what is there"
        ))
        .detail("project_id", project.as_str())
        .detail("task_id", id.as_str())
}
