//! What both families of paths answer, field by field.

use std::os::unix::fs::symlink;

use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::{self, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, RunId, TaskDir, TaskId};
use serde_json::{Value, json};

use crate::server::{Place, Server, Setup};

const SCHEMA: &str = "task-20260223-200000-schema";
const T: &str = "task-20260223-204858-docs-pass";
const FIRST: &str = "20260223-2040000000-66788-1";
const R: &str = "20260223-2048580000-66788-1";
const LINK: &str = "\
parent_project_id: p
parent_task_id: task-20260223-200000-audit
parent_run_id: 20260223-2000010000-500-1
parent_message_id: MSG-20260223-200130-000000001-PID00500-0003
parent_message_type: QUESTION
";

fn task(place: &Place, project: &str, id: &str) -> TaskDir {
    let root = Root::at(&place.root()).unwrap();
    let id = TaskId::parse_existing(id).unwrap();
    let task = root.task(&ProjectId::parse(project).unwrap(), &id).unwrap();
    task.ensure().unwrap();
    task
}

/// Makes a run that has ended, changed by `change`.
fn run(task: &TaskDir, id: &str, change: impl FnOnce(&mut RunInfo)) {
    let folder = task.runs_folder().join(id);
    std::fs::create_dir(&folder).unwrap();
    let run = task.run(&RunId::parse(id).unwrap()).unwrap();
    let start = run.id().started_at().unwrap();
    let mut info = RunInfo::preparing(&run, "claude", start);
    (info.status, info.phase, info.exit_code) = (RunStatus::Completed, None, 0);
    info.end_time = Some("2026-02-23T20:45:00Z".parse().unwrap());
    change(&mut info);
    run_info::create(&run, &info).unwrap();
}

/// The tasks of the examples: one waits, one is at work for the second time.
fn examples() -> Place {
    let place = Place::new();
    task(&place, "p", SCHEMA);
    let docs = task(&place, "p", T);
    std::fs::write(docs.config(), format!("depends_on:\n    - {SCHEMA}\n")).unwrap();
    std::fs::write(docs.path().join("TASK-THREAD-LINK.yaml"), LINK).unwrap();
    std::fs::write(docs.bus(), "x".repeat(100)).unwrap();
    run(&docs, FIRST, |info| info.cwd.push_str("/srv/work/p"));
    let own = ProcessIdentity::of(std::process::id().try_into().unwrap());
    let own = own.unwrap().unwrap();
    run(&docs, R, |info| {
        (info.status, info.exit_code, info.end_time) = (RunStatus::Running, -1, None);
        info.start_time = Some("2026-02-23T20:48:58.12Z".parse().unwrap());
        (info.pid, info.process_start) = (own.pid, Some(own.start.clone()));
        info.previous_run_id = Some(RunId::parse(FIRST).unwrap());
        info.agent_version.push_str("2.1.50 (Claude Code)");
    });
    let folder = docs.runs_folder().join(R);
    std::fs::write(folder.join("agent-stdout.txt"), "o".repeat(2048)).unwrap();
    std::fs::write(folder.join("agent-stderr.txt"), "").unwrap();
    std::fs::write(folder.join("prompt.md"), "p".repeat(3100)).unwrap();
    place
}

fn served(place: Place) -> Server {
    place.start(&Setup::default())
}

#[track_caller]
fn get(server: &Server, path: &str) -> Value {
    server.get(path).expect(200).json()
}

#[track_caller]
fn refused(server: &Server, path: &str, status: u16, message: &str) -> Value {
    let reply = server.get(path).expect(status);
    let body = reply.json();
    assert_eq!(body["message"], message, "{path}");
    assert_eq!(body["error"]["message"], message, "{path}");
    body
}

#[test]
fn v1_shows_tasks_and_runs() {
    let server = served(examples());
    let listed = get(&server, "/api/v1/tasks?project_id=p");
    // Its files were written just now.
    let active = &listed["tasks"][1]["last_activity"];
    assert!(active.is_string());
    let tasks = listed["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!(
        tasks[1],
        json!({"project_id": "p", "task_id": T, "status": "running",
            "last_activity": active, "depends_on": [SCHEMA]})
    );
    assert_eq!(
        get(&server, "/api/v1/tasks?project_id=q")["tasks"],
        json!([])
    );
    let running = json!({"run_id": R, "project_id": "p", "task_id": T, "status": "running",
        "process_ownership": "managed", "start_time": "2026-02-23T20:48:58.12Z",
        "end_time": "0001-01-01T00:00:00Z", "exit_code": -1, "agent_version": "2.1.50 (Claude Code)"});
    let ended = json!({"run_id": FIRST, "project_id": "p", "task_id": T, "status": "completed",
        "process_ownership": "managed", "start_time": "2026-02-23T20:40:00Z",
        "end_time": "2026-02-23T20:45:00Z"});
    let shown = get(&server, &format!("/api/v1/tasks/{T}?project_id=p"));
    assert_eq!(shown["runs"], json!([ended, running]));
    assert_eq!(shown["status"], "running");
    assert_eq!(
        get(&server, "/api/v1/runs"),
        json!({"runs": [ended, running]})
    );
    assert_eq!(get(&server, &format!("/api/v1/runs/{R}")), running);
    assert_eq!(get(&server, &format!("/api/v1/runs/{FIRST}")), ended);
    let info = server
        .get(&format!("/api/v1/runs/{FIRST}/info"))
        .expect(200);
    assert_eq!(info.header("content-type"), Some("application/x-yaml"));
    let path = server
        .root()
        .join(format!("p/{T}/runs/{FIRST}/run-info.yaml"));
    assert_eq!(info.body, std::fs::read(path).unwrap());
    let status = get(&server, "/api/v1/status");
    assert_eq!(status["active_runs_count"], 1);
    assert_eq!(status["version"], "0.0.0-test");
    assert_eq!(
        status["running_tasks"],
        json!([{"project_id": "p", "task_id": T, "run_id": R, "agent": "claude", "started": "2026-02-23T20:48:58.12Z"}])
    );
    assert_eq!(status["readiness"]["index_built"], true);
    assert_eq!(status["readiness"]["problems"], json!([]));
}

#[test]
fn the_project_family_shows_projects_and_tasks() {
    let server = served(examples());
    assert_eq!(
        get(&server, "/api/projects"),
        json!({"projects": [get(&server, "/api/projects/p")]})
    );
    let project = get(&server, "/api/projects/p");
    // Its files were written just now.
    let active = &project["last_activity"];
    assert!(active.is_string());
    assert_eq!(
        (&project["id"], &project["task_count"]),
        (&json!("p"), &json!(2))
    );
    assert_eq!(project["project_root"], "/srv/work/p");
    assert_eq!(
        get(&server, "/api/projects/home-dirs"),
        json!({"dirs": ["/srv/work/p"]})
    );
    assert_eq!(
        get(&server, "/api/projects/p/stats"),
        json!({"project_id": "p", "total_tasks": 2, "total_runs": 2, "running_runs": 1, "completed_runs": 1,
            "failed_runs": 0, "crashed_runs": 0, "message_bus_files": 1, "message_bus_total_bytes": 100})
    );
    let thread = json!({"project_id": "p", "task_id": "task-20260223-200000-audit",
        "run_id": "20260223-2000010000-500-1", "message_id": "MSG-20260223-200130-000000001-PID00500-0003",
        "message_type": "QUESTION"});
    assert_eq!(
        get(&server, "/api/projects/p/tasks?status=running"),
        json!({"items": [{"blocked_by": null, "depends_on": [SCHEMA], "done": false, "id": T,
            "last_activity": active, "last_run_exit_code": -1, "last_run_output_size": 2048,
            "last_run_status": "running", "project_id": "p", "run_count": 2,
            "run_counts": {"completed": 1, "running": 1}, "status": "running", "thread_parent": thread}],
            "total": 1, "limit": 50, "offset": 0, "has_more": false})
    );
    let run = json!({"id": R, "agent": "claude", "agent_version": "2.1.50 (Claude Code)", "status": "running",
        "process_ownership": "managed", "exit_code": -1, "start_time": "2026-02-23T20:48:58.12Z",
        "previous_run_id": FIRST, "files": [{"name": "stdout", "label": "stdout", "size": 2048},
        {"name": "stderr", "label": "stderr"}, {"name": "prompt", "label": "prompt", "size": 3100}]});
    let first = json!({"id": FIRST, "agent": "claude", "status": "completed", "process_ownership": "managed",
        "exit_code": 0, "start_time": "2026-02-23T20:40:00Z", "end_time": "2026-02-23T20:45:00Z", "files": []});
    let path = format!("/api/projects/p/tasks/{T}");
    let detail = get(&server, &path);
    assert_eq!(
        detail,
        json!({"id": T, "project_id": "p", "status": "running", "last_activity": active,
            "created_at": detail["created_at"], "done": false, "state": "running", "depends_on": [SCHEMA],
            "thread_parent": thread, "runs": [first, run]})
    );
    assert!(detail["created_at"].is_string());
    let bare = get(&server, &format!("{path}?include_files=0"));
    assert_eq!(bare["runs"][1].get("files"), None);
    assert_eq!(
        get(&server, &format!("{path}/runs")),
        json!({"items": [run, first], "total": 2, "limit": 50, "offset": 0, "has_more": false})
    );
    assert_eq!(
        get(&server, &format!("{path}/runs?limit=1&offset=1"))["items"],
        json!([first])
    );
    assert_eq!(get(&server, &format!("{path}/runs/{R}")), run);
    assert_eq!(
        get(
            &server,
            "/api/projects/p/runs/flat?active_only=1&selected_task_limit=1"
        )["runs"][1],
        json!({"id": R, "task_id": T, "agent": "claude", "status": "running", "exit_code": -1,
            "start_time": "2026-02-23T20:48:58.12Z", "previous_run_id": FIRST})
    );
}

#[test]
fn the_tree_nests_what_it_shows_and_is_not_sent_twice() {
    let server = served(examples());
    let reply = server.get("/api/projects/p/tree").expect(200);
    let rows = reply.json()["rows"].clone();
    let shown: Vec<(&str, &str, u64)> = (rows.as_array().unwrap().iter())
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("key"), text("place"), row["level"].as_u64().unwrap())
        })
        .collect();
    let audit = "task-20260223-200000-audit";
    let expected = [
        (audit, "root", 0),
        (T, "thread", 1),
        (R, "run", 2),
        (FIRST, "replaced", 3),
    ];
    for row in &expected {
        assert!(shown.contains(row), "{row:?} in {shown:?}");
    }
    assert!(
        shown.contains(&(SCHEMA, "root", 0)) && shown.len() == 5,
        "{shown:?}"
    );
    let tag = reply.header("etag").unwrap();
    let again = server
        .request("GET", "/api/projects/p/tree")
        .header("if-none-match", tag);
    assert!(server.ask(&again).expect(304).body.is_empty());
    std::fs::write(server.root().join(format!("p/{SCHEMA}/DONE")), "").unwrap();
    cl_testkit::patience::until("the change is seen", || server.ask(&again).status == 200);
}

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
fn a_damaged_record_is_named_and_hides_nothing() {
    let place = examples();
    let bad = task(&place, "p", "task-20260223-210000-bad");
    run(&bad, "20260223-2100000000-1-1", |_| {});
    let record = bad
        .runs_folder()
        .join("20260223-2100000000-1-1/run-info.yaml");
    std::fs::write(record, "version: [").unwrap();
    let server = served(place);
    assert_eq!(
        get(&server, "/api/v1/tasks")["tasks"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let runs = get(&server, "/api/v1/runs");
    let bad = &runs["runs"][2];
    assert_eq!(bad["status"], "unknown");
    assert!(
        bad["error_summary"]
            .as_str()
            .unwrap()
            .contains("run-info.yaml")
    );
    assert_eq!(get(&server, "/api/projects/p/stats")["crashed_runs"], 1);
    let tree = get(&server, "/api/projects/p/tree");
    let named = tree["rows"].as_array().unwrap().iter();
    assert_eq!(
        named.filter(|row| row["problems"][0].is_string()).count(),
        1
    );
}

#[test]
fn pages_by_place_miss_nothing_when_something_is_deleted() {
    let place = Place::new();
    for number in 0..7 {
        task(&place, "p", &format!("task-2026022{number}-200000-t"));
    }
    let server = served(place);
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = get(&server, "/api/projects/p/tasks?limit=3&offset=2");
    assert_eq!(
        (&page["total"], &page["has_more"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(
        ids(&page)[0],
        "task-20260224-200000-t",
        "those made last come first"
    );
    assert_eq!(
        ids(&get(&server, "/api/projects/p/tasks?offset=99")),
        Vec::<String>::new()
    );
    let first = get(&server, "/api/projects/p/tasks?limit=3&after=");
    std::fs::remove_dir_all(server.root().join("p/task-20260225-200000-t")).unwrap();
    cl_testkit::patience::until("it is gone", || {
        get(&server, "/api/projects/p/tasks")["total"] == 6
    });
    let next = first["next"].as_str().unwrap();
    let second = get(
        &server,
        &format!("/api/projects/p/tasks?limit=9&after={next}"),
    );
    assert_eq!(ids(&second)[0], "task-20260223-200000-t");
    assert_eq!(
        (ids(&second).len(), &second["has_more"]),
        (4, &json!(false))
    );
}

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
