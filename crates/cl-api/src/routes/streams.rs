//! Event streams: which there are.

use std::collections::BTreeSet;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use cl_wire::sse::Event;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{files, place};
use crate::answer::{Answer, Refusal, blocking};
use crate::app::App;
use crate::stream::{self, FollowedFile, MOST_FILES, Of, Resuming};

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(follow_root))
        .routes(routes!(follow_project))
        .routes(routes!(follow_run))
        .routes(routes!(follow_all_runs))
        .routes(routes!(follow_task_runs))
        .routes(routes!(follow_file))
        .routes(routes!(follow_any_bus))
        .routes(routes!(follow_project_bus))
        .routes(routes!(follow_task_bus))
}

/// Follows the lines and the status of a run, whichever project it belongs to.
#[utoipa::path(
    get, path = "/api/v1/runs/{run_id}/stream", tag = "streams",
    params(("run_id" = String, Path), ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = cl_wire::Problem), (status = 409, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_run(
    State(app): State<App>,
    Path(run): Path<String>,
    resuming: Resuming,
) -> Answer<Response> {
    let id = place::run_id(&run)?;
    let from = app.clone();
    let dir = blocking(move || place::run_anywhere(&from, &id)).await?;
    stream::follow_run(app, dir, resuming).await
}

/// Follows the lines and the status of all runs: of those at work, what comes.
#[utoipa::path(
    get, path = "/api/v1/runs/stream/all", tag = "streams",
    params(("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_all_runs(State(app): State<App>, resuming: Resuming) -> Answer<Response> {
    stream::follow_runs(app, Of::All, resuming).await
}

/// Follows the lines and the status of the runs of a task.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/stream", tag = "streams",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_task_runs(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    resuming: Resuming,
) -> Answer<Response> {
    let of = Of::Task(place::project_id(&project)?, place::task_id(&task)?);
    stream::follow_runs(app, of, resuming).await
}

/// Which file.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    name: Option<String>,
}

/// Follows the text of a file of a run.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stream", tag = "streams",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path), ("run_id" = String, Path),
        ("name" = Option<String>, Query), ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_file(
    State(app): State<App>,
    Path((project, task, run)): Path<(String, String, String)>,
    Query(named): Query<Named>,
    resuming: Resuming,
) -> Answer<Response> {
    let (project, task) = (place::project_id(&project)?, place::task_id(&task)?);
    let run = place::run_id(&run)?;
    let from = app.clone();
    let find = move || place::one_run(&place::known_task(&from, &project, &task)?, &run);
    let dir = blocking(find).await?;
    let name = files::run_file_name(named.name);
    stream::follow_file(app, dir, &name, resuming).await
}

/// Which bus.
#[derive(Debug, Deserialize)]
struct OfBus {
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    task_id: Option<String>,
}

/// Follows the messages of a project or a task.
#[utoipa::path(
    get, path = "/api/v1/messages/stream", tag = "streams",
    params(
        ("project_id" = String, Query), ("task_id" = Option<String>, Query),
        ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_any_bus(
    State(app): State<App>,
    Query(of): Query<OfBus>,
    resuming: Resuming,
) -> Answer<Response> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let Some(project) = given(of.project_id) else {
        return Err(Refusal::bad_request("project_id is required"));
    };
    follow_bus(app, &project, given(of.task_id).as_deref(), resuming).await
}

/// Follows the messages of a project.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/messages/stream", tag = "streams",
    params(("project_id" = String, Path), ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_project_bus(
    State(app): State<App>,
    Path(project): Path<String>,
    resuming: Resuming,
) -> Answer<Response> {
    follow_bus(app, &project, None, resuming).await
}

/// Follows the messages of a task.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/tasks/{task_id}/messages/stream", tag = "streams",
    params(
        ("project_id" = String, Path), ("task_id" = String, Path),
        ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_task_bus(
    State(app): State<App>,
    Path((project, task)): Path<(String, String)>,
    resuming: Resuming,
) -> Answer<Response> {
    follow_bus(app, &project, Some(&task), resuming).await
}

async fn follow_bus(
    app: App,
    project: &str,
    task: Option<&str>,
    resuming: Resuming,
) -> Answer<Response> {
    let project = place::project_id(project)?;
    let task = task.map(place::task_id).transpose()?;
    let from = app.clone();
    let find = move || match task {
        Some(task) => place::known_task(&from, &project, &task).map(|task| task.bus()),
        None => place::project(&from, &project).map(|project| project.bus()),
    };
    let path = blocking(find).await?;
    stream::follow_bus(app, path, resuming).await
}

/// Follows what changes below the root: a snapshot, then changes, and how followed files grow.
///
/// Of each file that is followed a `grown` event says how large it is: at once, and when it is
/// another size or another file, at most ten times a second.
#[utoipa::path(
    get, path = "/api/stream", tag = "streams",
    params(
        ("follow" = Option<Vec<String>>, Query, description = "A file that is followed, as `PROJECT/TASK/RUN/FILE`; may be given 64 times"),
        ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_root(
    State(app): State<App>,
    Query(asked): Query<Vec<(String, String)>>,
    resuming: Resuming,
) -> Answer<Response> {
    let asked = asked.into_iter().filter(|(key, _)| key == "follow");
    let asked: BTreeSet<String> = asked.map(|(_, file)| file).collect();
    if asked.len() > MOST_FILES {
        let refusal = format!("follow may be given {MOST_FILES} times");
        return Err(Refusal::bad_request(refusal));
    }
    let from = app.clone();
    let find = move || asked.iter().map(|file| wanted(&from, file)).collect();
    let files = blocking(find).await?;
    stream::follow_changes(app, None, files, resuming).await
}

/// Reads `PROJECT/TASK/RUN/FILE`.
///
/// The run may be gone: whoever shows it should hear so and not lose the stream.
fn wanted(app: &App, text: &str) -> Answer<FollowedFile> {
    let parts: Vec<&str> = text.split('/').collect();
    let [project, task, run, file] = parts.as_slice() else {
        return Err(Refusal::bad_request("follow must be PROJECT/TASK/RUN/FILE"));
    };
    let (project, task) = (place::project_id(project)?, place::task_id(task)?);
    let run = place::run_id(run)?;
    let folder = place::known_task(app, &project, &task);
    let path = match folder.and_then(|task| place::one_run(&task, &run)) {
        Ok(dir) => Some(files::of_run(app, &dir, file)?),
        Err(_) => None,
    };
    Ok(FollowedFile {
        project,
        task,
        run,
        file: (*file).to_owned(),
        path,
    })
}

/// Follows what changes in a project: a snapshot, then changes.
#[utoipa::path(
    get, path = "/api/projects/{project_id}/stream", tag = "streams",
    params(("project_id" = String, Path), ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = cl_wire::Problem), (status = 429, body = cl_wire::Problem)
    )
)]
async fn follow_project(
    State(app): State<App>,
    Path(project): Path<String>,
    resuming: Resuming,
) -> Answer<Response> {
    let project = place::project_id(&project)?;
    stream::follow_changes(app, Some(project), Vec::new(), resuming).await
}
