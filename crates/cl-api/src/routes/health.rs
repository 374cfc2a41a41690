//! Whether the server is well, and what it is.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Json;
use crate::app::App;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(version))
}

/// Which version it is.
#[derive(Debug, Serialize, ToSchema)]
struct Version {
    version: String,
}

/// Says which version it is.
#[utoipa::path(get, path = "/api/v1/version", responses((status = 200, body = Version)))]
async fn version(State(app): State<App>) -> Json<Version> {
    Json(Version {
        version: app.serving.version.clone(),
    })
}
