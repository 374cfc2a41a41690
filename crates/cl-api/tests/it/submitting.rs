//! What may be asked of a new task, and how a refusal names the field that it is about.

use std::time::{Duration, Instant};

use cl_runner::launch::LaunchFile;
use cl_storage::{ProjectId, Root, TaskId, queue};
use serde_json::{Value, json};

use crate::server::{Place, Server, Setup};

const TASK: &str = "task-20260223-211000-answer";

fn serve() -> Server {
    let place = Place::new();
    let script = place.outside().join("script.yaml");
    std::fs::write(&script, "version: 1\nsteps:\n  - done: true\n").unwrap();
    let script = script.display();
    let yaml = format!("agents: {{scripted: {{type: scripted, script: {script}}}}}");
    place.start(&Setup::yaml(&yaml))
}

fn body(server: &Server) -> Value {
    json!({"project_id": "p", "task_id": TASK, "agent_type": "scripted", "prompt": "Do it.",
        "project_root": server.place().outside()})
}

/// Returns the limits that a task was accepted with: from the queue, or from its launch.
fn accepted(server: &Server) -> Value {
    let root = Root::at(&server.root()).unwrap();
    let (project, id) = (ProjectId::parse("p").unwrap(), TaskId::parse(TASK).unwrap());
    let task = root.task(&project, &id).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let waiting = queue::submitted_of(&root, &project, &id).unwrap();
        if let Some(request) = waiting.into_iter().find_map(|found| found.entry.request) {
            return request["policy"].clone();
        }
        if let Some(file) = LaunchFile::read(&task).unwrap() {
            return serde_json::to_value(file.policy).unwrap();
        }
        assert!(Instant::now() < deadline, "it is nowhere");
        std::thread::yield_now();
    }
}

#[test]
fn a_task_is_accepted_with_its_gates_and_limits() {
    let server = serve();
    let mut asked = body(&server);
    asked["policy"] = json!({"gates": ["test -f greeting.txt"], "max_attempts": 7,
        "max_tokens": 5000, "max_cost_usd": "2.50", "max_task_duration_ms": 60_000});
    server.post("/api/v1/tasks", &asked).expect(201);
    let policy = accepted(&server);
    assert_eq!(
        policy["gates"][0]["run"], "test -f greeting.txt",
        "{policy}"
    );
    assert_eq!(policy["max_attempts"], 7, "{policy}");
    assert_eq!(policy["budget"]["max_tokens"], 5000, "{policy}");
    server
        .ask(&server.request("DELETE", &format!("/api/v1/tasks/{TASK}")))
        .expect(202);
}

#[test]
fn a_refusal_names_the_field_that_has_to_be_another() {
    let server = serve();
    for (change, status, field) in [
        (json!({"agent_type": " "}), 400, "agent_type"),
        (json!({"agent_type": "nobody"}), 400, "agent_type"),
        (json!({"prompt": "\n"}), 400, "prompt"),
        (json!({"project_root": "work"}), 400, "project_root"),
        (
            json!({"project_root": "/nowhere/at/all"}),
            400,
            "project_root",
        ),
        (
            json!({"policy": {"max_cost_usd": "much"}}),
            400,
            "policy.max_cost_usd",
        ),
        (json!({"depends_on": [TASK]}), 409, "depends_on"),
    ] {
        let mut asked = body(&server);
        for (name, value) in change.as_object().unwrap() {
            asked[name] = value.clone();
        }
        let refused = server.post("/api/v1/tasks", &asked).expect(status).json();
        assert_eq!(refused["error"]["details"]["field"], field, "{refused}");
        assert!(!server.root().join("p").join(TASK).join("TASK.md").exists());
    }
}

#[test]
fn a_task_stays_given_up_if_what_was_to_take_it_up_is_refused() {
    let server = serve();
    server.post("/api/v1/tasks", &body(&server)).expect(201);
    accepted(&server);
    let task = format!("projects/p/tasks/{TASK}");
    let asked = json!({"reason": "no longer wanted"});
    server
        .post(&format!("/api/{task}/cancel"), &asked)
        .expect(200);
    let marker = server.root().join("p").join(TASK).join("CANCELLED");
    let said = std::fs::read_to_string(&marker).unwrap();
    let take_up = |agent: &str, policy: Value| {
        let outside = server.place().outside();
        let asked = json!({"kind": "resume", "force": true, "env": {}, "cwd": outside,
            "agent": agent, "policy": policy});
        server.post(&format!("/api/v1/core/{task}/launch"), &asked)
    };
    let amount = take_up("scripted", json!({"max_cost_usd": "much"}));
    amount.expect(400);
    take_up("nobody", json!({})).expect(400);
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), said);
}
