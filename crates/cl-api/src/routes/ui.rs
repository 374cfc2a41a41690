//! The built-in page: what runs, and the output of a run. It loads nothing from elsewhere.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

const PAGE: &str = include_str!("../ui/index.html");
const STYLE: &str = include_str!("../ui/page.css");
const SCRIPT: &str = include_str!("../ui/page.js");

/// Returns the routes of this module; they are no part of the API and of its description.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route(
            "/",
            axum::routing::get(|| async { to_page(StatusCode::FOUND) }),
        )
        .route(
            "/ui",
            axum::routing::get(|| async { to_page(StatusCode::MOVED_PERMANENTLY) }),
        )
        .route(
            "/ui/",
            axum::routing::get(|| async { text("text/html; charset=utf-8", PAGE) }),
        )
        .route(
            "/ui/page.css",
            axum::routing::get(|| async { text("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/ui/page.js",
            axum::routing::get(|| async { text("text/javascript; charset=utf-8", SCRIPT) }),
        )
}

fn to_page(status: StatusCode) -> Response {
    (status, [(header::LOCATION, "/ui/")]).into_response()
}

fn text(kind: &'static str, text: &'static str) -> Response {
    // It changes with the server's version only, and a browser asks each time whether it has.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
