//! Usage, limits, processes and evidence over HTTP, and the built-in page.

use std::path::Path;

use serde_json::{Value, json};

use crate::scene::{self, PROJECT, TASK};
use crate::server::{Server, Setup};

fn served() -> Server {
    scene::place().start(&Setup::default())
}

fn get(server: &Server, path: &str) -> Value {
    server.get(path).expect(200).json()
}

#[test]
fn usage_is_added_up() {
    let server = served();
    let usage = get(&server, "/api/v1/usage");
    assert_eq!(
        (&usage["by"], &usage["since"]),
        (&json!("agent"), &Value::Null)
    );
    assert_eq!(usage["rows"][0]["key"], "claude");
    assert_eq!(usage["rows"][0]["input_tokens"], 1200);
    assert_eq!(usage["total"]["cost_usd"], 0.5);
    let task = get(
        &server,
        &format!("/api/v1/usage?by=task&project_id={PROJECT}&task_id={TASK}"),
    );
    assert_eq!(task["rows"][0]["key"], format!("{PROJECT}/{TASK}"));
    assert_eq!(get(&server, "/api/v1/usage?days=1")["rows"], json!([]));
    for bad in [
        "by=x",
        "days=0",
        "since=x",
        &format!("task_id={TASK}"),
        "project_id=..",
    ] {
        server.get(&format!("/api/v1/usage?{bad}")).expect(400);
    }
    server.get("/api/v1/usage?project_id=other").expect(404);
}

/// Serves the scene, whose run began just now.
fn served_just_begun() -> Server {
    let place = scene::place();
    let now = cl_storage::Clock::now(&cl_storage::SystemClock);
    let task = place.root().join(PROJECT).join(TASK);
    let record = task.join("runs").join(scene::RUN).join("run-info.yaml");
    let text = std::fs::read_to_string(&record).unwrap();
    let begun = text.replace(
        "start_time: 2026-01-01T00:00:00Z",
        &format!("start_time: {now}"),
    );
    std::fs::write(&record, begun).unwrap();
    place.start(&Setup::default())
}

#[test]
fn usage_is_added_up_along_time() {
    let server = served_just_begun();
    for path in [
        "/api/v1/usage/trend".to_owned(),
        "/api/v1/usage/trend?bucket=hour&days=2&by=agent".to_owned(),
        format!("/api/v1/usage/trend?project_id={PROJECT}&task_id={TASK}&days=31&bucket=hour"),
    ] {
        let trend = get(&server, &path);
        let buckets = trend["buckets"].as_array().unwrap();
        let row = &trend["rows"][0];
        assert_eq!(row["key"], "claude", "{trend}");
        let point = &row["points"][0];
        // A day or an hour may have ended meanwhile.
        let place = usize::try_from(point["bucket"].as_u64().unwrap()).unwrap();
        assert!(
            place + 2 >= buckets.len() && place < buckets.len(),
            "{trend}"
        );
        assert_eq!(
            (&point["cost_usd"], &point["runs"]),
            (&json!(0.5), &json!(1))
        );
        assert_eq!(trend["total"]["input_tokens"], 1200);
        assert_eq!(trend["time_zone"], "UTC");
        let answer = server.get(&path).expect(200);
        let tag = answer.header("etag").unwrap().to_owned();
        let again = server.request("GET", &path).header("if-none-match", &tag);
        server.ask(&again).expect(304);
    }
    let by_task = get(&server, "/api/v1/usage/trend?by=task");
    assert_eq!(by_task["rows"][0]["key"], format!("{PROJECT}/{TASK}"));
    let by_model = get(&server, "/api/v1/usage/trend?by=model");
    assert_eq!(by_model["rows"][0]["key"], "unknown");
    let elsewhere = get(&server, "/api/v1/usage/trend?time_zone=Nowhere/At_all");
    assert_eq!(elsewhere["time_zone"], "UTC");
    assert_eq!(elsewhere["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn a_trend_follows_what_changes() {
    let server = served_just_begun();
    let cost = || get(&server, "/api/v1/usage/trend")["total"]["cost_usd"].clone();
    assert_eq!(cost(), 0.5);
    let record = scene::task_folder(&server)
        .join("runs")
        .join(scene::RUN)
        .join("run-info.yaml");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("cost_usd: 0.5", "cost_usd: 2.5")).unwrap();
    cl_testkit::patience::until("the new cost is shown", || cost() == 2.5);
}

#[test]
fn what_a_trend_cannot_be_is_refused() {
    let server = served();
    for bad in [
        "by=day",
        "by=x",
        "bucket=week",
        "days=0",
        "days=732",
        "days=32&bucket=hour",
        "time_zone=..%2F..%2Fetc%2Fpasswd",
        &format!("task_id={TASK}"),
        "project_id=..",
    ] {
        server
            .get(&format!("/api/v1/usage/trend?{bad}"))
            .expect(400);
    }
    for missing in [
        "project_id=other".to_owned(),
        format!("project_id={PROJECT}&task_id=task-20260101-000000-other"),
    ] {
        server
            .get(&format!("/api/v1/usage/trend?{missing}"))
            .expect(404);
    }
}

#[test]
fn limits_are_shown_and_forgotten() {
    let server = served();
    assert_eq!(
        get(&server, "/api/v1/limits"),
        json!({"windows": [], "agents": [], "problems": []})
    );
    let root = cl_storage::Root::at(&server.root()).unwrap();
    let key = cl_storage::ledger::AccountKey::parse("claude", "claude").unwrap();
    cl_storage::ledger::Ledger::of(&root)
        .update(&key, |account| {
            account.attempted(
                Some(cl_storage::FailureKind::Auth),
                cl_storage::Clock::now(&cl_storage::SystemClock),
            );
        })
        .unwrap();
    let limits = get(&server, "/api/v1/limits");
    assert_eq!(limits["agents"][0]["agent"], "claude");
    assert_eq!(limits["agents"][0]["failures"], 1);
    let forget = || server.ask(&server.request("DELETE", "/api/v1/limits/claude"));
    assert_eq!(
        forget().expect(200).json()["cleared"][0]["account"],
        "claude"
    );
    assert_eq!(forget().expect(404).code(), "NOT_FOUND");
}

#[test]
fn a_task_without_processes_has_none() {
    let server = served();
    let ps = get(&server, &format!("/api/v1/ps?project_id={PROJECT}"));
    assert_eq!((&ps["processes"], &ps["tasks"]), (&json!([]), &json!([])));
    assert_eq!(ps["totals"]["processes"], 0);
}

#[test]
fn evidence_is_shown_with_what_gates_printed() {
    let server = served();
    let path = format!("{}/evidence", scene::task_path());
    let none = get(&server, &path);
    assert_eq!(
        (&none["claim"], &none["evidence"]),
        (&Value::Null, &json!([]))
    );
    let gates = scene::task_folder(&server).join("gates");
    std::fs::create_dir(&gates).unwrap();
    let piece = "version: 1\nname: tests\nrun: cargo test\ncwd: /tmp\nlaunch_id: l1\nclaim: 1\n\
        verdict: passed\nreason: ''\nexit_code: 0\nstarted_at: 2026-01-01T00:00:00Z\n\
        duration_ms: 5\ntimeout_ms: 9\noutput: 1.out\noutput_bytes: 3\noutput_sha256: x\n\
        tree: ''\ntree_after: ''\n\
        argv: []\nsignal: null\nenvironment: ''\nunquiet: false\n";
    std::fs::write(gates.join("1.yaml"), piece).unwrap();
    std::fs::write(gates.join("1.out"), "ok\n").unwrap();
    std::fs::write(gates.join("2.yaml"), piece.replace("1.out", "../TASK.md")).unwrap();
    let shown = get(&server, &path);
    assert_eq!(shown["problems"], json!([]), "{shown}");
    assert_eq!(shown["evidence"][0]["name"], "tests");
    assert_eq!(shown["evidence"][0]["number"], 1);
    let output = server.get(&format!("{path}/1/output")).expect(200);
    assert_eq!(output.text(), "ok\n");
    for number in ["2", "3"] {
        server.get(&format!("{path}/{number}/output")).expect(404);
    }
    server.get(&format!("{path}/x/output")).expect(400);
}

#[test]
fn the_page_is_open_and_loads_nothing_from_elsewhere() {
    let server = served();
    let ask = |path: &str| server.ask(&server.anonymous("GET", path));
    assert_eq!(ask("/").expect(302).header("location"), Some("/ui/"));
    assert_eq!(ask("/ui").expect(301).header("location"), Some("/ui/"));
    let page = ask("/ui/").expect(200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    // The policy would refuse these anyway.
    for word in ["http:", "https:", "onclick", "style=", "<style", "<script>"] {
        assert!(!page.text().contains(word), "{word}");
    }
    let tag = page.header("etag").unwrap();
    let mut again = server.anonymous("GET", "/ui/");
    again = again.header("if-none-match", tag);
    assert_eq!(server.ask(&again).expect(304).text(), "");
    // All that the page names is there.
    let text = page.text();
    let is_style = |word: &str| Path::new(word).extension().is_some_and(|ext| ext == "css");
    let names = text
        .split(['"'])
        .filter(|word| word.starts_with("./") || is_style(word));
    for name in names {
        let path = format!("/ui/{}", name.trim_start_matches("./"));
        ask(&path).expect(200);
    }
    for path in ["/ui/x.js", "/ui/assets/x.js", "/ui/assets/"] {
        ask(path).expect(404);
    }
}
