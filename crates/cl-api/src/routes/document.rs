//! The description of everything that can be asked, as an `OpenAPI` document.

use std::sync::OnceLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cl_wire::ProblemCode;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// What may be refused anywhere, and why.
const REFUSALS: &[(ProblemCode, &str)] = &[
    (
        ProblemCode::BadRequest,
        "The path, the query, a header or the body cannot be understood",
    ),
    (ProblemCode::Unauthorized, "The token is missing or wrong"),
    (
        ProblemCode::Forbidden,
        "Not for this server, not for the page that asks, or the server changes nothing",
    ),
    (
        ProblemCode::PayloadTooLarge,
        "The body is larger than is taken",
    ),
    (
        ProblemCode::UnsupportedMediaType,
        "The body is of another type than is taken",
    ),
    (
        ProblemCode::TooManyRequests,
        "Wrong credentials were shown too often; `Retry-After` says when to try again",
    ),
    (ProblemCode::Internal, "The server failed; its log says why"),
    (ProblemCode::Unavailable, "The server cannot do this now"),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    components(schemas(cl_wire::Problem)),
    info(
        title = "Conductor Loop",
        version = "1",
        description = "Tasks, runs and messages below one root. Refusals are described in the user guide.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("token" = []))
)]
struct Document;

/// Returns the document without any path.
pub(super) fn empty() -> OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    document
}

/// Adds what any operation may answer, whatever its handler does: what the guard refuses, and
/// what is refused on the way to a handler.
///
/// What an operation says itself stays as it says it.
pub(super) fn with_common_refusals(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (code, why) in REFUSALS {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(*why)
            .content("application/json", problem.build())
            .build();
        components.responses.insert(name(*code), response.into());
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            // An empty requirement is one that everybody meets.
            let is_open = operation.security.is_some();
            let has_body = operation.request_body.is_some();
            for (code, _) in REFUSALS {
                let concerns = match code {
                    ProblemCode::Unauthorized | ProblemCode::TooManyRequests => !is_open,
                    ProblemCode::PayloadTooLarge | ProblemCode::UnsupportedMediaType => has_body,
                    _ => true,
                };
                if concerns {
                    let response = Ref::from_response_name(name(*code));
                    let known = &mut operation.responses.responses;
                    known
                        .entry(code.status().to_string())
                        .or_insert(RefOr::Ref(response));
                }
            }
        }
    }
}

/// Returns the operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .filter_map(Option::as_mut)
}

/// Returns the name of the description of a refusal.
fn name(code: ProblemCode) -> String {
    format!("{code:?}")
}

/// Returns the document as it is sent and checked in.
fn text() -> &'static Bytes {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    TEXT.get_or_init(|| {
        let document = with_names(super::assembled().1);
        // A document is made of strings and lists of them, which always become JSON.
        let mut text = document.to_pretty_json().unwrap_or_default();
        text.push('\n');
        text.into()
    })
}

/// Gives each operation a name of its own, made of method and path: our functions share theirs,
/// and clients that are generated take one for the other then.
fn with_names(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ] {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}{}", name_of(path)));
            }
        }
    }
    document
}

/// Makes `_api_v1_tasks_task_id` of `/api/v1/tasks/{task_id}`.
fn name_of(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    parts
        .map(|part| part.trim_matches(['{', '}']))
        .flat_map(|part| std::iter::once('_').chain(part.chars().map(plain)))
        .collect()
}

/// Describes everything that can be asked.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "server",
    responses((status = 200, content_type = "application/json", description = "This document"))
)]
async fn openapi() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], text().clone()).into_response()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn docs(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/user/api")
            .join(name)
    }

    #[test]
    fn the_document_that_is_checked_in_is_the_one_that_is_served() {
        let path = docs("openapi.json");
        #[expect(clippy::disallowed_methods, reason = "how a person asks for a new one")]
        let is_update = std::env::var_os("UPDATE_EXPECTED").is_some();
        if is_update {
            std::fs::write(&path, text()).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(
            kept == text()[..],
            "docs/user/api/openapi.json differs; UPDATE_EXPECTED=1 writes it anew"
        );
    }

    #[test]
    fn each_operation_has_a_name_of_its_own() {
        let document: serde_json::Value = serde_json::from_slice(text()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap_or_default();
                assert!(names.insert(name.to_owned()), "{method} {path}: {name:?}");
            }
        }
        assert!(names.contains("post_api_v1_tasks"), "{names:?}");
        assert!(
            names.contains("get_api_projects_project_id_tree"),
            "{names:?}"
        );
    }

    #[test]
    fn every_code_of_a_problem_is_described() {
        let guide = std::fs::read_to_string(docs("README.md")).unwrap();
        for code in ProblemCode::ALL {
            let name = serde_json::to_value(code).unwrap();
            let row = format!("| {} | `{}` |", code.status(), name.as_str().unwrap());
            assert!(guide.contains(&row), "{row}");
        }
    }

    /// Returns each operation with its method and path.
    fn all_operations() -> Vec<(String, Operation)> {
        let document = super::super::assembled().1;
        let mut all = Vec::new();
        for (path, mut item) in document.paths.paths {
            all.extend(operations(&mut item).map(|operation| (path.clone(), operation.clone())));
        }
        all
    }

    #[test]
    fn what_the_guard_refuses_is_described_everywhere() {
        for (path, operation) in all_operations() {
            let has = |status: &str| operation.responses.responses.contains_key(status);
            let is_open = ["/healthz", "/metrics", "/api/v1/health", "/api/v1/version"]
                .contains(&path.as_str())
                || path.starts_with("/ui/");
            assert_eq!(has("401"), !is_open, "{path}");
            assert_eq!(operation.security.is_some(), is_open, "{path}");
            assert!(has("400") && has("403") && has("500"), "{path}");
            let has_body = operation.request_body.is_some();
            assert_eq!((has("413"), has("415")), (has_body, has_body), "{path}");
        }
    }

    #[test]
    fn streams_are_described_by_their_events() {
        let mut streams = 0;
        for (path, operation) in all_operations() {
            let Some(RefOr::T(answer)) = operation.responses.responses.get("200") else {
                continue;
            };
            if let Some(content) = answer.content.get("text/event-stream") {
                let content = serde_json::to_value(content).unwrap();
                let event = "#/components/schemas/StreamEvent";
                assert_eq!(content["schema"]["$ref"], event, "{path}");
                streams += 1;
            }
        }
        assert_eq!(streams, 9);
    }

    #[test]
    fn what_may_be_null_is_described_so() {
        let document = serde_json::to_value(super::super::assembled().1).unwrap();
        let schemas = &document["components"]["schemas"];
        for (name, fields) in [
            ("StateShown", ["limit", "stop"].as_slice()),
            ("TaskShown", &["activity"]),
        ] {
            for field in fields {
                let kind = &schemas[name]["properties"][field]["type"];
                assert_eq!(
                    kind,
                    &serde_json::json!(["object", "null"]),
                    "{name}.{field}"
                );
            }
        }
        // A list that is read behind a place has no total.
        let both = &schemas["TaskPage"]["oneOf"];
        assert_eq!(both.as_array().map(Vec::len), Some(2), "{both}");
    }

    #[test]
    fn every_path_of_both_families_is_there() {
        let document = super::super::assembled().1;
        let task = "/api/projects/{project_id}/tasks/{task_id}";
        let run = format!("{task}/runs/{{run_id}}");
        for (path, methods) in [
            ("/healthz".to_owned(), "g"),
            ("/api/v1/health".to_owned(), "g"),
            ("/api/v1/version".to_owned(), "g"),
            ("/api/v1/status".to_owned(), "g"),
            ("/api/v1/tasks".to_owned(), "gp"),
            ("/api/v1/tasks/{task_id}".to_owned(), "gd"),
            ("/api/v1/runs".to_owned(), "g"),
            ("/api/v1/runs/{run_id}".to_owned(), "g"),
            ("/api/v1/runs/{run_id}/info".to_owned(), "g"),
            ("/api/v1/runs/{run_id}/stop".to_owned(), "p"),
            ("/api/v1/messages".to_owned(), "gp"),
            ("/api/projects".to_owned(), "gp"),
            ("/api/projects/home-dirs".to_owned(), "g"),
            ("/api/projects/{project_id}".to_owned(), "gd"),
            ("/api/projects/{project_id}/stats".to_owned(), "g"),
            ("/api/projects/{project_id}/gc".to_owned(), "p"),
            ("/api/projects/{project_id}/runs/flat".to_owned(), "g"),
            ("/api/projects/{project_id}/tree".to_owned(), "g"),
            ("/api/projects/{project_id}/messages".to_owned(), "gp"),
            ("/api/projects/{project_id}/tasks".to_owned(), "g"),
            (task.to_owned(), "gd"),
            (format!("{task}/resume"), "p"),
            (format!("{task}/file"), "g"),
            (format!("{task}/messages"), "gp"),
            (format!("{task}/runs"), "g"),
            (run.clone(), "gd"),
            (format!("{run}/stop"), "p"),
            (format!("{run}/file"), "g"),
        ] {
            let found = document.paths.paths.get(&path);
            let found = found.unwrap_or_else(|| panic!("{path} is missing"));
            for method in methods.chars() {
                let operation = match method {
                    'g' => &found.get,
                    'p' => &found.post,
                    _ => &found.delete,
                };
                assert!(operation.is_some(), "{method} {path}");
            }
        }
    }
}
