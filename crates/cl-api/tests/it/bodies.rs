//! What may stand in the body of a request.

use std::time::{Duration, Instant};

use crate::http::Reply;
use crate::server::{Server, Setup};

/// A path that takes a body.
const PATH: &str = "/api/v1/tasks";
const JSON: &str = "application/json";

fn post(server: &Server, kind: &str, body: &[u8]) -> Reply {
    let request = server.request("POST", PATH).body(body);
    let request = match kind {
        "" => request,
        _ => request.header("content-type", kind),
    };
    server.ask(&request)
}

#[track_caller]
fn check(reply: &Reply, status: u16, message: &str) {
    let json = reply.json();
    assert_eq!(reply.status, status, "{json}");
    let said = json["message"].as_str().unwrap();
    assert!(said.contains(message), "{json}");
}

#[test]
fn only_json_is_taken() {
    let server = Server::start();
    for kind in [
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json5",
    ] {
        check(&post(&server, kind, b"{}"), 415, "must be JSON");
    }
    for kind in [JSON, "Application/Json;charset=UTF-8"] {
        check(&post(&server, kind, b"{"), 400, "invalid json: EOF");
    }
}

#[test]
fn one_value_of_known_fields_is_taken() {
    let server = Server::start();
    check(&post(&server, JSON, b""), 400, "request body is required");
    check(
        &post(&server, JSON, b" \r\n"),
        400,
        "request body is required",
    );
    let valid = "{\"project_id\":\"p\",\"task_id\":\"task-20260101-000000-x\",\"agent_type\":\"scripted\",\"prompt\":\"x\"}";
    for (body, message) in [
        (format!("{valid}{{}}"), "unexpected trailing data"),
        (format!("{valid} x"), "unexpected trailing data"),
        (
            valid.replace("prompt", "promt"),
            "invalid json: unknown field `promt`",
        ),
        (valid.replace("\"p\"", "1"), "invalid json: "),
        (valid.replace("\"p\"", "\"..\""), "invalid json: "),
        ("[".repeat(100_000), "invalid json: "),
        ("null".to_owned(), "invalid json: "),
    ] {
        check(&post(&server, JSON, body.as_bytes()), 400, message);
    }
    check(
        &post(&server, JSON, b"{\"project_id\":\"\xff\"}"),
        400,
        "invalid json: ",
    );
    assert!(!server.root().join("p").exists());
}

#[test]
fn a_body_is_bounded_however_it_is_sent() {
    let server = Server::with(&Setup::yaml("api: {limits: {max_body_bytes: 1000}}"));
    let fits = vec![b' '; 1000];
    check(&post(&server, JSON, &fits), 400, "request body is required");
    let large = vec![b' '; 1001];
    check(&post(&server, JSON, &large), 413, "larger than 1000 bytes");
    let request = server
        .request("POST", PATH)
        .header("content-type", JSON)
        .header("transfer-encoding", "chunked");
    let mut connection = server.connect();
    connection.send(request.bytes());
    for _ in 0..3 {
        let chunk = " ".repeat(400);
        connection.try_send(format!("190\r\n{chunk}\r\n")).ok();
    }
    check(&connection.reply(), 413, "larger than 1000 bytes");
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_body_comes_whole_and_in_time() {
    let server = Server::with(&Setup::yaml("api: {limits: {body_timeout: 1s}}"));
    let request = server
        .request("POST", PATH)
        .header("content-type", JSON)
        .header("content-length", "100");
    let mut slow = server.connect();
    slow.send(request.bytes());
    slow.send("{");
    let asked = Instant::now();
    check(&slow.reply(), 400, "did not come in time");
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(slow.rest(), b"");
    let mut cut = server.connect();
    cut.send(request.bytes());
    cut.send("{}");
    cut.stream().shutdown(std::net::Shutdown::Write).unwrap();
    if let Some(reply) = cut.try_reply() {
        check(&reply, 400, "incomplete");
    }
    server.get("/api/v1/version").expect(200);
}

#[test]
fn what_the_web_ui_does_not_offer_is_refused_to_browsers() {
    let server = Server::start();
    let own = format!("http://{}", server.authority());
    let request = server
        .request("DELETE", "/api/projects/p/tasks/task-20260101-000000-x")
        .header("origin", &own)
        .header("sec-fetch-site", "same-origin");
    check(
        &server.ask(&request),
        403,
        "task deletion is disabled in the web UI",
    );
}
