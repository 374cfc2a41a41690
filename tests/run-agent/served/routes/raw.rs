//! Every route through a socket of the test's own.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;
use cl_testkit::served::{Caller, Reply, Served};
use serde_json::{Value, json};

use super::scene::{ENDED, RUN, SPARE, SPARE_RUN, Scene, Stranger};
use super::{Route, counts};

const PROJECT_PATH: &str = "/api/projects/{project_id}";
const TASK_PATH: &str = "/api/projects/{project_id}/tasks/{task_id}";
const RUN_PATH: &str = "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}";
const CORE_PATH: &str = "/api/v1/core/projects/{project_id}/tasks/{task_id}";

/// What is read of the finished task: path, query, and a part of the answer.
const READ: &[(&str, &str, &str)] = &[
    ("/healthz", "", "\"ok\""),
    ("/metrics", "", "conductor_uptime_seconds"),
    ("/api/openapi.json", "", "\"openapi\""),
    ("/api/v1/health", "", "\"ok\""),
    ("/api/v1/version", "", "version"),
    ("/api/v1/status", "", "\"actor\""),
    ("/api/v1/admin/self-update", "", "\"idle\""),
    ("/api/v1/audit", "limit=5", "entries"),
    ("/api/v1/limits", "", "claude"),
    ("/api/v1/ps", "project_id=demo", "processes"),
    ("/api/v1/usage", "project_id=demo", "rows"),
    ("/api/v1/usage/trend", "project_id=demo", "buckets"),
    ("/api/v1/tasks", "project_id=demo", ENDED),
    ("/api/v1/tasks/{task_id}", "", RUN),
    ("/api/v1/runs", "", RUN),
    ("/api/v1/runs/{run_id}", "", "completed"),
    ("/api/v1/runs/{run_id}/info", "", "run_id: "),
    ("/api/v1/messages", "project_id=demo", "messages"),
    ("/api/v1/core/messages", "project_id=demo", "entries"),
    ("/api/v1/core/projects", "", "demo"),
    ("/api/v1/core/tasks", "project_id=demo", ENDED),
    ("/api/v1/core/activities", "drift_after_ms=1000", ENDED),
    (CORE_PATH, "", "markers"),
    (
        "/api/v1/core/projects/{project_id}/tasks/{task_id}/runs",
        "",
        RUN,
    ),
    ("/api/projects", "", "demo"),
    ("/api/projects/home-dirs", "", "dirs"),
    (PROJECT_PATH, "", "\"demo\""),
    ("/api/projects/{project_id}/stats", "", "total_tasks"),
    ("/api/projects/{project_id}/tree", "", ENDED),
    ("/api/projects/{project_id}/runs/flat", "", RUN),
    ("/api/projects/{project_id}/messages", "", "messages"),
    ("/api/projects/{project_id}/tasks", "limit=10", ENDED),
    (TASK_PATH, "", RUN),
    (
        "/api/projects/{project_id}/tasks/{task_id}/messages",
        "",
        "messages",
    ),
    (
        "/api/projects/{project_id}/tasks/{task_id}/file",
        "name=TASK.md",
        "do it",
    ),
    (
        "/api/projects/{project_id}/tasks/{task_id}/file/raw",
        "name=TASK.md",
        "do it",
    ),
    (
        "/api/projects/{project_id}/tasks/{task_id}/evidence",
        "",
        "cargo test",
    ),
    (
        "/api/projects/{project_id}/tasks/{task_id}/evidence/{number}/output",
        "",
        "ok",
    ),
    ("/api/projects/{project_id}/tasks/{task_id}/runs", "", RUN),
    (RUN_PATH, "", "completed"),
    (
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file",
        "name=stdout",
        "two",
    ),
    (
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/raw",
        "name=stdout",
        "two",
    ),
    (
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/search",
        "name=stdout&q=two",
        "hits",
    ),
];

/// What is followed.
const FOLLOWED: &[(&str, &str)] = &[
    ("/api/stream", ""),
    ("/api/projects/{project_id}/stream", ""),
    ("/api/v1/runs/stream/all", ""),
    ("/api/v1/runs/{run_id}/stream", "from=start"),
    ("/api/v1/messages/stream", "project_id=demo"),
    ("/api/projects/{project_id}/messages/stream", ""),
    (
        "/api/projects/{project_id}/tasks/{task_id}/messages/stream",
        "",
    ),
    ("/api/projects/{project_id}/tasks/{task_id}/runs/stream", ""),
    (
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stream",
        "name=stdout",
    ),
];

/// Asks, and writes down what was answered as it should be.
struct Socket<'a> {
    server: &'a Served,
    caller: Caller,
    asked: BTreeSet<Route>,
}

impl Socket<'_> {
    /// Asks for a path with its parts filled in; the answer must have `status`.
    #[track_caller]
    fn ask(
        &mut self,
        (method, path): (&str, &str),
        (task, run): (&str, &str),
        query: &str,
        body: Option<&Value>,
        status: u16,
    ) -> Reply {
        let target = filled(path, (task, run), query);
        let reply = self.caller.ask(method, &target, &[], body).unwrap();
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, status, "{method} {target}: {text}");
        if counts(path, status) {
            self.asked.insert((method.to_owned(), path.to_owned()));
        }
        reply
    }

    /// Posts to a path of a task.
    #[track_caller]
    fn act(&mut self, path: &str, task: &str, body: &Value, status: u16) -> Value {
        let body = Some(body);
        self.ask(("POST", path), (task, RUN), "", body, status)
            .json()
    }

    /// Follows a stream up to its first event or comment.
    #[track_caller]
    fn follow(&mut self, path: &str, query: &str) {
        let target = filled(path, (ENDED, RUN), query);
        let (address, token) = (self.server.address(), self.server.token());
        let mut stream = TcpStream::connect(address).unwrap();
        let limit = Some(Duration::from_mins(1));
        stream.set_read_timeout(limit).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        let has_begun = |said: &[u8]| {
            let text = String::from_utf8_lossy(said).into_owned();
            let (head, rest) = text.split_once("\r\n\r\n")?;
            (!rest.is_empty()).then(|| head.to_owned())
        };
        let head = loop {
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "{target}: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&buffer[..count]);
            if let Some(head) = has_begun(&said) {
                break head;
            }
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{target}: {head}");
        assert!(head.contains("text/event-stream"), "{target}: {head}");
        self.asked.insert(("GET".to_owned(), path.to_owned()));
    }

    /// Submits a task for the usual agent.
    #[track_caller]
    fn submit(&mut self, scene: &Scene, project: &str, task: &str) {
        let body = json!({
            "project_id": project, "task_id": task, "agent_type": "actor",
            "prompt": "do it", "project_root": scene.scenario.work(),
        });
        let created = self.act("/api/v1/tasks", task, &body, 201);
        assert_eq!(created["task_id"], task, "{created}");
    }
}

/// Fills in the parts of a path.
fn filled(path: &str, (task, run): (&str, &str), query: &str) -> String {
    let mut target = path
        .replace("{project_id}", PROJECT)
        .replace("{task_id}", task)
        .replace("{run_id}", run)
        .replace("{number}", "1")
        .replace("{agent}", "claude");
    if !query.is_empty() {
        target.extend(["?", query]);
    }
    target
}

/// Asks a server for everything, and returns what was answered as it should be.
#[track_caller]
pub(super) fn ask_everything(scene: &Scene, server: &Served) -> BTreeSet<Route> {
    let mut socket = Socket {
        server,
        caller: server.caller(),
        asked: BTreeSet::new(),
    };
    for (path, query, part) in READ {
        let reply = socket.ask(("GET", path), (ENDED, RUN), query, None, 200);
        let text = String::from_utf8_lossy(&reply.body);
        assert!(text.contains(part), "{path}: {text}");
    }
    for (path, query) in FOLLOWED {
        socket.follow(path, query);
    }
    browse(&mut socket);
    say(&mut socket);
    steer(scene, &mut socket);
    work(scene, &mut socket);
    import(scene, &mut socket);
    delete(scene, &mut socket);
    update(scene, &mut socket);
    socket.asked
}

fn browse(socket: &mut Socket<'_>) {
    let none = (ENDED, RUN);
    let link = socket.ask(("POST", "/api/v1/admin/login-link"), none, "", None, 200);
    let url = link.json()["login_url"].as_str().unwrap().to_owned();
    let (_, query) = url.split_once('?').unwrap();
    socket.ask(("GET", "/ui/login"), none, query, None, 303);
    socket.ask(("POST", "/ui/logout"), none, "", None, 303);
}

fn say(socket: &mut Socket<'_>) {
    let fact = json!({"type": "FACT", "body": "it works"});
    socket.act("/api/projects/{project_id}/messages", ENDED, &fact, 201);
    let of_task = "/api/projects/{project_id}/tasks/{task_id}/messages";
    socket.act(of_task, ENDED, &fact, 201);
    let body = json!({"project_id": PROJECT, "type": "FACT", "body": "it works"});
    socket.act("/api/v1/messages", ENDED, &body, 201);
    let body = json!({
        "project_id": PROJECT, "task_id": null, "run_id": null, "type": "FACT", "body": "it works",
        "durability": "disk", "issue_id": "", "links": [], "meta": {}, "parents": [],
    });
    let posted = socket.act("/api/v1/core/messages", ENDED, &body, 200);
    assert_eq!(posted["durability"], "disk");
}

fn steer(scene: &Scene, socket: &mut Socket<'_>) {
    let task = |verb: &str| format!("{TASK_PATH}/{verb}");
    let why = json!({"reason": "not needed"});
    let given_up = socket.act(&task("cancel"), SPARE, &why, 200);
    assert_eq!(given_up["outcome"], "cancelled");
    let back = socket.ask(("POST", &task("uncancel")), (SPARE, RUN), "", None, 200);
    assert_eq!(back.json()["outcome"], "uncancelled");
    let unblocked = socket.act(&task("unblock"), SPARE, &json!({}), 200);
    assert_eq!(unblocked["outcome"], "not_blocked");
    scene.claim(ENDED);
    let resumed = socket.act(&task("resume"), ENDED, &json!({"start": false}), 200);
    assert_eq!(resumed["resumed"], true);
    let core = |verb: &str| format!("{CORE_PATH}/{verb}");
    let why =
        json!({"force": false, "grace_ms": 1000, "reason": "not needed", "superseded_by": null});
    let given_up = socket.act(&core("cancel"), SPARE, &why, 200);
    assert_eq!(given_up["cancelled"]["reason"], "not needed");
    socket.ask(("POST", &core("uncancel")), (SPARE, RUN), "", None, 200);
    let unblocked = socket.act(&core("unblock"), SPARE, &json!({}), 200);
    assert_eq!(unblocked["unblocked"]["unblocked"], json!([]));
    scene.claim(ENDED);
    let cleared = socket.act(&core("clear"), ENDED, &json!({"force": false}), 200);
    assert_eq!(cleared["cleared"], json!(["DONE"]));
    let forgotten = ("DELETE", "/api/v1/limits/{agent}");
    socket.ask(forgotten, (ENDED, RUN), "", None, 200);
    let root = scene.scenario.work();
    let project = json!({"project_id": "made", "project_root": root});
    let made = socket.act("/api/projects", ENDED, &project, 201);
    assert_eq!(made["id"], "made");
}

fn work(scene: &Scene, socket: &mut Socket<'_>) {
    // Each way to stop what runs has a task of its own.
    let waiting = |number: u8| format!("task-20260101-000000-wait{number}");
    for number in 1..=5 {
        socket.submit(scene, PROJECT, &waiting(number));
    }
    let run = |number: u8| scene.run_at_work(&waiting(number));
    let (task, at_work) = (waiting(1), run(1));
    let ids = (task.as_str(), at_work.as_str());
    socket.ask(("POST", "/api/v1/runs/{run_id}/stop"), ids, "", None, 202);
    let (task, at_work) = (waiting(2), run(2));
    let ids = (task.as_str(), at_work.as_str());
    let path = format!("{RUN_PATH}/stop");
    socket.ask(("POST", &path), ids, "", None, 202);
    let (task, at_work) = (waiting(3), run(3));
    let path = format!("{TASK_PATH}/stop");
    let stopped = socket.ask(("POST", &path), (&task, RUN), "", None, 202);
    assert_eq!(stopped.json()["runs"], json!([at_work]));
    let task = waiting(4);
    run(4);
    let cancel = ("DELETE", "/api/v1/tasks/{task_id}");
    socket.ask(cancel, (&task, RUN), "", None, 202);
    let task = waiting(5);
    run(5);
    let how = json!({"grace_ms": 2000, "kills": true, "runs": [], "suppression": "for_good"});
    let stopped = socket.act(&format!("{CORE_PATH}/stop"), &task, &how, 200);
    assert_eq!(stopped["stopped"]["outcome"], "stopped", "{stopped}");
    for number in 1..=5 {
        scene.wait_for_end(&waiting(number));
    }
    for (wake, task) in [
        (format!("{TASK_PATH}/wake"), "task-20260101-000000-again1"),
        (format!("{CORE_PATH}/wake"), "task-20260101-000000-again2"),
    ] {
        let launch = json!({
            "agent": "actor", "cwd": scene.scenario.work(), "depends_on": null, "env": {},
            "force": false, "kind": "task", "prompt": "do it",
            "policy": {
                "gates": [], "max_attempts": 3, "require_change": false,
                "restart_delay_ms": 3_600_000, "resume_session": false,
            },
        });
        socket.act(&format!("{CORE_PATH}/launch"), task, &launch, 200);
        scene.wait_for_delay(task);
        // It waits for its next attempt and not for a limit.
        socket.ask(("POST", &wake), (task, RUN), "", None, 409);
        socket.act(&format!("{CORE_PATH}/stop"), task, &how, 200);
        assert_eq!(scene.scenario.task(task).runs().unwrap().len(), 1);
    }
}

/// A process of somebody else's becomes a run, which can be looked at and not stopped.
fn import(scene: &Scene, socket: &mut Socket<'_>) {
    let stranger = Stranger::start();
    let log = scene.scenario.work().join("strange.log");
    std::fs::write(&log, "strange\n").unwrap();
    let task = "task-20260101-000000-taken";
    let body = json!({
        "project_id": PROJECT, "task_id": task, "agent_type": "claude", "prompt": "watch it",
        "process_import": {"pid": stranger.pid(), "stdout_path": log},
    });
    let taken = socket.act("/api/v1/tasks", task, &body, 201);
    assert_eq!(taken["status"], "started", "{taken}");
    let run = taken["run_id"].as_str().unwrap().to_owned();
    let ids = (task, run.as_str());
    let shown = socket
        .ask(("GET", "/api/v1/runs/{run_id}"), ids, "", None, 200)
        .json();
    assert_eq!(
        (&shown["status"], &shown["process_ownership"]),
        (&json!("running"), &json!("external")),
        "{shown}"
    );
    socket.ask(("POST", &format!("{RUN_PATH}/stop")), ids, "", None, 409);
    let pid = stranger.pid();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    drop(stranger);
    scene.wait_for_end(task);
    until("the run's end", || {
        let run = socket.ask(("GET", RUN_PATH), ids, "", None, 200).json();
        run["status"] != "running"
    });
}

fn delete(scene: &Scene, socket: &mut Socket<'_>) {
    let ids = (SPARE, SPARE_RUN);
    socket.ask(("DELETE", RUN_PATH), ids, "", None, 204);
    let gc = ("POST", "/api/projects/{project_id}/gc");
    let query = "older_than=1h&dry_run=true";
    let found = socket.ask(gc, ids, query, None, 200).json();
    assert_eq!(found["dry_run"], true, "{found}");
    let how = json!({"force": false, "grace_ms": 1000});
    let woken = "task-20260101-000000-again1";
    let deleted = socket.act(&format!("{CORE_PATH}/delete"), woken, &how, 200);
    assert_eq!(deleted["deleted"]["task"], woken, "{deleted}");
    socket.ask(("DELETE", TASK_PATH), ids, "", None, 204);
    // A project with a task at work is deleted only by force, and the work ends with it.
    let task = "task-20260101-000000-wait6";
    socket.submit(scene, PROJECT, task);
    scene.run_at_work(task);
    socket.ask(("DELETE", PROJECT_PATH), ids, "", None, 409);
    let forced = socket.ask(("DELETE", PROJECT_PATH), ids, "force=true", None, 200);
    let forced = forced.json();
    assert!(forced["deleted_tasks"].as_u64().unwrap() > 5, "{forced}");
    assert!(!scene.scenario.task(task).path().exists());
    let left = socket.ask(("GET", "/api/v1/ps"), ids, "", None, 200).json();
    assert_eq!(left["processes"], json!([]), "{left}");
}

/// An update waits for the task at work, and the server stays as it is.
fn update(scene: &Scene, socket: &mut Socket<'_>) {
    let task = "task-20260101-000000-wait7";
    socket.submit(scene, PROJECT, task);
    scene.run_at_work(task);
    let path = "/api/v1/tasks/{task_id}";
    until("a server that knows it", || {
        let task = socket.ask(("GET", path), (task, RUN), "", None, 200).json();
        task["status"] == "running"
    });
    let (path, sha256) = scene.candidate();
    let wish = json!({"binary_path": path, "sha256": sha256});
    let status = socket.act("/api/v1/admin/self-update", task, &wish, 202);
    assert_eq!(status["state"], "deferred", "{status}");
    let asked = ("GET", "/api/v1/admin/self-update");
    let status = socket.ask(asked, (task, RUN), "", None, 200).json();
    assert_eq!(status["active_runs_now"], 1, "{status}");
}
