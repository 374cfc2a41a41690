//! What can be asked, and who answers.

mod accounts;
mod acting;
mod bus;
mod changing;
mod core;
mod document;
mod files;
mod health;
mod imports;
mod keeping;
mod listing;
pub(crate) mod messages;
mod place;
pub(crate) mod projects;
mod resources;
mod search;
mod self_update;
mod shape;
mod steering;
mod streams;
mod submission;
mod tasks;
mod threads;
mod ui;
mod usage_trend;
mod v1;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use cl_wire::ProblemCode;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::answer::Refusal;
use crate::app::App;
use crate::guard;

/// Puts all routes together, and what describes them.
fn assembled() -> (Router<App>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(document::empty())
        .merge(guard::routes())
        .merge(self::core::routes())
        .merge(changing::routes())
        .merge(bus::routes())
        .merge(document::routes())
        .merge(health::routes())
        .merge(v1::routes())
        .merge(projects::routes())
        .merge(tasks::routes())
        .merge(keeping::routes())
        .merge(submission::routes())
        .merge(steering::routes())
        .merge(self_update::routes())
        .merge(acting::routes())
        .merge(messages::routes())
        .merge(files::routes())
        .merge(search::routes())
        .merge(streams::routes())
        .merge(accounts::routes())
        .merge(resources::routes())
        .merge(usage_trend::routes())
        .merge(ui::routes())
        .split_for_parts();
    document::with_common_refusals(&mut document);
    (router, document)
}

/// Refuses what would change anything where nothing may be changed, and has every refusal be one.
async fn by_the_rules(State(app): State<App>, request: Request, next: Next) -> Response {
    // Logging a browser in changes nothing below the root.
    let path = request.uri().path();
    let is_of_root = path.starts_with("/api/") && path != "/api/v1/admin/login-link";
    if app.serving.is_read_only && guard::changes(request.method()) && is_of_root {
        let message = "the server was started with --read-only and changes nothing";
        return Refusal::new(ProblemCode::Forbidden, message)
            .hint("ask the server that is not, or use run-agent without --server")
            .into_response();
    }
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if response.status() == StatusCode::BAD_REQUEST && is_text {
        // What no handler has seen was refused on the way to it.
        let message = "the path or the query of the request cannot be read";
        return Refusal::bad_request(message).into_response();
    }
    response
}

/// Returns what answers requests.
pub(crate) fn router(app: App) -> Router {
    let (router, _) = assembled();
    let router = router
        .fallback(|| async { Refusal::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(ProblemCode::MethodNotAllowed, "method not allowed")
        })
        .layer(from_fn_with_state(app.clone(), by_the_rules))
        .with_state(app.clone());
    crate::journal::audited(router, app)
}
