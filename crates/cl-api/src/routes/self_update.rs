//! Replacing the server's own program.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cl_wire::admin::{SelfUpdate, SelfUpdateStatus};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answer, Json, blocking, json};
use crate::app::App;
use crate::guard::{Body, Browser};

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status, ask))
}

/// Says how far a self-update has come.
#[utoipa::path(
    get, path = "/api/v1/admin/self-update", tag = "admin",
    responses((status = 200, body = SelfUpdateStatus))
)]
async fn status(State(app): State<App>) -> Json<SelfUpdateStatus> {
    Json(app.update.status(&app))
}

/// Puts another build of the program in the place of this one, as soon as no root run is active.
#[utoipa::path(
    post, path = "/api/v1/admin/self-update", tag = "admin", request_body = SelfUpdate,
    responses(
        (status = 202, body = SelfUpdateStatus),
        (status = 400, body = cl_wire::Problem),
        (status = 403, body = cl_wire::Problem),
        (status = 409, body = cl_wire::Problem),
    )
)]
async fn ask(
    State(app): State<App>,
    browser: Browser,
    Body(wish): Body<SelfUpdate>,
) -> Answer<Response> {
    browser.must_not("self-update")?;
    let status = blocking(move || app.update.ask(&app, &wish)).await?;
    Ok(json(StatusCode::ACCEPTED, &status))
}
