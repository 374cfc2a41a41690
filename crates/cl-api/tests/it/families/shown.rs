//! Projects, tasks and runs as both families show them.

use serde_json::{Value, json};

use super::{FIRST, R, SCHEMA, T, examples, get, run, served, task};
use crate::server::Place;

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
