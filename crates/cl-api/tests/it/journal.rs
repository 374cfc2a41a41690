//! What is told of requests afterwards: the audit, the access log, metrics.

use std::net::Shutdown;

use cl_testkit::patience;
use serde_json::{Value, json};

use crate::scene::{self, PROJECT, TASK};
use crate::server::{Server, Setup};

fn trail(server: &Server, query: &str) -> Vec<Value> {
    let answer = server
        .get(&format!("/api/v1/audit?{query}"))
        .expect(200)
        .json();
    answer["entries"].as_array().unwrap().clone()
}

#[test]
fn changes_are_written_down_with_their_outcome_and_without_secrets() {
    let server = scene::place().start(&Setup::default());
    let path = format!("{}/messages", scene::task_path());
    let ask = |id: &str, path: &str, body: &Value| {
        let request = server.request("POST", path).header("x-request-id", id);
        server.ask(&request.json(body))
    };
    let body =
        json!({"type": "FACT", "body": "Bearer canary0123456789", "meta": {"my-token": "x"}});
    let posted = ask("first", &path, &body).expect(201).json();
    ask(
        "second",
        "/api/v1/messages",
        &json!({"project_id": PROJECT, "body": ""}),
    )
    .expect(400);
    server.get(&path).expect(200);
    let entries = trail(&server, "");
    assert_eq!(entries.len(), 2, "{entries:?}");
    let (second, first) = (&entries[0], &entries[1]);
    assert_eq!(first["request_id"], "first");
    assert_eq!(first["correlation_id"], "first");
    assert_eq!(first["method"], "POST");
    assert_eq!(first["path"], path.as_str());
    let endpoint = "POST /api/projects/{project_id}/tasks/{task_id}/messages";
    assert_eq!(first["endpoint"], endpoint);
    assert_eq!(first["remote_addr"], "127.0.0.1");
    assert_eq!(
        (&first["project_id"], &first["task_id"]),
        (&json!(PROJECT), &json!(TASK))
    );
    assert_eq!(first["message_id"], posted["msg_id"]);
    assert_eq!(first["status"], 201);
    assert_eq!(first["payload"]["meta"]["my-token"], "[REDACTED]");
    assert_eq!(second["status"], 400);
    assert_eq!(second["problem"], "body is required");
    assert_eq!(second["project_id"], PROJECT, "from the body");
    assert_eq!(trail(&server, "request_id=first").len(), 1);
    assert_eq!(trail(&server, &format!("task_id={TASK}")).len(), 1);
    assert_eq!(trail(&server, "limit=1").len(), 1);
    let file = server.root().join("_audit/form-submissions.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let status = |line: &Value| line["status"].as_u64();
    let told: Vec<_> = lines.iter().map(status).collect();
    assert_eq!(told, [None, Some(201), None, Some(400)]);
}

#[test]
fn a_change_is_made_as_a_whole_although_its_client_goes_away() {
    let server = scene::place().start(&Setup::default());
    let path = format!("{}/messages", scene::task_path());
    for number in 0..10 {
        let request = server.request("POST", &path);
        let request = request.json(&json!({"body": format!("number {number}")}));
        let mut connection = server.connect();
        connection.send(request.bytes());
        // The server sees that nobody is there as soon as it has read the request.
        connection.stream().shutdown(Shutdown::Both).unwrap();
    }
    patience::eventually("each change is made and written down", || {
        let entries = trail(&server, "");
        (entries.len() == 10 && entries.iter().all(|entry| entry["status"] == 201)).then_some(())
    });
}

#[test]
fn a_payload_that_is_no_object_is_not_shown_as_one() {
    let server = scene::place().start(&Setup::default());
    let path = format!("{}/resume", scene::task_path());
    for body in [json!(0), json!(["x"]), json!("x")] {
        server.post(&path, &body).expect(400);
    }
    let entries = trail(&server, "");
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert!(entries.iter().all(|entry| entry["payload"].is_null()));
}

#[test]
fn who_may_not_come_in_is_in_no_audit() {
    let server = scene::place().start(&Setup::default());
    let path = format!("{}/messages", scene::task_path());
    let request = server.anonymous("POST", &path).json(&json!({"body": "x"}));
    server.ask(&request).expect(401);
    assert_eq!(trail(&server, "").len(), 0);
}

#[test]
fn an_audit_that_cannot_be_written_fails_no_request() {
    let place = scene::place();
    std::fs::write(place.root().join("_audit"), "no folder").unwrap();
    let server = place.start(&Setup::default());
    let path = format!("{}/messages", scene::task_path());
    server.post(&path, &json!({"body": "x"})).expect(201);
    let metrics = server.get("/metrics").expect(200);
    assert!(
        metrics
            .text()
            .contains("\nconductor_audit_failures_total 2\n")
    );
}

#[test]
fn a_server_that_only_reads_changes_nothing() {
    let place = scene::place();
    let setup = Setup {
        is_read_only: true,
        ..Setup::default()
    };
    let server = place.start(&setup);
    let before = names(&server);
    let path = format!("{}/messages", scene::task_path());
    for (method, path) in [
        ("POST", path.as_str()),
        ("POST", "/api/v1/tasks"),
        ("DELETE", &scene::task_path()),
        ("POST", &format!("{}/stop", scene::run_path())),
    ] {
        let refused = server.ask(&server.request(method, path).json(&json!({"body": "x"})));
        let refused = refused.expect(403);
        assert!(refused.text().contains("--read-only"), "{}", refused.text());
    }
    server.get(&path).expect(200);
    // Logging a browser in changes nothing below the root, and so is in no audit.
    let link = server.post("/api/v1/admin/login-link", &json!({}));
    link.expect(200);
    assert_eq!(names(&server), before);
}

fn names(server: &Server) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(server.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn requests_are_logged_but_for_health() {
    let server = scene::place().start(&Setup::default());
    let file = server.root().join(".conductor/log/access.log");
    server.get("/metrics").expect(200);
    let request = server.request(
        "GET",
        &format!("{}/file?name=canary-in-a-query", scene::run_path()),
    );
    server
        .ask(&request.header("x-request-id", "look-here"))
        .expect(404);
    server
        .ask(&server.anonymous("GET", "/api/v1/audit"))
        .expect(401);
    let log = || std::fs::read_to_string(&file).unwrap_or_default();
    let has_both = || (log().lines().count() >= 2).then_some(());
    patience::within(patience::PATIENCE, has_both).expect("two lines");
    let log = log();
    let line = log
        .lines()
        .find(|line| line.contains("request_id=look-here"))
        .unwrap();
    for word in [
        "level=warn",
        "subsystem=api",
        "event=request_completed",
        "correlation_id=look-here",
        "method=GET",
        "status=404",
        "duration_ms=",
        &format!("project_id={PROJECT}"),
        &format!("run_id={}", scene::RUN),
    ] {
        assert!(
            line.split(' ').any(|found| found.starts_with(word)),
            "{word}: {line}"
        );
    }
    assert!(log.contains(" status=401 "), "{log}");
    assert!(
        !log.contains("canary") && !log.contains("/metrics"),
        "{log}"
    );
}

/// Returns the value of a line of the metrics.
#[track_caller]
fn metric(server: &Server, name: &str) -> Option<f64> {
    let reply = server.ask(&server.anonymous("GET", "/metrics")).expect(200);
    let kind = reply.header("content-type").unwrap().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let mut lines = reply.text().lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

#[test]
fn what_happens_is_counted() {
    let server = scene::place().start(&Setup::default());
    assert_eq!(metric(&server, "conductor_completed_runs_total"), Some(0.0));
    let path = format!("{}/messages", scene::task_path());
    server.post(&path, &json!({"body": "x"})).expect(201);
    server.get(&path).expect(200);
    server.get(&path).expect(200);
    let requests = "conductor_api_requests_total";
    let posts = format!("{requests}{{method=\"POST\",status=\"201\"}}");
    assert_eq!(metric(&server, &posts), Some(1.0));
    assert_eq!(
        metric(&server, "conductor_messagebus_appends_total"),
        Some(1.0)
    );
    let took = "conductor_api_request_duration_seconds_count{method=\"GET\",\
        path=\"/api/projects/{project_id}/tasks/{task_id}/messages\"}";
    assert_eq!(metric(&server, took), Some(2.0));
    assert!(metric(&server, "conductor_uptime_seconds").unwrap() > 0.0);
    assert_eq!(metric(&server, "conductor_sse_clients"), Some(0.0));
    assert_eq!(metric(&server, "conductor_active_runs_total"), Some(0.0));
    let openly = server.anonymous("GET", "/metrics");
    let openly = openly.header("accept", "application/openmetrics-text;version=1.0.0");
    let openly = server.ask(&openly).expect(200);
    assert!(openly.text().ends_with("# EOF\n"));
}

#[test]
fn runs_of_others_are_counted_as_they_end() {
    let server = scene::place().start(&Setup::default());
    // A task that appears with a run that has just failed.
    let other = "task-20260101-000000-other";
    let task = server.place().outside().join(other);
    let folder = task.join("runs").join(scene::RUN);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(task.join("TASK.md"), "do it\n").unwrap();
    let now = cl_storage::Clock::now(&cl_storage::SystemClock).to_string();
    let known = scene::task_folder(&server).join("runs").join(scene::RUN);
    let record = std::fs::read_to_string(known.join("run-info.yaml")).unwrap();
    let record = record
        .replace(TASK, other)
        .replace("2026-01-01T00:00:00Z", &now)
        .replace("2026-01-01T00:01:00Z", &now)
        .replace(
            "exit_code: 0\nstatus: completed",
            "exit_code: 1\nstatus: failed",
        );
    std::fs::write(folder.join("run-info.yaml"), record).unwrap();
    let place = server.root().join(PROJECT).join(other);
    cl_storage::durable::rename(&task, &place).unwrap();
    let counted = || {
        let failed = metric(&server, "conductor_failed_runs_total");
        (failed == Some(1.0)).then_some(())
    };
    patience::within(patience::PATIENCE, counted).expect("the run is counted");
    assert_eq!(metric(&server, "conductor_completed_runs_total"), Some(0.0));
    let of_agent = "conductor_agent_runs_total{agent_type=\"claude\"}";
    assert_eq!(metric(&server, of_agent), Some(1.0));
}
