//! The same question gets the same answer from files and from a server.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use cl_bus::{Bus, Draft};
use cl_storage::run_info::RunStatus;
use cl_storage::{ProjectId, TaskDir, marker};

use crate::place::{CHILD, PROJECT, Place, TASK, add_run, adopt, ended, eventually};

/// A server of a place; ended with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(place: &Place) -> Self {
        let mut command = place.command(["serve", "--port", "0"]);
        command.stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("API listening on ");
        let url = url.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Tasks that have ended in several ways, with messages.
fn place() -> Place {
    let place = Place::new();
    let first = place.task(TASK);
    let run = add_run(&first, 1, ended(RunStatus::Failed, 3));
    add_run(&first, 2, ended(RunStatus::Completed, 0));
    std::fs::write(run.output(), "an answer\nof two lines\n").unwrap();
    std::fs::write(run.stdout(), "some text\n").unwrap();
    let child = place.task(CHILD);
    adopt(&run, &child);
    add_run(&child, 3, ended(RunStatus::Completed, 0));
    marker::create_done(&child).unwrap();
    let damaged = place.task("task-20260101-000200-damaged");
    let run = add_run(&damaged, 4, ended(RunStatus::Completed, 0));
    std::fs::write(run.info(), "status: [\n").unwrap();
    damage_limits(&place);
    post(&first, "FACT", "it works\nas it should");
    post(&first, "ERROR", "it does not");
    post(&child, "PROGRESS", "half");
    place
}

/// Leaves what nobody can read of the limits of one account.
fn damage_limits(place: &Place) {
    let folder = place.root.conductor_folder().join("limits");
    cl_storage::durable::create_folders(&folder, cl_storage::durable::Mode::Private).unwrap();
    let file = folder.join("claude@work.yaml");
    std::fs::write(&file, "version: [").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn post(task: &TaskDir, kind: &str, body: &str) {
    let project = ProjectId::parse(PROJECT).unwrap();
    let draft = Draft::new(kind, project, body.to_owned()).task(task.id().clone());
    Bus::new(task.bus()).append(&draft).unwrap();
}

#[test]
fn looks_print_the_same_bytes_from_files_and_from_a_server() {
    let place = place();
    let server = Server::start(&place);
    for line in [
        "list",
        "list --project demo",
        "list --project demo --status failed",
        "list --project demo --task %first",
        "list --project nothere",
        "list --project demo --task task-20260101-000000-nothere",
        "list --project a/b",
        "status",
        "status --project demo",
        "status --project demo --concise",
        "status --project demo %first",
        "status --project demo --status done",
        "status --project demo %first --status=",
        "status --project demo --status nonsense",
        "status --project demo task-20260101-000000-nothere",
        "task show %first --project demo",
        "task show task-20260101-000100-child --project demo",
        "task show task-20260101-000200-damaged --project demo",
        "task show task-20260101-000000-nothere --project demo",
        "watch --project demo %first task-20260101-000100-child",
        "stop %first --project demo",
        "bus read --project demo --task %first",
        "bus read --project demo --task %first --tail 0",
        "bus read --project demo --task %first --tail 1",
        "bus read --project demo --task %first --limit 1 --since 2020-01-01",
        "bus read --project demo --task %first --type error",
        "bus read --project demo --task %first --text WORKS",
        "bus read --project demo --task %first --after MSG-20260101-000000-000000001-PID00001-0001",
        "bus read --project demo --task %first --after nonsense",
        "bus read --project demo",
        "bus read --project nothere",
        "output --project demo %first",
        "output --project demo %first --tail 1",
        "output --project demo %first --file stdout",
        "output --project demo %first --file stderr",
        "output --project demo task-20260101-000200-damaged",
        "usage",
        "usage --by task --days 30000",
        "usage --by model --project demo",
        "usage --project demo --task %first --since 2020-01-01",
        "usage --project nothere",
        "usage --project demo --task task-20260101-000000-nothere",
        "ps",
        "ps --project demo --task %first",
        "ps --project nothere",
        "ps --project demo --task task-20260101-000000-nothere",
        "ps --task %first",
        "limits",
        "limits clear nobody",
    ] {
        let line = line.replace('%', "task-20260101-000000-");
        for form in ["", " --json"] {
            // The usage that is told names the flags that were given, and a word is no document.
            let has_one_form = line.contains("--concise") || line.ends_with("--status=");
            if has_one_form && !form.is_empty() {
                continue;
            }
            let line = format!("{line}{form}");
            let local = place.run(&line);
            let served = place.run(&format!("{line} --server {}", server.url));
            assert_eq!(served.out, local.out, "{line}");
            assert_eq!(served.err, local.err, "{line}");
            assert_eq!(served.code, local.code, "{line}");
        }
    }
}

#[test]
fn limits_are_forgotten_alike_by_files_and_by_a_server() {
    let told = |form: &str, is_served: bool| {
        let place = place();
        let server = is_served.then(|| Server::start(&place));
        let at = server.as_ref().map(|it| format!(" --server {}", it.url));
        let at = at.unwrap_or_default();
        let cleared = place.run(&format!("limits clear work{form}{at}"));
        let left = place.run(&format!("limits{form}{at}"));
        // The copy of the damaged file is named after the time.
        let text = |text: &str| {
            let text = text.replace(&*place.root.path().to_string_lossy(), "[root]");
            let words = text.split_inclusive([' ', '"', '\n']);
            let is_copy = |word: &&str| word.contains("claude@work");
            words.filter(|word| !is_copy(word)).collect::<String>()
        };
        [cleared, left].map(|ran| (ran.code, text(&ran.out), text(&ran.err)))
    };
    for form in ["", " --json"] {
        let by_files = told(form, false);
        assert_eq!(by_files[0].0, Some(0), "{by_files:?}");
        assert!(by_files[0].1.contains("work"), "{by_files:?}");
        assert_eq!(told(form, true), by_files);
    }
}

#[test]
fn dependencies_are_lifted_alike_by_files_and_by_a_server() {
    let told = |form: &str, is_served: bool| {
        let place = place();
        let task = place.task(TASK);
        let config = format!("depends_on:\n  - {CHILD}\n");
        std::fs::write(task.path().join("TASK-CONFIG.yaml"), config).unwrap();
        let server = is_served.then(|| Server::start(&place));
        let at = server.as_ref().map(|it| format!(" --server {}", it.url));
        let at = at.unwrap_or_default();
        ["task-20260101-000200-damaged", CHILD, "", CHILD].map(|named| {
            let only = match named {
                "" => String::new(),
                named => format!(" --dependency {named}"),
            };
            let line = format!("task unblock {TASK} --project demo --reason enough");
            let ran = place.run(&format!("{line}{only}{form}{at}"));
            (ran.code, ran.out, ran.err)
        })
    };
    for form in ["", " --json"] {
        let by_files = told(form, false);
        let codes = by_files.each_ref().map(|ran| ran.0);
        assert_eq!(codes, [Some(3), Some(0), Some(0), Some(0)], "{by_files:?}");
        assert!(by_files[1].1.contains(CHILD), "{by_files:?}");
        assert_eq!(told(form, true), by_files);
    }
}

#[test]
fn a_server_that_is_named_is_asked_or_nobody() {
    let place = place();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let line = format!("list --server {url}");
    place
        .run(&line)
        .fails(5, "could not reach the server at http://127.0.0.1");
    place.run(&line).fails(5, "Connection refused");
    place
        .run("list --server 14355")
        .fails(2, "names no machine");
    let line = format!("stop {TASK} --project demo --server {url}");
    place
        .run_changing_nothing(&line)
        .fails(5, "could not reach");
    place
        .run("list --server ftp://example")
        .fails(2, "no address of a server");
    let line = format!("verify {TASK} --project demo --server {url}");
    place
        .run(&line)
        .fails(2, "servers do not offer this command");
}

#[test]
fn a_wrong_key_and_another_program_are_told_apart() {
    let place = place();
    let server = Server::start(&place);
    let line = format!("list --server {}", server.url);
    let mut command = place.command(line.split_whitespace());
    command.env("CONDUCTOR_API_KEY", "test-key-that-is-wrong");
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("does not take the key from $CONDUCTOR_API_KEY"),
        "{err}"
    );
    assert!(!err.contains("test-key-that-is-wrong"), "{err}");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = other.accept().unwrap();
        let mut asked = [0; 1024];
        let read = stream.read(&mut asked).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
            .unwrap();
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    place
        .run(&format!("list --server {url}"))
        .fails(5, "is no Conductor Loop server");
    answering.join().unwrap();
}

const SETTINGS: &str = "agents:\n  \
    player: {type: scripted, script: done.yaml}\n  \
    hanger: {type: scripted, script: hang.yaml}\n\
    defaults: {agent: player}\n";

/// A place with an agent that finishes and one that does not.
fn workshop() -> Place {
    let place = Place::new();
    let write = |name: &str, text: &str| std::fs::write(place.work().join(name), text).unwrap();
    write("conductor.yaml", SETTINGS);
    write("done.yaml", "version: 1\nsteps:\n  - done: true\n");
    write("hang.yaml", "version: 1\nsteps:\n  - hang: true\n");
    place
}

/// What differs from one time to the next.
const FLUID: [&str; 21] = [
    "launch_id",
    "last_run_id",
    "latest_run",
    "last_activity",
    "run_id",
    "runs",
    "size_bytes",
    "cancelled_at",
    "started",
    "ended",
    "duration",
    "path",
    "previous_run_id",
    "elapsed",
    // Who asked for a stop.
    "detail",
    "msg_id",
    "timestamp",
    "position",
    "bus",
    "next",
    "previous",
];

fn masked(text: &str) -> Vec<serde_json::Value> {
    fn mask(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    if FLUID.contains(&key.as_str()) && !value.is_null() {
                        *value = "[fluid]".into();
                    }
                    mask(value);
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
            _ => {}
        }
    }
    let documents = text.lines().map(|line| {
        let mut value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        mask(&mut value);
        value
    });
    documents.collect()
}

/// Plays one sequence of commands; returns how each ended and what it printed.
fn played(
    place: &Place,
    server: Option<&Server>,
) -> Vec<(String, Option<i32>, Vec<serde_json::Value>)> {
    let mut played = Vec::new();
    for line in [
        "task %alpha --prompt work",
        "status %alpha",
        "list --task %alpha",
        "task %bravo --prompt work --detach --max-attempts 3",
        "watch %bravo --timeout 20s",
        "task %bravo --detach",
        "watch %bravo --timeout 20s",
        "task cancel %bravo --reason enough --superseded-by %alpha",
        "task cancel %bravo --reason more",
        "task resume %bravo --no-start",
        "task uncancel %bravo",
        "task uncancel %bravo",
        "task resume %bravo --no-start",
        "task resume %bravo",
        // It may be woken between two attempts.
        "watch %bravo --timeout 20s",
        "task wake %bravo",
        "task unblock %bravo",
        "job %charly --prompt once",
        "job %hangs --agent hanger --prompt once --detach",
        "task delete %hangs --yes",
        "task cancel %hangs --reason early",
        "stop %hangs --grace 1s",
        "stop %hangs",
        "status %hangs",
        "task delete %hangs --yes",
        "task delete %hangs --yes",
        "task %deltas --agent nobody --prompt x",
        "task %deltas",
        "task cancel %nothere --reason x",
        "bus post --task %alpha --type FACT --body told --meta a=b",
        "bus post --task %nothere --type FACT --body told",
        "bus post --task %alpha --type FACT --body=",
        "bus read --task %alpha --text told",
        "list",
        "list --project demo",
    ] {
        let line = line.replace('%', "task-20260101-000000-");
        let mut full = format!("{line} --json --project demo");
        if line == "list" {
            "list --json".clone_into(&mut full);
        }
        if let Some(server) = server {
            full = format!("{full} --server {}", server.url);
        }
        let ran = place.run(&full);
        if line.contains("hanger") {
            // What comes next is about a run, which its supervisor is only about to begin.
            let task = line.split_whitespace().nth(1).unwrap();
            let look = format!("status {task} --project demo --json");
            eventually(|| place.run(&look).out.contains("\"pid_alive\":true"));
        }
        let root = place.root.path().to_string_lossy().into_owned();
        let err = ran.err.replace(&root, "[root]");
        let mut code = ran.code;
        if code != Some(0) {
            // What is told of a failure is compared by its kind.
            let kinds = ["\"usage\"", "\"conflict\"", "\"not_found\""];
            let kind = kinds.iter().position(|kind| err.contains(kind));
            code = code.map(|code| code * 100 + i32::try_from(kind.map_or(99, |it| it)).unwrap());
        }
        // How many changes a watch sees is a matter of luck; the last one is not.
        let mut documents = masked(&ran.out);
        let seen = documents.len();
        documents.drain(..seen.saturating_sub(1));
        played.push((line, code, documents));
    }
    played
}

#[test]
fn changes_print_the_same_from_files_and_from_a_server() {
    let (local, served) = (workshop(), workshop());
    let server = Server::start(&served);
    let by_files = played(&local, None);
    let by_server = played(&served, Some(&server));
    for (by_files, by_server) in by_files.iter().zip(&by_server) {
        assert_eq!(by_server, by_files);
    }
}

/// Waits for `what` to end, and says how.
fn wait_for(what: &mut Child) -> bool {
    let mut status = None;
    eventually(|| {
        status = what.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap().success()
}

#[test]
fn who_waits_by_way_of_a_server_is_told_of_changes() {
    let place = Place::new();
    let task = place.task(TASK);
    let run = add_run(&task, 1, ended(RunStatus::Failed, 3));
    let server = Server::start(&place);
    // Looking again as rarely as this, it would not see the end in time.
    let waiting = "watch --project demo --until any-failed --interval 1h --timeout 0";
    let args = format!("{waiting} {TASK} --server {}", server.url);
    std::fs::remove_dir_all(run.path()).unwrap();
    let mut command = place.command(args.split(' '));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.contains("idle"), "{line}");
    add_run(&task, 2, ended(RunStatus::Completed, 0));
    marker::create_done(&task).unwrap();
    assert!(wait_for(&mut child));
}

#[test]
fn who_gets_no_stream_looks_again_and_again() {
    let place = Place::new();
    let task = place.task(TASK);
    let config = "api: {sse: {max_clients_per_run: 1}}\n";
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let server = Server::start(&place);
    let watch = |interval: &str| {
        let line = format!("watch --project demo --timeout 0 {TASK} --interval {interval}");
        let args = format!("{line} --server {}", server.url);
        let mut command = place.command(args.split(' '));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.contains("idle"), "{line}");
        // It is read from to the end.
        (child, out)
    };
    let (mut first, _out) = watch("100ms");
    let (mut second, _also) = watch("100ms");
    add_run(&task, 2, ended(RunStatus::Completed, 0));
    marker::create_done(&task).unwrap();
    assert!(wait_for(&mut first) && wait_for(&mut second));
}
