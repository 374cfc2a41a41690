//! Deleting projects and old runs.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::{Path, State};
use cl_runner::delete::{DeleteError, WhenActive, delete_task};
use cl_runner::stop::{StopOptions, stop_task};
use cl_storage::gc::{self, Event, Policy};
use cl_storage::owner::OwnerState;
use cl_storage::snapshot::TaskView;
use cl_storage::{ProjectDir, TaskDir, TaskId};
use cl_wire::Problem;
use cl_wire::projects::{GcResult, ProjectDeleted};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changing::unqueue;
use super::listing::{Asked, flag};
use super::place;
use super::steering::{BY, GRACE};
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::guard::Browser;

/// How old a run is at the least that is deleted, unless the client says otherwise.
const USUAL_AGE: Duration = Duration::from_hours(168);
/// So many tasks are stopped at the same time.
const AT_ONCE: usize = 8;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(delete))
        .routes(routes!(collect))
}

/// Whether what runs is stopped first.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Force {
    /// Stop what runs, and delete it, too; 1 or 0.
    #[serde(default)]
    force: Option<String>,
}

/// Deletes a project with all its tasks; not through browsers.
#[utoipa::path(
    delete, path = "/api/projects/{project_id}", tag = "projects",
    params(("project_id" = String, Path), Force),
    responses((status = 200, body = ProjectDeleted), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn delete(
    State(app): State<App>,
    browser: Browser,
    Path(project): Path<String>,
    Asked(asked): Asked<Force>,
) -> Answer<Json<ProjectDeleted>> {
    browser.must_not("project deletion")?;
    let id = place::project_id(&project)?;
    let is_forced = flag("force", asked.force.as_deref(), false)?;
    let deleted = blocking(move || {
        let folder = place::project(&app, &id)?;
        delete_all(&app, &folder, is_forced)
    });
    Ok(Json(deleted.await?))
}

fn delete_all(app: &App, folder: &ProjectDir, is_forced: bool) -> Answer<ProjectDeleted> {
    let tasks = folder.tasks().map_err(place::outside)?;
    let active = active(app, &tasks)?;
    if !active.is_empty() {
        if !is_forced {
            let message = "project has running tasks; stop them first or use --force";
            let ids: Vec<&str> = active.iter().map(|task| task.id().as_str()).collect();
            return Err(Refusal::conflict(message).detail("running", ids.join(", ")));
        }
        stop_all(app, &active);
    }
    let when_active = if is_forced {
        WhenActive::Stop(options())
    } else {
        WhenActive::Refuse
    };
    let mut deleted = ProjectDeleted {
        project_id: folder.id().clone(),
        deleted_tasks: 0,
        freed_bytes: 0,
    };
    for task in &tasks {
        unqueue(app, task)?;
        let report = delete_task(&app.root, task, &when_active, &*app.clock);
        app.index.look_again(task.project(), task.id());
        let report = report.map_err(|error| undeleted(&error, deleted.deleted_tasks))?;
        deleted.deleted_tasks += 1;
        deleted.freed_bytes += report.deleted.task.size_bytes;
    }
    let rest = gc::delete_project(&app.root, folder);
    app.index.look_again_at_project(folder.id());
    deleted.freed_bytes += rest.map_err(|error| {
        Refusal::conflict(cl_view::chain(&error))
            .detail("deleted_tasks", deleted.deleted_tasks.to_string())
            .hint("the tasks that were there are deleted; ask again for the rest")
    })?;
    Ok(deleted)
}

/// Returns the tasks of which anything is alive.
fn active(app: &App, tasks: &[TaskDir]) -> Answer<Vec<TaskDir>> {
    let mut active = Vec::new();
    for task in tasks {
        let view = TaskView::read(&app.root, task, app.now()).map_err(place::outside)?;
        if view.is_active() || view.owner_state == OwnerState::Alive {
            active.push(task.clone());
        }
    }
    Ok(active)
}

/// Stops tasks, many at a time; those that cannot be stopped are told when they are deleted.
fn stop_all(app: &App, tasks: &[TaskDir]) {
    for tasks in tasks.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for task in tasks {
                let stop = || {
                    if let Err(error) = stop_task(&app.root, task, &options(), &*app.clock) {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, task = %task.id(), "could not be stopped");
                    }
                };
                // Without a thread it is stopped when it is deleted.
                drop(std::thread::Builder::new().spawn_scoped(scope, stop));
            }
        });
    }
}

fn options() -> StopOptions {
    StopOptions {
        by: BY.to_owned(),
        grace: GRACE,
        kills: true,
        suppression: None,
    }
}

fn undeleted(error: &DeleteError, deleted: usize) -> Refusal {
    let refusal = if error.is_conflict() || matches!(error, DeleteError::Survivors { .. }) {
        Refusal::conflict(cl_view::chain(error))
    } else {
        Refusal::internal("a task of the project could not be deleted", error)
    };
    refusal.detail("deleted_tasks", deleted.to_string())
}

/// What is garbage.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Garbage {
    /// How old a run is at the least, such as `24h`; `168h` unless given.
    #[serde(default)]
    older_than: Option<String>,
    /// Only tell what would be deleted; 1 or 0.
    #[serde(default)]
    dry_run: Option<String>,
    /// Keep the runs that failed; 1 or 0.
    #[serde(default)]
    keep_failed: Option<String>,
}

/// Deletes old runs of a project; not through browsers.
#[utoipa::path(
    post, path = "/api/projects/{project_id}/gc", tag = "projects",
    params(("project_id" = String, Path), Garbage),
    responses((status = 200, body = GcResult), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem))
)]
async fn collect(
    State(app): State<App>,
    browser: Browser,
    Path(project): Path<String>,
    Asked(asked): Asked<Garbage>,
) -> Answer<Json<GcResult>> {
    browser.must_not("project garbage collection")?;
    let id = place::project_id(&project)?;
    let older_than = asked.older_than.as_deref().map(str::trim);
    let older_than = older_than.filter(|text| !text.is_empty());
    let older_than = older_than.map(|text| {
        let bad = |error| Refusal::bad_request(format!("invalid older_than: {error}"));
        cl_config::parse_age(text).map_err(bad)
    });
    let policy = Policy {
        older_than: older_than.transpose()?.unwrap_or(USUAL_AGE),
        keep_failed: flag("keep_failed", asked.keep_failed.as_deref(), false)?,
        orphans: false,
        delete_done_tasks: false,
        dry_run: flag("dry_run", asked.dry_run.as_deref(), false)?,
    };
    let result = blocking(move || {
        place::project(&app, &id)?;
        let mut result = GcResult {
            deleted_runs: 0,
            freed_bytes: 0,
            dry_run: policy.dry_run,
        };
        let mut changed: BTreeSet<TaskId> = BTreeSet::new();
        let mut tell = |event| match event {
            Event::Run(run) => {
                result.deleted_runs += 1;
                result.freed_bytes += run.size_bytes;
                changed.insert(run.task_id);
            }
            Event::Problem(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "old runs are not all deleted");
            }
            _ => {}
        };
        gc::collect(&app.root, Some(&id), &policy, app.now(), &mut tell).map_err(|error| {
            Refusal::internal("the project could not be looked through", &error)
        })?;
        if !result.dry_run {
            for task in &changed {
                app.index.look_again(&id, task);
            }
        }
        Ok(result)
    });
    Ok(Json(result.await?))
}
