//! Event streams: which there are.

use axum::extract::{Path, State};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place;
use crate::answer::{Answer, blocking};
use crate::app::App;
use crate::stream::{self, Resuming};

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(follow_run))
}

/// Follows the lines and the status of a run, whichever project it belongs to.
#[utoipa::path(
    get, path = "/api/v1/runs/{run_id}/stream", tag = "streams",
    params(("run_id" = String, Path), ("from" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
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
