//! What is not answered, and to whom.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::{FIRST, R, SCHEMA, T, examples, get, refused, served, task};
use crate::server::{Server, Setup};

#[test]
fn what_is_not_there_is_not_found_and_what_is_no_id_is_refused() {
    let place = examples();
    task(&place, "q", T);
    symlink(place.outside(), place.root().join("linked")).unwrap();
    let server = served(place);
    let nobody = "task-20260101-000000-nobody";
    let run = "20260101-0000000000-1-1";
    let body = refused(
        &server,
        &format!("/api/v1/tasks/{T}"),
        409,
        "multiple tasks found",
    );
    assert_eq!(body["error"]["details"]["task_id"], T);
    let task = format!("/api/projects/p/tasks/{T}");
    for (path, message) in [
        (format!("/api/v1/tasks/{nobody}"), "task not found"),
        (format!("/api/v1/runs/{run}"), "run not found"),
        (format!("/api/v1/runs/{run}/info"), "run not found"),
        ("/api/projects/x".to_owned(), "project not found"),
        ("/api/projects/x/stats".to_owned(), "project not found"),
        ("/api/projects/x/tree".to_owned(), "project not found"),
        ("/api/projects/x/runs/flat".to_owned(), "project not found"),
        ("/api/projects/x/tasks".to_owned(), "project not found"),
        ("/api/projects/linked".to_owned(), "project not found"),
        (format!("/api/projects/p/tasks/{nobody}"), "task not found"),
        (
            format!("/api/projects/p/tasks/{SCHEMA}/runs"),
            "task not found",
        ),
        (format!("{task}/runs/{run}"), "run not found"),
    ] {
        refused(&server, &path, 404, message);
    }
    for path in [
        "/api/v1/tasks?project_id=..",
        "/api/v1/tasks?project_id=a&project_id=b",
        "/api/v1/runs/*",
        "/api/v1/runs/..%2f..",
        "/api/projects/%2e%2e",
        "/api/projects/%ff",
        "/api/projects/p/tasks/%2e%2e",
        "/api/projects/p/tree?task_id=..",
        "/api/projects/p/tasks?after=x",
        "/api/projects/p/runs/flat?active_only=maybe",
    ] {
        assert_eq!(server.get(path).expect(400).code(), "BAD_REQUEST", "{path}");
    }
    refused(
        &server,
        "/api/projects/p/runs/flat?selected_task_limit=-1",
        400,
        "invalid selected_task_limit",
    );
}

#[test]
fn a_server_that_changes_nothing_says_so() {
    let setup = Setup {
        is_read_only: true,
        ..Setup::default()
    };
    let server = examples().start(&setup);
    for (method, path) in [
        ("POST", "/api/projects".to_owned()),
        ("POST", "/api/v1/tasks".to_owned()),
        ("DELETE", format!("/api/v1/tasks/{T}")),
        ("DELETE", "/api/projects/p?force=1".to_owned()),
        ("POST", "/api/projects/p/gc".to_owned()),
        ("POST", "/api/projects/p/messages".to_owned()),
        ("DELETE", format!("/api/projects/p/tasks/{T}/runs/{FIRST}")),
    ] {
        let request = server.request(method, &path).json(&json!({}));
        let body = server.ask(&request).expect(403).json();
        assert!(
            body["message"].as_str().unwrap().contains("--read-only"),
            "{body}"
        );
    }
    assert_eq!(
        get(&server, "/api/v1/status")["readiness"]["read_only"],
        true
    );
    assert_eq!(
        get(&server, "/api/v1/runs")["runs"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn health_is_open_and_every_other_path_of_the_document_is_not() {
    let server = Server::start();
    let healthz = server
        .ask(&server.anonymous("GET", "/healthz"))
        .expect(200)
        .json();
    assert_eq!(healthz["status"], "ok");
    assert!(healthz["uptime"].as_str().unwrap().ends_with('s'));
    let health = server
        .ask(&server.anonymous("GET", "/api/v1/health"))
        .expect(200);
    assert_eq!(health.json(), json!({"status": "ok"}));
    server
        .ask(&server.request("POST", "/api/v1/health"))
        .expect(405);
    let document = get(&server, "/api/openapi.json");
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let is_open = operation["security"] == json!([{}]) || path.starts_with("/ui/");
            if is_open || path == "/metrics" {
                continue;
            }
            let path = path
                .replace("{project_id}", "p")
                .replace("{task_id}", T)
                .replace("{run_id}", R);
            let request = server.anonymous(&method.to_uppercase(), &path);
            let reply = server.ask(&request);
            assert_eq!(reply.status, 401, "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 25, "{asked}");
}

#[test]
fn what_cannot_be_taken_in_leaves_no_task() {
    let server = Server::start();
    let ask = |import: Value| {
        let body = json!({"project_id": "p", "task_id": "task-20260223-211000-import", "agent_type": "claude",
            "prompt": "x", "process_import": import});
        server.post("/api/v1/tasks", &body)
    };
    let log = server.place().outside().join("log");
    for import in [
        json!({"pid": 0, "stdout_path": log}),
        json!({"pid": 1, "stdout_path": log}),
        json!({"pid": std::process::id()}),
        json!({"pid": std::process::id(), "stdout_path": "relative"}),
        json!({"pid": std::process::id(), "stdout_path": "/nowhere/x"}),
        json!({"pid": i32::MAX, "stdout_path": log}),
    ] {
        ask(import).expect(400);
        assert!(!server.root().join("p/task-20260223-211000-import").exists());
    }
}
