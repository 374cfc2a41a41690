//! What is counted, and what was changed through the server.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use cl_wire::audit::AuditTrail;
use cl_wire::page;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place;
use crate::answer::{Answer, Json, Refusal, blocking};
use crate::app::App;
use crate::journal;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(metrics))
        .routes(routes!(audit))
}

/// Says what is counted and measured.
#[utoipa::path(
    get, path = "/metrics", tag = "server", security(()),
    responses((status = 200, body = String, content_type = "text/plain"))
)]
async fn metrics(State(app): State<App>, headers: HeaderMap) -> Answer<Response> {
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    let openly = accepted.is_some_and(|it| it.contains("application/openmetrics-text"));
    let text = blocking(move || {
        let text = app.metrics.text(&app, openly);
        text.map_err(|error| Refusal::internal("the metrics could not be written", &error))
    })
    .await?;
    let kind = if openly {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Which changes are wanted.
#[derive(Debug, Deserialize)]
struct Wanted {
    limit: Option<String>,
    project_id: Option<String>,
    task_id: Option<String>,
    request_id: Option<String>,
}

/// Reads back what was changed through the server, the newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "server",
    params(
        ("limit" = Option<usize>, Query, description = "At most so many; 50 unless given, never more than 500"),
        ("project_id" = Option<String>, Query), ("task_id" = Option<String>, Query),
        ("request_id" = Option<String>, Query)
    ),
    responses((status = 200, body = AuditTrail), (status = 400, body = cl_wire::Problem))
)]
async fn audit(State(app): State<App>, Query(query): Query<Wanted>) -> Answer<Json<AuditTrail>> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (project, task) = (given(query.project_id), given(query.task_id));
    let wanted = journal::AuditFilter {
        limit: page::limit(query.limit.as_deref()),
        project: project.as_deref().map(place::project_id).transpose()?,
        task: task.as_deref().map(place::task_id).transpose()?,
        request: given(query.request_id),
    };
    blocking(move || {
        let trail = journal::trail(&app.root, &wanted);
        trail
            .map(Json)
            .map_err(|error| Refusal::internal("the audit could not be read", &error))
    })
    .await
}
