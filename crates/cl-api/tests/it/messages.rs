//! Messages over HTTP.

use serde_json::{Value, json};

use crate::http::Reply;
use crate::scene::{self, PROJECT, RUN, TASK};
use crate::server::{Server, Setup};

fn served() -> Server {
    scene::place().start(&Setup::default())
}

#[track_caller]
fn post(server: &Server, body: &str) -> String {
    let path = format!("{}/messages", scene::task_path());
    let posted = server.post(&path, &json!({"type": "FACT", "body": body}));
    let posted = posted.expect(201).json();
    posted["msg_id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn bodies(server: &Server, query: &str) -> Vec<String> {
    let path = format!("{}/messages?{query}", scene::task_path());
    let answer = server.get(&path).expect(200).json();
    let messages = answer["messages"].as_array().unwrap();
    let body = |message: &Value| message["body"].as_str().unwrap().to_owned();
    messages.iter().map(body).collect()
}

#[test]
fn what_was_posted_is_read_in_parts() {
    let server = served();
    let ids: Vec<_> = ["a", "b", "c", "d"].map(|body| post(&server, body)).into();
    assert_eq!(bodies(&server, ""), ["a", "b", "c", "d"]);
    assert_eq!(bodies(&server, "limit=2"), ["c", "d"]);
    assert_eq!(bodies(&server, &format!("since={}", ids[1])), ["c", "d"]);
    assert_eq!(bodies(&server, &format!("after={}&limit=1", ids[1])), ["d"]);
    assert_eq!(bodies(&server, &format!("before={}", ids[2])), ["a", "b"]);
    let both = format!("before={}&limit=1", ids[2]);
    assert_eq!(bodies(&server, &both), ["b"]);
    for unusable in ["limit=x", "limit=0", "limit=-3"] {
        assert_eq!(bodies(&server, unusable).len(), 4, "{unusable}");
    }
    assert_eq!(bodies(&server, "type=ERROR,FACT").len(), 4);
    assert_eq!(bodies(&server, "type=ERROR").len(), 0);
    let any = format!(
        "/api/v1/messages?project_id={PROJECT}&task_id={TASK}&after={}",
        ids[2]
    );
    let any = server.get(&any).expect(200).json();
    assert_eq!(any["messages"][0]["body"], "d");
    assert_eq!(any["messages"][0]["task_id"], TASK);
    // That of the project is another one.
    let project = server.get(&format!("/api/projects/{PROJECT}/messages"));
    assert_eq!(project.expect(200).json()["messages"], json!([]));
}

#[test]
fn an_answer_names_what_it_answers() {
    let server = served();
    let question = post(&server, "why?");
    let answer = json!({
        "project_id": PROJECT, "task_id": TASK, "run_id": RUN, "type": "ANSWER", "body": "so",
        "parents": [{"msg_id": question, "kind": "answers"}], "meta": {"a": "b"},
        "links": [{"url": "output.md", "kind": "output"}],
    });
    server.post("/api/v1/messages", &answer).expect(201);
    let path = format!("{}/messages?limit=1&run_id={RUN}", scene::task_path());
    let read = server.get(&path).expect(200).json();
    let read = &read["messages"][0];
    assert_eq!(read["parents"], answer["parents"]);
    assert_eq!(read["links"], answer["links"]);
    assert_eq!(read["meta"], answer["meta"]);
    assert_eq!(read["run_id"], RUN);
}

#[track_caller]
fn check_refused(reply: Reply, status: u16, message: &str) {
    let reply = reply.expect(status);
    let said = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains(message), "{said}");
}

#[test]
fn what_cannot_be_read_or_posted_is_refused() {
    let server = served();
    let task = format!("{}/messages", scene::task_path());
    let unknown = "since=MSG-20260223-211000-000000001-PID00700-0001";
    check_refused(
        server.get(&format!("{task}?{unknown}")),
        404,
        "message id not found",
    );
    check_refused(
        server.get(&format!("{task}?since=nope")),
        404,
        "message id not found",
    );
    check_refused(
        server.get("/api/v1/messages"),
        400,
        "project_id is required",
    );
    check_refused(
        server.get("/api/v1/messages?project_id=.."),
        400,
        "project_id",
    );
    check_refused(
        server.get("/api/projects/other/messages"),
        404,
        "project not found",
    );
    let other = format!("/api/projects/{PROJECT}/tasks/task-20260101-000000-other/messages");
    check_refused(server.get(&other), 404, "task not found");
    check_refused(
        server.post(&other, &json!({"body": "x"})),
        404,
        "task not found",
    );
    check_refused(
        server.post("/api/projects/other/messages", &json!({"body": "x"})),
        404,
        "",
    );
    assert!(
        !server.root().join("other").exists(),
        "a typo makes no project"
    );
    check_refused(
        server.post(&task, &json!({"body": " \n"})),
        400,
        "body is required",
    );
    check_refused(
        server.post(&task, &json!({"body": "x", "type": "A B"})),
        400,
        "type",
    );
    check_refused(
        server.post(&task, &json!({"body": "x", "more": 1})),
        400,
        "more",
    );
    let run = json!({"body": "x", "run_id": "20260101-0000000000-1-9"});
    check_refused(server.post(&task, &run), 404, "run not found");
    assert_eq!(bodies(&server, ""), Vec::<String>::new());
}

#[test]
fn a_key_posts_once_also_across_a_restart() {
    let server = served();
    let path = format!("{}/messages", scene::task_path());
    let post = |server: &Server, body: &str| {
        let request = server
            .request("POST", &path)
            .header("idempotency-key", "k1");
        server.ask(&request.json(&json!({ "body": body })))
    };
    let first = post(&server, "once").expect(201).json();
    assert_eq!(post(&server, "once").expect(201).json(), first);
    let server = server.kill().start(&Setup::default());
    assert_eq!(post(&server, "once").expect(201).json(), first);
    assert_eq!(post(&server, "other").expect(409).code(), "CONFLICT");
    assert_eq!(bodies(&server, ""), ["once"]);
    let request = server.request("POST", &path).header("idempotency-key", "");
    server.ask(&request.json(&json!({"body": "x"}))).expect(400);
}
