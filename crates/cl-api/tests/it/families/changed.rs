//! Projects and tasks that are made, acted on and deleted.

use cl_storage::{ProjectId, RunId};
use serde_json::{Value, json};

use super::{FIRST, R, SCHEMA, T, examples, get, run, served, task};
use crate::server::{Place, Setup};

#[test]
fn projects_are_made_and_deleted() {
    let server = served(examples());
    let work = std::fs::canonicalize(server.place().home())
        .unwrap()
        .join("q");
    std::fs::create_dir(&work).unwrap();
    let make = |root: &str| {
        server.post(
            "/api/projects",
            &json!({"project_id": "q", "project_root": root}),
        )
    };
    let inside = server.root().join("p");
    let file = work.join("file");
    std::fs::write(&file, "").unwrap();
    for (root, message) in [
        ("", "project_root is required".to_owned()),
        (
            "q",
            "project_root must be an absolute path or use ~/...".to_owned(),
        ),
        (
            "/nowhere/x",
            "project_root does not exist: /nowhere/x".to_owned(),
        ),
        (
            file.to_str().unwrap(),
            format!("project_root is not a directory: {}", file.display()),
        ),
        (
            inside.to_str().unwrap(),
            "project_root must be outside conductor storage root".to_owned(),
        ),
    ] {
        assert_eq!(make(root).expect(400).json()["message"], message);
    }
    let made = make("~/q").expect(201).json();
    assert_eq!((&made["id"], &made["task_count"]), (&json!("q"), &json!(0)));
    assert_eq!(made["project_root"], work.to_str().unwrap());
    let again = make("~/q").expect(409);
    assert_eq!(again.json()["message"], "project already exists");
    let delete = |path: &str| server.ask(&server.request("DELETE", path));
    let browser = server
        .request("DELETE", "/api/projects/q")
        .header("x-conductor-client", "web-ui");
    let refused = server.ask(&browser).expect(403).json();
    assert_eq!(
        refused["message"],
        "project deletion is disabled in the web UI"
    );
    let gone = delete("/api/projects/q").expect(200).json();
    assert_eq!(
        (&gone["project_id"], &gone["deleted_tasks"]),
        (&json!("q"), &json!(0))
    );
    assert!(!server.root().join("q").exists() && work.exists());
    server.get("/api/projects/q").expect(404);
    let busy = delete("/api/projects/p").expect(409).json();
    assert_eq!(
        busy["message"],
        "project has running tasks; stop them first or use --force"
    );
    let run = format!("/api/projects/p/tasks/{T}/runs");
    let busy = delete(&format!("{run}/{R}")).expect(409).json();
    assert_eq!(busy["message"], "run is still running");
    delete(&format!("{run}/{FIRST}")).expect(204);
    assert!(!server.root().join(format!("p/{T}/runs/{FIRST}")).exists());
    assert_eq!(get(&server, &run)["total"], 1);
    delete(&format!("{run}/{FIRST}")).expect(404);
}

#[test]
fn old_runs_are_collected() {
    let place = examples();
    let old = task(&place, "p", "task-20260101-000000-old");
    run(&old, "20260101-0000000000-1-1", |_| {});
    run(&old, "20260102-0000000000-1-1", |_| {});
    std::fs::write(old.path().join("DONE"), "").unwrap();
    let server = served(place);
    let gc = |query: &str| server.post(&format!("/api/projects/p/gc?{query}"), &json!({}));
    let told = gc("older_than=1h&dry_run=1").expect(200).json();
    assert_eq!(told["dry_run"], true);
    let count = told["deleted_runs"].as_u64().unwrap();
    assert!(count > 0, "{told}");
    for bad in ["older_than=-1h", "older_than=x", "dry_run=maybe"] {
        gc(bad).expect(400);
    }
    let done = gc("older_than=1h").expect(200).json();
    assert_eq!(
        (&done["deleted_runs"], &done["dry_run"]),
        (&json!(count), &json!(false))
    );
    assert!(
        server.root().join(format!("p/{T}/runs/{R}")).exists(),
        "it runs"
    );
    let browser = server
        .request("POST", "/api/projects/p/gc")
        .header("x-conductor-client", "web-ui");
    server.ask(&browser).expect(403);
}

#[test]
fn a_task_that_answers_a_message_is_linked_on_both_sides() {
    let place = Place::new();
    let source = task(&place, "p", "task-20260223-200000-audit");
    let script = place.outside().join("script.yaml");
    std::fs::write(&script, "version: 1\nsteps:\n  - done: true\n").unwrap();
    let yaml = format!(
        "agents: {{scripted: {{type: scripted, script: {}}}}}",
        script.display()
    );
    let server = place.start(&Setup::yaml(&yaml));
    let bus = cl_bus::Bus::new(source.bus());
    let post = |kind: &str| {
        let run = RunId::parse(FIRST).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let draft = cl_bus::Draft::new(kind, project, "Which schema?");
        bus.append(&draft.task(source.id().clone()).run(run))
            .unwrap()
            .id
    };
    let (question, progress) = (post("QUESTION"), post("PROGRESS"));
    let ask = |thread: Value, kind: Value| {
        let body = json!({"project_id": "p", "task_id": "task-20260223-211000-answer", "agent_type": "scripted",
            "prompt": "Answer it.", "project_root": server.place().outside(), "thread_parent": thread,
            "thread_message_type": kind});
        server.post("/api/v1/tasks", &body)
    };
    let parent = |task: &str, run: &str, id: &str| json!({"project_id": "p", "task_id": task, "run_id": run, "message_id": id});
    let audit = source.id().as_str();
    let unknown = "MSG-20260223-200130-000000001-PID00500-0003";
    for (thread, kind, status, message) in [
        (
            Value::Null,
            json!("USER_REQUEST"),
            400,
            "thread_message_type requires thread_parent",
        ),
        (
            parent(audit, FIRST, question.as_str()),
            json!("FACT"),
            400,
            "thread_message_type must be USER_REQUEST",
        ),
        (
            parent(audit, R, question.as_str()),
            Value::Null,
            400,
            "invalid parent reference: the message is of another run",
        ),
        (
            parent("task-20260101-000000-x", FIRST, question.as_str()),
            Value::Null,
            404,
            "parent task not found",
        ),
        (
            parent(audit, FIRST, unknown),
            Value::Null,
            404,
            "parent message not found",
        ),
        (
            parent(audit, FIRST, progress.as_str()),
            Value::Null,
            409,
            "parent message type \"PROGRESS\" is not supported",
        ),
    ] {
        assert_eq!(ask(thread, kind).expect(status).json()["message"], message);
        assert!(!server.root().join("p/task-20260223-211000-answer").exists());
    }
    let created = ask(
        parent(audit, FIRST, question.as_str()),
        json!("USER_REQUEST"),
    )
    .expect(201)
    .json();
    let detail = get(&server, "/api/projects/p/tasks/task-20260223-211000-answer");
    assert_eq!(detail["thread_parent"]["message_id"], question.as_str());
    assert_eq!(detail["thread_parent"]["message_type"], "QUESTION");
    let notice = bus.tail(1).unwrap().into_messages().remove(0);
    assert_eq!(
        notice.body,
        "threaded user request opened child task p/task-20260223-211000-answer"
    );
    assert_eq!(notice.parents[0].msg_id, question);
    assert_eq!(notice.meta["thread_direction"], "source_task");
    assert_eq!(
        notice.meta["thread_child_run_id"],
        created["run_id"].as_str().unwrap()
    );
    let child = server
        .root()
        .join("p/task-20260223-211000-answer/TASK-MESSAGE-BUS.md");
    let told = cl_bus::Bus::new(child).all().unwrap().into_messages();
    let told = told
        .iter()
        .find(|message| message.kind == "USER_REQUEST")
        .unwrap();
    assert_eq!(
        (told.body.as_str(), told.parents[0].kind.as_str()),
        ("Answer it.", "thread_answer")
    );
    assert_eq!(notice.meta["thread_child_message_id"], told.id.as_str());
    server
        .ask(&server.request("DELETE", "/api/v1/tasks/task-20260223-211000-answer"))
        .expect(202);
}

#[test]
fn tasks_are_acted_on_by_name() {
    let server = served(examples());
    let act = |task: &str, verb: &str, body: &Value| {
        let reply = server.post(&format!("/api/projects/p/tasks/{task}/{verb}"), body);
        (reply.status, reply.json())
    };
    let none = json!({});
    let acted = |task: &str, verb: &str, body: &Value, outcome: &str| {
        let (status, json) = act(task, verb, body);
        assert_eq!(
            (status, &json["outcome"]),
            (200, &json!(outcome)),
            "{verb}: {json}"
        );
        json
    };
    acted(SCHEMA, "uncancel", &none, "not_cancelled");
    let reason = json!({"reason": "dropped", "superseded_by": T});
    acted(SCHEMA, "cancel", &reason, "cancelled");
    acted(SCHEMA, "cancel", &none, "already_cancelled");
    let status = || get(&server, &format!("/api/projects/p/tasks/{SCHEMA}"))["status"].clone();
    assert_eq!(status(), "cancelled");
    let mark =
        std::fs::read_to_string(server.root().join(format!("p/{SCHEMA}/CANCELLED"))).unwrap();
    assert!(mark.contains("dropped") && mark.contains(T), "{mark}");
    acted(SCHEMA, "uncancel", &none, "uncancelled");
    assert_eq!(status(), "idle");
    acted(SCHEMA, "stop", &none, "nothing_running");
    assert_eq!(status(), "stopped");
    let other = json!({"dependencies": ["task-20260101-000000-other"]});
    assert_eq!(act(T, "unblock", &other).0, 404);
    let lifted = acted(
        T,
        "unblock",
        &json!({"reason": "it is frozen"}),
        "unblocked",
    );
    assert_eq!(lifted["unblocked"], json!([SCHEMA]));
    acted(T, "unblock", &none, "not_blocked");
    assert_eq!(act(T, "wake", &none).0, 409);
    assert_eq!(
        act(SCHEMA, "cancel", &json!({"superseded_by": SCHEMA})).0,
        400
    );
    assert_eq!(act("task-20260101-000000-nobody", "stop", &none).0, 404);
}
