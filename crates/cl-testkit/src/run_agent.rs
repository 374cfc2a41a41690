//! One command of the binary under test, with a deadline.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal};

use crate::patience;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A command of the binary under test that is not started yet.
///
/// Its environment is empty but for `PATH` and what is added, and it leads a
/// process group, as in an interactive shell. Its outputs go to files, so that no
/// process that inherits them keeps a test waiting.
#[derive(Debug)]
pub struct RunAgent {
    command: Command,
    folder: PathBuf,
}

/// A started command; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl RunAgent {
    /// Returns a command of `program` that runs in `cwd` and keeps its outputs in `folder`.
    pub fn new(program: &Path, folder: &Path, cwd: &Path) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(cwd)
            .process_group(0)
            .stdin(Stdio::null());
        Self {
            command,
            folder: folder.to_owned(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Arms a crash point, `name` or `name:n`, in this process and its supervisor.
    ///
    /// Needs a binary with the feature `test-hooks`; [`crashes`] tells whether
    /// it was reached.
    #[must_use]
    pub fn crash_at(self, point: &str) -> Self {
        let log = self.folder.join("crashes");
        self.env("CL_CRASH_POINT", point).env("CL_CRASH_LOG", log)
    }

    /// Starts it.
    pub fn spawn(mut self) -> Running {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let stdout = self.folder.join(format!("command-{number}.out"));
        let stderr = self.folder.join(format!("command-{number}.err"));
        let create = |path| File::create(path).expect("a new file");
        self.command.stdout(create(&stdout)).stderr(create(&stderr));
        let child = self.command.spawn().expect("the program under test");
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.spawn().finish()
    }

    /// Runs it to its end, which must be exit code 0.
    #[track_caller]
    pub fn ok(self) -> Finished {
        let finished = self.run();
        finished.assert_code(0);
        finished
    }
}

impl Running {
    /// Returns its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pids are small")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).expect("a pid is not zero");
        rustix::process::kill_process(pid, signal).expect("an unreaped child");
    }

    /// Sends a signal to its process group, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).expect("a pid is not zero");
        rustix::process::kill_process_group(pid, signal).expect("an unreaped leader");
    }

    /// Returns what it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.stderr).expect("its output")
    }

    /// Tells whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Returns what it has printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.stdout).expect("its output")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let ended: Option<ExitStatus> = patience::within(patience::PATIENCE, || {
            self.child.try_wait().expect("a child")
        });
        let read = |path: &Path| {
            String::from_utf8_lossy(&std::fs::read(path).expect("its output")).into_owned()
        };
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        let Some(status) = ended else {
            panic!("the command does not end; it said:\n{stdout}{stderr}");
        };
        Finished {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test gave up on it.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
    }
}

impl Finished {
    /// Panics with what it said unless it ended with `code`.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }

    /// Returns what it printed as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// Returns the crash points that were reached by commands that keep their files in `folder`.
pub fn crashes(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("crashes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
