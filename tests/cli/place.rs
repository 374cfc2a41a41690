//! A place to run the binary in: a root, a home and a working folder of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cl_storage::owner::Owner;
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, RunDir, TaskDir, TaskId, record};

pub(crate) const PROJECT: &str = "demo";
pub(crate) const TASK: &str = "task-20260101-000000-first";
pub(crate) const CHILD: &str = "task-20260101-000100-child";

/// A root, a home and a working folder; all are gone at the end.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) root: Root,
}

/// Every file with what it holds.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "home", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = Root::at(&folder.path().join("root")).unwrap();
        Self { folder, root }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Returns a task's folder, made if it is missing.
    pub(crate) fn task(&self, id: &str) -> TaskDir {
        let project = ProjectId::parse(PROJECT).unwrap();
        let task = TaskId::parse_existing(id).unwrap();
        let task = self.root.task(&project, &task).unwrap();
        task.ensure().unwrap();
        task
    }

    /// Returns the command, with nothing of the test's environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "these tests are about the process that users start"
    )]
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run-agent"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path().join("home"))
            .env("PATH", "/nowhere")
            .env("CONDUCTOR_ROOT", self.root.path())
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// Runs the words of `line`; what it prints as JSON must keep its schema.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Ran {
        finished(
            line,
            &self.command(line.split_whitespace()).output().unwrap(),
        )
    }

    /// Runs the words of `line` with something piped in.
    #[track_caller]
    pub(crate) fn run_with_input(&self, line: &str, input: &[u8]) -> Ran {
        let mut command = self.command(line.split_whitespace());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who has read enough closes its end.
        child.stdin.take().unwrap().write_all(input).ok();
        finished(line, &child.wait_with_output().unwrap())
    }

    /// Starts the words of `line` with their output in a pipe.
    pub(crate) fn start(&self, line: &str) -> Child {
        let mut command = self.command(line.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Lists every file and folder with what it holds.
    pub(crate) fn files(&self) -> Files {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = path.symlink_metadata().unwrap().file_type();
                let content = if kind.is_file() {
                    std::fs::read(&path).unwrap()
                } else {
                    Vec::new()
                };
                if kind.is_dir() {
                    open.push(path.clone());
                }
                found.insert(path, content);
            }
        }
        found
    }

    /// Runs the words of `line` and checks that no file was made or changed.
    #[track_caller]
    pub(crate) fn run_changing_nothing(&self, line: &str) -> Ran {
        let before = self.files();
        let ran = self.run(line);
        assert_eq!(self.files(), before, "{line}");
        ran
    }

    /// Replaces what differs from test to test.
    pub(crate) fn stable(&self, text: &str) -> String {
        let root = self.root.path().to_string_lossy().into_owned();
        let folder = self.path().to_string_lossy().into_owned();
        let mut text = text.replace(&root, "[root]").replace(&folder, "[place]");
        for task in [TASK, CHILD] {
            let project = ProjectId::parse(PROJECT).unwrap();
            let task = self
                .root
                .task(&project, &TaskId::parse(task).unwrap())
                .unwrap();
            let mut runs = task.runs().unwrap();
            runs.sort_by_key(|run| run.id().started_at());
            for (index, run) in runs.iter().enumerate() {
                let name = format!("[run-{}]", index + 1);
                text = text.replace(run.id().as_str(), &name);
            }
        }
        text
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(self.err.contains(part), "{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.ok();
        assert_eq!(text.lines().count(), 1, "one document on one line: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

#[track_caller]
fn finished(line: &str, output: &Output) -> Ran {
    crate::promises::check_output(line, &output.stdout);
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Adds a run that started at `second` of the first minute of 2026.
pub(crate) fn add_run(task: &TaskDir, second: u32, change: impl FnOnce(&mut RunInfo)) -> RunDir {
    let now = format!("2026-01-01T00:00:{second:02}Z").parse().unwrap();
    let run = task.create_run(now).unwrap();
    let mut info = RunInfo::preparing(&run, "scripted", now);
    change(&mut info);
    run_info::create(&run, &info).unwrap();
    run
}

/// Makes a run one that ended a minute later.
pub(crate) fn ended(status: RunStatus, exit_code: i32) -> impl FnOnce(&mut RunInfo) {
    move |info| {
        info.status = status;
        info.phase = None;
        info.exit_code = exit_code;
        info.attempt = Some(1);
        info.end_time = Some("2026-01-01T00:01:00Z".parse().unwrap());
    }
}

/// Makes a run one whose agent is this test.
pub(crate) fn alive(info: &mut RunInfo) {
    let me = ProcessIdentity::current().unwrap();
    info.phase = Some(Phase::Running);
    info.pid = me.pid;
    info.process_start = Some(me.start);
}

/// A process id that no process has.
pub(crate) const DEAD: i32 = i32::MAX - 1;

/// Writes an owner record of the process `pid`.
pub(crate) fn own(task: &TaskDir, pid: Option<i32>) {
    let me = ProcessIdentity::current().unwrap();
    let owner = Owner {
        version: 1,
        pid: pid.unwrap_or(me.pid),
        process_start: me.start,
        launch_id: "launch-1".to_owned(),
        since: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    record::write(&task.owner(), &owner, cl_storage::durable::Mode::Shared).unwrap();
}

/// Makes `child` a task that a run of `parent` launched.
pub(crate) fn adopt(parent: &RunDir, child: &TaskDir) {
    let text = format!(
        "version: 1\nlaunch_id: launch-2\nkind: job\norigin: nested\n\
         launched_at: 2026-01-01T00:01:00Z\nagent_name: scripted\ndepth: 1\n\
         parent:\n  project: {PROJECT}\n  task: {}\n  run: {}\n",
        parent.task().id(),
        parent.id()
    );
    std::fs::write(child.launch(), text).unwrap();
    let text = format!(
        "version: 1\nlaunch_id: launch-1\nchildren:\n- project: {PROJECT}\n  task: {}\n  parent_run: {}\n",
        child.id(),
        parent.id()
    );
    std::fs::write(parent.task().state(), text).unwrap();
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}
