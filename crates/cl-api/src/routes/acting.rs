//! What can be done with a task, as commands do it: stop, give up, take back, unblock, wake.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use cl_runner::cancel::uncancel_task;
use cl_runner::unblock::{UnblockError, unblock_task};
use cl_runner::wake::{WakeError, WakeReport, wake_task};
use cl_storage::marker::{self, StopMark};
use cl_storage::{RunId, TaskDir, TaskId};
use cl_wire::projects::{Cancel, Outcome, TaskActed, Unblock};
use cl_wire::{Problem, ProblemCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changing::unqueue;
use super::core::look;
use super::place;
use super::steering::{BY, changed, end, is_external, is_ours, mark_cancelled, not_cancelled};
use crate::answer::{Answer, Refusal, blocking, json};
use crate::app::App;
use crate::guard::OptionalBody;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(stop))
        .routes(routes!(cancel))
        .routes(routes!(uncancel))
        .routes(routes!(unblock))
        .routes(routes!(wake))
}

/// Does `work` to a task that is there, and answers with what became of it.
async fn act(
    app: App,
    (project, task): (String, String),
    work: impl FnOnce(&App, &TaskDir) -> Answer<Acted> + Send + 'static,
) -> Answer<Response> {
    let (project, id) = (place::project_id(&project)?, place::task_id(&task)?);
    let worker = app.clone();
    let acted = blocking(move || {
        let task = place::task(&worker, &project, &id)?;
        let acted = place::unless_deleted(&task, work(&worker, &task))?;
        changed(&worker, &task);
        Ok(TaskActed {
            project_id: project,
            task_id: id,
            outcome: acted.outcome,
            runs: acted.runs,
            unblocked: acted.unblocked,
        })
    });
    let acted = acted.await?;
    app.conductor.wake();
    let status = match acted.outcome {
        Outcome::Stopping => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    Ok(json(status, &acted))
}

/// What was done.
struct Acted {
    outcome: Outcome,
    runs: Vec<RunId>,
    unblocked: Vec<TaskId>,
}

impl From<Outcome> for Acted {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            runs: Vec::new(),
            unblocked: Vec::new(),
        }
    }
}

/// Stops a task: what runs is ended, and nothing begins until somebody takes it up again.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/stop", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskActed), (status = 202, body = TaskActed), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn stop(State(app): State<App>, Path(ids): Path<(String, String)>) -> Answer<Response> {
    act(app, ids, |app, task| {
        let view = look(app, task)?;
        if view
            .runs
            .iter()
            .any(|run| run.is_active && is_external(run))
        {
            let message = "run is externally owned and cannot be stopped by conductor";
            return Err(Refusal::conflict(message));
        }
        marker::request_stop(task, &StopMark::permanent(BY), app.now())
            .map_err(|error| failed("the wish to stop could not be written", &error))?;
        unqueue(app, task)?;
        // It may have been launched since.
        let view = look(app, task)?;
        let runs = view.runs.iter().filter(|run| is_ours(run));
        let runs: Vec<RunId> = runs.map(|run| run.run.id().clone()).collect();
        if !view.is_active() && runs.is_empty() {
            return Ok(Outcome::NothingRunning.into());
        }
        end(app, task);
        Ok(Acted {
            runs,
            ..Outcome::Stopping.into()
        })
    })
    .await
}

/// Gives a task up, and says why: what runs is stopped, what waits is not begun.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/cancel", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = Option<Cancel>,
    responses((status = 200, body = TaskActed), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn cancel(
    State(app): State<App>,
    Path(ids): Path<(String, String)>,
    OptionalBody(asked): OptionalBody<Cancel>,
) -> Answer<Response> {
    act(app, ids, move |app, task| {
        let view = look(app, task)?;
        let cancelled = mark_cancelled(app, task, &asked.reason, asked.superseded_by)?;
        end(app, task);
        let runs = view.runs.iter().filter(|run| is_ours(run));
        let outcome = if cancelled.is_new {
            Outcome::Cancelled
        } else {
            Outcome::AlreadyCancelled
        };
        Ok(Acted {
            runs: runs.map(|run| run.run.id().clone()).collect(),
            ..outcome.into()
        })
    })
    .await
}

/// Takes back that a task was given up; it is not started.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/uncancel", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskActed), (status = 404, body = Problem))
)]
async fn uncancel(State(app): State<App>, Path(ids): Path<(String, String)>) -> Answer<Response> {
    act(app, ids, |_, task| {
        let Some(warnings) = uncancel_task(task).map_err(|error| not_cancelled(&error))? else {
            return Ok(Outcome::NotCancelled.into());
        };
        for warning in warnings {
            tracing::warn!(task = %task.id(), "{warning}");
        }
        Ok(Outcome::Uncancelled.into())
    })
    .await
}

/// Lifts dependencies of a task, so that it no longer waits for them.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/unblock", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)), request_body = Option<Unblock>,
    responses((status = 200, body = TaskActed), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn unblock(
    State(app): State<App>,
    Path(ids): Path<(String, String)>,
    OptionalBody(asked): OptionalBody<Unblock>,
) -> Answer<Response> {
    act(app, ids, move |app, task| {
        let (named, now) = (&asked.dependencies, app.now());
        let done = unblock_task(&app.root, task, named, &asked.reason, now);
        let done = done.map_err(|error| match error {
            UnblockError::Dependencies { source, .. } => {
                failed("the task could not be unblocked", &source)
            }
            UnblockError::Unknown { unknown, .. } => {
                Refusal::not_found(format!("the task does not depend on {unknown}"))
            }
            error => failed("the task could not be unblocked", &error),
        })?;
        if let Some(warning) = done.warning {
            tracing::warn!(task = %task.id(), "{warning}");
        }
        let unblocked = done.lifted;
        if unblocked.is_empty() {
            return Ok(Outcome::NotBlocked.into());
        }
        Ok(Acted {
            unblocked,
            ..Outcome::Unblocked.into()
        })
    })
    .await
}

/// Ends a task's wait for a usage limit.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/tasks/{task_id}/wake", tag = "tasks",
    params(("project_id" = String, Path), ("task_id" = String, Path)),
    responses((status = 200, body = TaskActed), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem))
)]
async fn wake(State(app): State<App>, Path(ids): Path<(String, String)>) -> Answer<Response> {
    act(app, ids, |app, task| {
        let report = wake_task(task, &*app.clock).map_err(|error| match error {
            WakeError::TimedOut { .. } => Refusal::new(ProblemCode::Unavailable, error.to_string()),
            error => failed("the task could not be woken", &error),
        })?;
        match report {
            WakeReport::Awake => Ok(Outcome::Awake.into()),
            WakeReport::NotWaiting(why) => {
                Err(Refusal::conflict(format!("task was not woken: {why}")))
            }
            WakeReport::NotRunning => {
                Err(Refusal::conflict("task is not running").hint("resume takes it up again"))
            }
        }
    })
    .await
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Refusal {
    Refusal::internal(what, error)
}
