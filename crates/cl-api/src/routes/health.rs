//! Whether the server is well, and what it is.

use axum::extract::State;
use cl_wire::health::{Health, Healthz, Version};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Json;
use crate::app::App;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(health))
        .routes(routes!(version))
}

/// Says that the server answers, and for how long it has.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses((status = 200, body = Healthz)))]
async fn healthz(State(app): State<App>) -> Json<Healthz> {
    Json(Healthz {
        status: "ok".to_owned(),
        uptime: uptime(app.started.elapsed().as_secs()),
    })
}

/// Says whether anything is slower or less than it should be.
#[utoipa::path(get, path = "/api/v1/health", tag = "server", security(()), responses((status = 200, body = Health)))]
async fn health(State(app): State<App>) -> Json<Health> {
    let index = app.index.health();
    Json(Health {
        status: match index.problem.or_else(|| app.conductor.trouble()) {
            None => "ok",
            Some(_) => "degraded",
        }
        .to_owned(),
        ..Health::default()
    })
}

/// Says which version it is.
#[utoipa::path(get, path = "/api/v1/version", tag = "server", security(()), responses((status = 200, body = Version)))]
async fn version(State(app): State<App>) -> Json<Version> {
    Json(Version {
        version: app.serving.version.clone(),
    })
}

/// Returns seconds as `1h2m3s`, without leading zeros.
fn uptime(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_up_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (725, "12m5s"),
            (3723, "1h2m3s"),
            (360_000, "100h0m0s"),
        ] {
            assert_eq!(uptime(seconds), text);
        }
    }
}
