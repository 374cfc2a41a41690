//! What can be asked, and who answers.

mod accounts;
mod files;
mod changing;
mod core;
mod health;
mod listing;
mod messages;
mod place;
pub(crate) mod projects;
mod shape;
mod steering;
mod streams;
mod submission;
mod tasks;
mod v1;

use axum::Router;
use cl_wire::ProblemCode;
use utoipa_axum::router::OpenApiRouter;

use crate::answer::Refusal;
use crate::app::App;

/// Puts all routes together.
pub(crate) fn router(app: App) -> Router {
    let (router, _document) = OpenApiRouter::new()
        .merge(crate::guard::routes())
        .merge(self::core::routes())
        .merge(changing::routes())
        .merge(health::routes())
        .merge(v1::routes())
        .merge(projects::routes())
        .merge(tasks::routes())
        .merge(submission::routes())
        .merge(steering::routes())
        .merge(messages::routes())
        .merge(files::routes())
        .merge(streams::routes())
        .merge(accounts::routes())
        .split_for_parts();
    let router = router
        .fallback(|| async { Refusal::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(ProblemCode::MethodNotAllowed, "method not allowed")
        })
        .with_state(app.clone());
    crate::journal::audited(router, app)
}
