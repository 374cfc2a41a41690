//! Stopping, giving up, taking up and deleting tasks and runs.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cl_runner::cancel::{self, CancelError, Cancelled, cancel_task};
use cl_runner::delete::{DeleteError, WhenActive, delete_task};
use cl_runner::settle::clear_for_resume;
use cl_runner::stop::{StopOptions, stop_task};
use cl_storage::marker::{self, Cancellation, Marker, Markers, StopMark};
use cl_storage::run_info::RunInfo;
use cl_storage::snapshot::RunView;
use cl_storage::{ProjectId, RunId, TaskDir, TaskId};
use cl_wire::projects::{Resume, Resumed, RunStopping};
use cl_wire::v1::{Stopped, Stopping};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changing::unqueue;
use super::core::look;
use super::place;
use crate::answer::{Answer, Json, Refusal, blocking, json};
use crate::app::App;
use crate::guard::{Browser, OptionalBody};

/// From TERM to KILL.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// Who asks, in records.
pub(super) const BY: &str = "conductor API";

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(cancel))
        .routes(routes!(stop_any_run))
        .routes(routes!(stop_run))
        .routes(routes!(resume))
        .routes(routes!(delete))
}

/// The project, where an id alone may not say which task is meant.
#[derive(Debug, Deserialize)]
struct InProject {
    #[serde(default)]
    project_id: Option<String>,
}

/// Gives a task up: what runs is stopped, what waits is not begun.
#[utoipa::path(
    delete, path = "/api/v1/tasks/{task_id}", tag = "tasks",
    params(("task_id" = String, Path), ("project_id" = Option<String>, Query)),
    responses((status = 202, body = Stopped), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn cancel(
    State(app): State<App>,
    Path(task): Path<String>,
    Query(query): Query<InProject>,
) -> Answer<Response> {
    let id = place::task_id(&task)?;
    let project = query
        .project_id
        .as_deref()
        .map(place::project_id)
        .transpose()?;
    let stopped = blocking(move || {
        let task = place::task_anywhere(&app, project.as_ref(), &id)?;
        place::unless_deleted(&task, give_up(&app, &task))
    });
    Ok(json(StatusCode::ACCEPTED, &stopped.await?))
}

/// The wish is on disk before anything is ended, and stays if the server ends now.
fn give_up(app: &App, task: &TaskDir) -> Answer<Stopped> {
    let view = look(app, task)?;
    let stopped_runs = view.runs.iter().filter(|run| is_ours(run)).count();
    mark_cancelled(app, task, "", None)?;
    end(app, task);
    changed(app, task);
    Ok(Stopped { stopped_runs })
}

/// Writes down that a task is given up; what runs is for the caller to end.
pub(super) fn mark_cancelled(
    app: &App,
    task: &TaskDir,
    reason: &str,
    superseded_by: Option<TaskId>,
) -> Answer<Cancelled> {
    let reason = Some(reason.trim()).filter(|reason| !reason.is_empty());
    let cancellation = Cancellation {
        at: app.now(),
        reason: reason.map_or_else(|| format!("through the {BY}"), str::to_owned),
        superseded_by,
    };
    let when_active = cancel::WhenActive::Leave;
    let cancelled = cancel_task(&app.root, task, cancellation, &when_active, &*app.clock)
        .map_err(|error| not_cancelled(&error))?;
    for warning in &cancelled.warnings {
        tracing::warn!(task = %task.id(), "{warning}");
    }
    Ok(cancelled)
}

pub(super) fn not_cancelled(error: &CancelError) -> Refusal {
    let message = cl_view::chain(error);
    if error.is_usage() {
        Refusal::bad_request(message)
    } else if error.is_conflict() {
        Refusal::conflict(message).hint("wait for its end, or add --force to stop it first")
    } else {
        Refusal::internal("the task could not be given up", error)
    }
}

/// Stops a run, by its id alone.
#[utoipa::path(
    post, path = "/api/v1/runs/{run_id}/stop", tag = "runs",
    params(("run_id" = String, Path)),
    responses((status = 202, body = Stopping), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn stop_any_run(State(app): State<App>, Path(run): Path<String>) -> Answer<Response> {
    let id = place::run_id(&run)?;
    blocking(move || {
        let run = place::run_anywhere(&app, &id)?;
        let stopped = stop(&app, run.task(), &id, "run already finished");
        place::unless_deleted(run.task(), stopped)
    })
    .await?;
    let status = "stopping".to_owned();
    Ok(json(StatusCode::ACCEPTED, &Stopping { status }))
}

/// Stops a run.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stop", tag = "runs",
    params(("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path)),
    responses((status = 202, body = RunStopping), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn stop_run(
    State(app): State<App>,
    Path((project, task, run)): Path<(String, String, String)>,
) -> Answer<Response> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    let run_id = place::run_id(&run)?;
    let id = run_id.clone();
    blocking(move || {
        let task = place::task(&app, &project, &task)?;
        place::unless_deleted(&task, stop(&app, &task, &id, "run is not running"))
    })
    .await?;
    let message = "stop requested".to_owned();
    Ok(json(StatusCode::ACCEPTED, &RunStopping { run_id, message }))
}

/// Stops the task that an active run belongs to: its loop would begin the next one.
fn stop(app: &App, task: &TaskDir, id: &RunId, not_running: &str) -> Answer<()> {
    let view = look(app, task)?;
    let found = view.runs.iter().find(|run| run.run.id() == id);
    let run = found.ok_or_else(|| place::no_run(id))?;
    if !run.is_active {
        return Err(Refusal::conflict(not_running).detail("status", run.status.as_str()));
    }
    if is_external(run) {
        let message = "run is externally owned and cannot be stopped by conductor";
        return Err(Refusal::conflict(message));
    }
    marker::request_stop(task, &StopMark::permanent(BY), app.now())
        .map_err(|error| Refusal::internal("the wish to stop could not be written", &error))?;
    end(app, task);
    changed(app, task);
    Ok(())
}

/// Ends what runs of `task`, behind the answer: the wish is on disk already.
pub(super) fn end(app: &App, task: &TaskDir) {
    let (app, task) = (app.clone(), task.clone());
    let options = StopOptions {
        by: BY.to_owned(),
        grace: GRACE,
        kills: true,
        suppression: None,
    };
    let work = move || {
        if let Err(error) = stop_task(&app.root, &task, &options, &*app.clock) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, task = %task.id(), "could not stop a task");
        }
        changed(&app, &task);
    };
    // Bounded: a second request for the same task finds nothing that runs, or the same end.
    tokio::task::spawn_blocking(work);
}

/// Takes away what keeps a task from being started, and starts it if that is asked for.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/resume", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = Option<Resume>,
    responses((status = 200, body = Resumed), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn resume(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    OptionalBody(asked): OptionalBody<Resume>,
) -> Answer<Json<Resumed>> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let worker = app.clone();
    let resumed = blocking(move || {
        let task = place::task(&worker, &project, &id)?;
        place::unless_deleted(&task, take_up(&worker, &task, asked.start))
    })
    .await?;
    app.conductor.wake();
    Ok(Json(resumed))
}

fn take_up(app: &App, task: &TaskDir, starts: bool) -> Answer<Resumed> {
    let markers = Markers::read(task, app.now())
        .map_err(|error| Refusal::internal("the task could not be looked at", &error))?;
    if starts {
        super::submission::resume(app, task)?;
    } else if !markers.has(Marker::Done) {
        let message = "task has no DONE file; nothing to resume";
        return Err(
            Refusal::bad_request(message).hint("with {\"start\": true} it is started again")
        );
    } else {
        clear_for_resume(task, marker::Command::Resume, &*app.clock)
            .map_err(|error| Refusal::conflict(cl_view::chain(&error)))?;
    }
    changed(app, task);
    Ok(Resumed {
        project_id: task.project().clone(),
        task_id: task.id().clone(),
        resumed: true,
        started: starts,
    })
}

/// Deletes a task with all its files; not through browsers, and not while anything of it runs.
#[utoipa::path(
    delete, path = "/api/projects/{project_id}/tasks/{task_id}", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 204), (status = 403, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem))
)]
async fn delete(
    State(app): State<App>,
    browser: Browser,
    Path((project, task)): Path<(String, String)>,
) -> Answer<Response> {
    browser.must_not("task deletion")?;
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    blocking(move || {
        let task = place::task(&app, &project, &id)?;
        unqueue(&app, &task)?;
        let deleted = delete_task(&app.root, &task, &WhenActive::Refuse, &*app.clock);
        place::unless_deleted(&task, deleted.map_err(undeleted))?;
        changed(&app, &task);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn undeleted(error: DeleteError) -> Refusal {
    match error {
        DeleteError::Active { .. } => Refusal::conflict("task has running runs")
            .detail("active", error.to_string())
            .hint("stop the task first"),
        error if error.is_conflict() => Refusal::conflict(cl_view::chain(&error)),
        error => Refusal::internal("the task could not be deleted", &error),
    }
}

pub(super) fn is_external(run: &RunView) -> bool {
    let is_external = |info: &RunInfo| info.is_external;
    run.info.as_ref().is_ok_and(is_external)
}

/// Tells whether a run is active and may be stopped.
pub(super) fn is_ours(run: &RunView) -> bool {
    run.is_active && !is_external(run)
}

/// Has the index see a task as it is now.
pub(super) fn changed(app: &App, task: &TaskDir) {
    let project: &ProjectId = task.project();
    app.index.look_again(project, task.id());
}
