//! Nothing outside the root is read or changed, whatever stands in a path, a query or a body.
//!
//! The requests are made from the list of documented paths, and from the server's own
//! description where it has one, so that a route that is added is tried, too.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::server::{Place, Server, Setup};

/// Text of a file outside the root; seen nowhere.
const OUTSIDE: &str = "canary-outside-the-root";
const PROJECT: &str = "inside";
const TASK: &str = "task-20260101-000000-plain";
const RUN: &str = "20260101-0000000000-1-1";

/// Method, path and query parameters of what the server is documented to answer.
const ROUTES: &[(&str, &str, &[&str])] = &[
    ("GET", "/api/v1/status", &[]),
    ("GET", "/api/v1/tasks", &["project_id"]),
    ("POST", "/api/v1/tasks", &[]),
    ("GET", "/api/v1/tasks/{task_id}", &["project_id"]),
    ("DELETE", "/api/v1/tasks/{task_id}", &["project_id"]),
    ("GET", "/api/v1/runs", &["project_id", "task_id"]),
    ("GET", "/api/v1/runs/{run_id}", &[]),
    ("GET", "/api/v1/runs/{run_id}/info", &[]),
    ("GET", "/api/v1/runs/{run_id}/stream", &[]),
    ("POST", "/api/v1/runs/{run_id}/stop", &[]),
    (
        "GET",
        "/api/v1/messages",
        &["project_id", "task_id", "after"],
    ),
    ("POST", "/api/v1/messages", &[]),
    ("GET", "/api/v1/messages/stream", &["project_id", "task_id"]),
    ("POST", "/api/projects", &[]),
    ("GET", "/api/projects/{project_id}", &[]),
    ("DELETE", "/api/projects/{project_id}", &["force"]),
    ("GET", "/api/projects/{project_id}/stats", &[]),
    ("GET", "/api/projects/{project_id}/tree", &["task"]),
    ("POST", "/api/projects/{project_id}/gc", &["older_than"]),
    (
        "GET",
        "/api/projects/{project_id}/runs/flat",
        &["selected_task_id"],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks",
        &["after", "before"],
    ),
    ("GET", "/api/projects/{project_id}/tasks/{task_id}", &[]),
    ("DELETE", "/api/projects/{project_id}/tasks/{task_id}", &[]),
    (
        "POST",
        "/api/projects/{project_id}/tasks/{task_id}/resume",
        &[],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/file",
        &["name"],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/runs",
        &[],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/runs/stream",
        &[],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}",
        &[],
    ),
    (
        "DELETE",
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}",
        &[],
    ),
    (
        "POST",
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stop",
        &[],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file",
        &["name"],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stream",
        &["name"],
    ),
    ("GET", "/api/projects/{project_id}/messages", &["since"]),
    ("POST", "/api/projects/{project_id}/messages", &[]),
    ("GET", "/api/projects/{project_id}/messages/stream", &[]),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/messages",
        &["since"],
    ),
    (
        "POST",
        "/api/projects/{project_id}/tasks/{task_id}/messages",
        &[],
    ),
    (
        "GET",
        "/api/projects/{project_id}/tasks/{task_id}/messages/stream",
        &[],
    ),
    ("GET", "/ui/{file}", &[]),
    ("GET", "/{file}", &[]),
];

/// What stands where a name is expected; `OUT` is the path of a folder outside.
const NAMES: &[&str] = &[
    "..",
    ".",
    "%2e%2e",
    "%2e",
    "..%2f..%2foutside",
    "..%2foutside%2fsecret.txt",
    "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%252e%252e%252foutside",
    "%25252e%25252e%25252foutside",
    "..%5c..%5coutside",
    "..%c0%af..%c0%afoutside",
    "%c0%ae%c0%ae%c0%afoutside",
    "%2fetc%2fpasswd",
    "OUT",
    "OUT%2fsecret.txt",
    "inside%2f..%2f..%2foutside",
    "....%2f%2foutside",
    "%00",
    "inside%00",
    "..%00",
    "%0d%0aX-Injected:%20yes",
    "%ff%fe",
    "*",
    "[a-z]*",
    "%7b..%7d",
    ".conductor",
    "_conductor",
    "~",
    "~root",
    "linked",
    "task-20260101-000000-linked",
    "20260101-0000000000-1-2",
    "CON",
    "-rf",
];

/// A route with everything that can be asked of it.
#[derive(Debug)]
struct Route {
    method: String,
    path: String,
    query: BTreeSet<String>,
}

fn routes(server: &Server) -> Vec<Route> {
    let mut all = BTreeMap::new();
    for (method, path, query) in ROUTES {
        let query = query.iter().map(|&name| name.to_owned()).collect();
        all.insert(((*method).to_owned(), (*path).to_owned()), query);
    }
    let described = server.get("/api/openapi.json");
    if described.status == 200 {
        add_described(&mut all, &described.json());
    }
    all.into_iter()
        .map(|((method, path), query)| Route {
            method,
            path,
            query,
        })
        .collect()
}

fn add_described(all: &mut BTreeMap<(String, String), BTreeSet<String>>, document: &Value) {
    let methods = ["get", "post", "put", "patch", "delete"];
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !methods.contains(&method.as_str()) {
                continue;
            }
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let queries = parameters.iter().filter(|p| p["in"] == "query");
            let names = queries.map(|p| p["name"].as_str().unwrap().to_owned());
            let key = (method.to_uppercase(), path.clone());
            all.entry(key).or_default().extend(names);
        }
    }
}

/// Returns the paths of `route` with one parameter replaced by `name` and the others right.
fn attempts(route: &Route, name: &str) -> Vec<String> {
    let parameters: Vec<&str> = route
        .path
        .split('/')
        .filter(|part| part.starts_with('{'))
        .collect();
    let plain = |parameter: &str| match parameter {
        p if p.contains("project") || p == "{p}" => PROJECT,
        p if p.contains("task") || p == "{t}" => TASK,
        p if p.contains("run") || p == "{r}" => RUN,
        _ => "x",
    };
    let fill = |replaced: Option<&str>| {
        let fill = |part: &str| match part {
            part if Some(part) == replaced => name.to_owned(),
            part if part.starts_with('{') => plain(part).to_owned(),
            part => part.to_owned(),
        };
        let parts: Vec<_> = route.path.split('/').map(fill).collect();
        parts.join("/")
    };
    let in_path = parameters.iter().map(|parameter| fill(Some(parameter)));
    let in_query = route.query.iter().map(|parameter| {
        let scope = format!("project_id={PROJECT}&task_id={TASK}");
        let scope = if parameter.ends_with("_id") {
            ""
        } else {
            &scope
        };
        format!("{}?{parameter}={name}&{scope}", fill(None))
    });
    in_path.chain(in_query).collect()
}

/// Everything below a folder: paths, with what stands in files.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            let text = if meta.is_file() {
                std::fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            found.insert(path.display().to_string(), text);
            if meta.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// Makes a root with a plain task, and with links that lead out of it at every level.
fn prepare(place: &Place) {
    let (root, outside) = (place.root(), place.outside());
    let write = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let record = |project: &str, task: &str, run: &str, folder: &Path| {
        format!(
            "version: 1\nrun_id: {run}\nproject_id: {project}\ntask_id: {task}\nagent: claude\n\
             pid: 0\npgid: 0\nstart_time: 2026-01-01T00:00:00Z\nend_time: 2026-01-01T00:01:00Z\n\
             exit_code: 0\nstatus: completed\ncwd: /tmp\nprompt_path: {0}/prompt.md\n\
             output_path: {0}/output.md\nstdout_path: {0}/agent-stdout.txt\n\
             stderr_path: {0}/agent-stderr.txt\n",
            folder.display()
        )
    };
    write(&outside.join("secret.txt"), OUTSIDE);
    // A whole task that must not be shown, because it is outside.
    let hidden = outside.join("task");
    write(&hidden.join("TASK.md"), OUTSIDE);
    let hidden_run = hidden.join("runs").join(RUN);
    write(
        &hidden_run.join("run-info.yaml"),
        &record(PROJECT, TASK, RUN, &hidden_run),
    );
    for name in ["agent-stdout.txt", "output.md", "prompt.md"] {
        write(&hidden_run.join(name), OUTSIDE);
    }
    let hidden_project = outside.join("project");
    write(&hidden_project.join(TASK).join("TASK.md"), OUTSIDE);
    let bus = format!("---\nmsg_id: MSG-1\ntype: FACT\n---\n{OUTSIDE}\n");
    write(&hidden_project.join("PROJECT-MESSAGE-BUS.md"), &bus);

    let task = root.join(PROJECT).join(TASK);
    write(&task.join("TASK.md"), "do it\n");
    let run = task.join("runs").join(RUN);
    // The record itself names files outside.
    write(
        &run.join("run-info.yaml"),
        &record(PROJECT, TASK, RUN, &hidden_run),
    );
    symlink(outside.join("secret.txt"), run.join("agent-stdout.txt")).unwrap();
    symlink(outside.join("secret.txt"), run.join("output.md")).unwrap();
    symlink(&hidden_run, task.join("runs/20260101-0000000000-1-2")).unwrap();
    let linked = root.join(PROJECT).join("task-20260101-000000-linked");
    symlink(&hidden, linked).unwrap();
    symlink(&hidden_project, root.join("linked")).unwrap();
    let bus = task.join("TASK-MESSAGE-BUS.md");
    symlink(outside.join("secret.txt"), bus).unwrap();
}

#[track_caller]
fn check(server: &Server, method: &str, path: &str) {
    let mut request = server.request(method, path);
    if method == "POST" {
        request = request.json(&json!({}));
    }
    let mut connection = server.connect();
    connection.send(request.bytes());
    let reply = connection.head().expect("an answer");
    let asked = format!("{method} {path}");
    assert!(reply.status < 500, "{asked}: {}", reply.status);
    assert_eq!(reply.header("x-injected"), None, "{asked}");
    if reply.status < 300 {
        // A stream says at once what it has, and goes on.
        let is_stream = reply.header("content-type") == Some("text/event-stream");
        let body = if is_stream {
            connection.chunk().unwrap_or_default()
        } else {
            connection.body_of(reply).body
        };
        let body = String::from_utf8_lossy(&body);
        assert!(
            !body.contains(OUTSIDE) && !body.contains("root:x:"),
            "{asked}: {body}"
        );
    }
}

#[test]
fn no_name_leads_out_of_the_root() {
    let place = Place::new();
    prepare(&place);
    let server = place.start(&Setup::default());
    let outside = server.place().outside();
    let before = content(&outside);
    let home = content(&server.place().home());
    let out = outside.display().to_string().replace('/', "%2f");
    for route in routes(&server) {
        // A deletion of what is right would leave nothing to try.
        let is_deletion = route.method == "DELETE" || route.path.ends_with("/gc");
        for name in NAMES {
            let name = name.replace("OUT", &out);
            for path in attempts(&route, &name) {
                if is_deletion && path.contains("force=") {
                    continue;
                }
                check(&server, &route.method, &path);
            }
        }
    }
    for line in [
        "/../../etc/passwd",
        "/ui/../../../etc/passwd",
        "/./x",
        "//etc/passwd",
    ] {
        check(&server, "GET", line);
    }
    assert_eq!(content(&outside), before);
    assert_eq!(content(&server.place().home()), home);
    let root = server.root();
    assert!(root.join(PROJECT).join(TASK).join("TASK.md").is_file());
    let names: BTreeSet<_> = content(&root).into_keys().collect();
    let strange = names
        .iter()
        .find(|name| name.contains('%') || name.contains('\\'));
    assert_eq!(strange, None);
    server.get("/api/v1/version").expect(200);
}

#[test]
fn no_link_leads_out_of_the_root() {
    let place = Place::new();
    prepare(&place);
    let server = place.start(&Setup::default());
    let before = content(&server.place().outside());
    // What is inside is shown, so that the rest is not hidden by accident.
    let plain = format!("/api/projects/{PROJECT}/tasks/{TASK}/file?name=TASK.md");
    assert_eq!(server.get(&plain).expect(200).json()["content"], "do it\n");
    let linked = [
        ("linked", TASK, RUN),
        (PROJECT, "task-20260101-000000-linked", RUN),
        (PROJECT, TASK, "20260101-0000000000-1-2"),
        (PROJECT, TASK, RUN),
    ];
    for route in routes(&server) {
        for (project, task, run) in linked {
            let path = route
                .path
                .replace("{project_id}", project)
                .replace("{task_id}", task)
                .replace("{run_id}", run);
            if path.contains('{') || (route.method == "DELETE" && run == RUN && project == PROJECT)
            {
                continue;
            }
            check(&server, &route.method, &path);
            for name in [
                "agent-stdout.txt",
                "stdout",
                "output.md",
                "TASK.md",
                "prompt",
            ] {
                if route.query.contains("name") {
                    check(&server, &route.method, &format!("{path}?name={name}"));
                }
            }
        }
    }
    assert_eq!(content(&server.place().outside()), before);
    server.get("/api/v1/version").expect(200);
}

#[test]
fn no_field_of_a_body_leads_out_of_the_root() {
    let place = Place::new();
    prepare(&place);
    let server = place.start(&Setup::default());
    let before = content(&server.place().outside());
    let out = server.place().outside().display().to_string();
    for name in [
        "..",
        "../outside",
        "a/../../outside",
        &out,
        "linked",
        "a\0",
        "",
        ".x",
        "_x",
    ] {
        for body in [
            json!({"project_id": name, "task_id": TASK, "agent_type": "scripted", "prompt": "x"}),
            json!({"project_id": "p", "task_id": name, "agent_type": "scripted", "prompt": "x"}),
        ] {
            let reply = server.post("/api/v1/tasks", &body);
            assert!(
                (400..500).contains(&reply.status),
                "{body}: {}",
                reply.text()
            );
        }
        for body in [
            json!({"project_id": name, "body": "x"}),
            json!({"project_id": PROJECT, "task_id": name, "body": "x"}),
        ] {
            // An empty task is none.
            if body["task_id"] == "" {
                continue;
            }
            let reply = server.post("/api/v1/messages", &body);
            assert!(
                (400..500).contains(&reply.status),
                "{body}: {}",
                reply.text()
            );
        }
        let body = json!({"project_id": name, "project_root": out});
        let reply = server.post("/api/projects", &body);
        assert!(
            (400..500).contains(&reply.status),
            "{body}: {}",
            reply.text()
        );
    }
    assert_eq!(content(&server.place().outside()), before);
    assert!(!server.root().join("p").exists());
}
