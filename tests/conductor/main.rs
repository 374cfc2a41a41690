//! `conductor`: the same verbs, asked of the server of the root.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use cl_storage::run_info::{self, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, TaskId};

const TASK: &str = "task-20260101-000000-one";

/// A root with one task that has ended, and a home.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "home", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = Root::at(&folder.path().join("root")).unwrap();
        let project = ProjectId::parse("demo").unwrap();
        let task = root.task(&project, &TaskId::parse(TASK).unwrap()).unwrap();
        task.ensure().unwrap();
        let now = "2026-01-01T00:00:01Z".parse().unwrap();
        let run = task.create_run(now).unwrap();
        let mut info = RunInfo::preparing(&run, "scripted", now);
        (info.status, info.phase) = (RunStatus::Failed, None);
        info.exit_code = 1;
        run_info::create(&run, &info).unwrap();
        Self { folder }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    fn command(&self, line: &str) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the process that users start")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_conductor"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", "/nowhere")
            .env("CONDUCTOR_ROOT", self.root())
            .current_dir(self.folder.path().join("work"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> (Option<i32>, String, String) {
        told(&self.command(line).output().unwrap())
    }

    /// Says which server is at work, as servers do.
    fn name_server(&self, url: &str) {
        let folder = self.root().join(".conductor");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!("{{\"version\":1,\"api_url\":\"{url}\"}}\n");
        std::fs::write(folder.join("server.json"), text).unwrap();
    }
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A server; ended with the test.
struct Server(Child, String);

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = place
            .command("serve --port 0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("API listening on ")
            .unwrap()
            .to_owned();
        Self(child, url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn is_empty_of_servers(root: &Path) -> bool {
    !root.join(".conductor/server.json").exists()
}

#[test]
fn without_a_server_looks_fall_back_and_changes_do_not() {
    let place = Place::new();
    assert!(is_empty_of_servers(&place.root()));
    let root = place.root().canonicalize().unwrap();
    let (code, out, err) = place.run("list --project demo");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(TASK), "{out}");
    let notice = format!("reading the files below {}", root.display());
    assert!(err.contains(&notice), "{err}");
    for line in ["task cancel", "task delete --yes", "stop", "task resume"] {
        let reason = if line == "task cancel" {
            "--reason x"
        } else {
            ""
        };
        let (code, out, err) = place.run(&format!("{line} {TASK} --project demo {reason}"));
        assert_eq!(code, Some(5), "{line}: {out}{err}");
        assert!(err.contains("conductor serve"), "{err}");
    }
    let task = root.join("demo").join(TASK);
    assert!(task.is_dir() && !task.join("CANCELLED").exists());
    // A server that has died left its address.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.name_server(&format!("http://{}/", free.local_addr().unwrap()));
    drop(free);
    let (code, out, err) = place.run("status --project demo");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(TASK) && err.contains(&notice), "{out}{err}");
    let (code, _, err) = place.run(&format!("stop {TASK} --project demo"));
    assert_eq!(code, Some(5), "{err}");
    let (code, _, err) = place.run("list --server http://127.0.0.1:1");
    assert_eq!(code, Some(5), "{err}");
    assert!(!err.contains("reading the files"), "{err}");
}

#[test]
fn the_server_of_the_root_is_asked() {
    let place = Place::new();
    let server = Server::start(&place);
    place.name_server(&server.1);
    let (code, out, err) = place.run("list --project demo --json");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(TASK), "{out}");
    let (code, out, err) = place.run(&format!(
        "task cancel {TASK} --project demo --reason enough"
    ));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("marked as cancelled"), "{out}");
    // The variable counts more than the file.
    let mut command = place.command("list --project demo");
    let output = command
        .env("JRUN_CONDUCTOR_URL", "http://127.0.0.1:1")
        .output();
    let (code, _, err) = told(&output.unwrap());
    assert_eq!(code, Some(0));
    assert!(err.contains("http://127.0.0.1:1"), "{err}");
}
