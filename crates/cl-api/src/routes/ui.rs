//! The web UI: files that `cargo xtask ui` has built, embedded in the program.
//!
//! A program that was built without them serves a page that says so: the UI needs Node.js to be
//! built, and nothing else does. Debug builds read the files from the checkout, so that a new UI
//! needs no new program.

use std::borrow::Cow;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// What `cargo xtask ui` leaves.
#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Built;

const PAGE: &str = "index.html";
const NOT_BUILT: &str = include_str!("../ui/not-built.html");
const NOT_BUILT_STYLE: &str = include_str!("../ui/not-built.css");
const NOT_BUILT_STYLE_NAME: &str = "not-built.css";

/// Names of files in here change with what is in them.
const NAMED_BY_CONTENTS: &str = "assets/";

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
            axum::routing::get(|headers: HeaderMap| async move { answer(PAGE, &headers) }),
        )
        .route(
            "/ui/{*name}",
            axum::routing::get(|Path(name): Path<String>, headers: HeaderMap| async move {
                answer(&name, &headers)
            }),
        )
}

fn to_page(status: StatusCode) -> Response {
    (status, [(header::LOCATION, "/ui/")]).into_response()
}

/// A file of the UI.
struct File {
    contents: Cow<'static, [u8]>,
    /// The `ETag`, in its quotes.
    tag: String,
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    match find(name) {
        Some(file) => show(name, file, asked),
        None => (StatusCode::NOT_FOUND, "The web UI has no such file.\n").into_response(),
    }
}

fn find(name: &str) -> Option<File> {
    if let Some(file) = Built::get(name) {
        let tag = tag_of(&file.metadata.sha256_hash());
        return Some(File {
            contents: file.data,
            tag,
        });
    }
    let text = match name {
        PAGE => NOT_BUILT,
        NOT_BUILT_STYLE_NAME => NOT_BUILT_STYLE,
        _ => return None,
    };
    Some(File {
        contents: Cow::Borrowed(text.as_bytes()),
        // There is one of each for each version of the program.
        tag: concat!("\"not-built-", env!("CARGO_PKG_VERSION"), "\"").to_owned(),
    })
}

/// Sixteen bytes tell the files of all versions apart.
fn tag_of(hash: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut tag = String::from("\"");
    for byte in hash.iter().take(16) {
        // Writing to a string does not fail.
        let _infallible = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn show(name: &str, file: File, asked: &HeaderMap) -> Response {
    let caching = if name.starts_with(NAMED_BY_CONTENTS) {
        "public, max-age=31536000, immutable"
    } else {
        // A browser asks each time whether it has changed.
        "no-cache"
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    let is_known = is_named(asked, &file.tag);
    if let Ok(tag) = HeaderValue::from_str(&file.tag) {
        headers.insert(header::ETAG, tag);
    }
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = HeaderValue::from_static(kind_of(name));
    headers.insert(header::CONTENT_TYPE, kind);
    (headers, file.contents).into_response()
}

/// Whether a browser has the file with this tag.
fn is_named(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH);
    let mut tags = known
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"));
    tags.any(|known| known == tag || known == "*")
}

fn kind_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, known: Option<&str>) -> Response {
        let mut asked = HeaderMap::new();
        if let Some(known) = known {
            asked.insert(header::IF_NONE_MATCH, known.parse().unwrap());
        }
        let file = File {
            contents: Cow::Borrowed(b"x"),
            tag: tag_of(&[7; 32]),
        };
        show(name, file, &asked)
    }

    #[test]
    fn only_files_named_by_their_contents_are_kept() {
        let caching = |name| shown(name, None).headers()[header::CACHE_CONTROL].clone();
        assert_eq!(caching("index.html"), "no-cache");
        assert_eq!(caching("theme.js"), "no-cache");
        assert!(
            caching("assets/a-1.js")
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let tag = tag_of(&[7; 32]);
        assert_eq!(tag.len(), 34);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag}")] {
            let answer = shown(PAGE, Some(&known));
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(answer.headers()[header::ETAG], tag);
        }
        assert_eq!(shown(PAGE, Some("\"b\"")).status(), StatusCode::OK);
    }

    #[test]
    fn no_name_leads_out_of_the_ui() {
        for name in [
            "../Cargo.toml",
            "assets/../../Cargo.toml",
            "/etc/passwd",
            "",
            "assets",
        ] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn there_is_always_a_page() {
        assert!(find(PAGE).is_some());
    }
}
