//! Adopting a process that somebody else has started.
//!
//! The watcher is a small process of its own that owns the task: it copies what
//! the foreign process adds to its logs, notices its end by its identity, and
//! records it. It is no parent, so nobody knows the exit code.
//!
//! ```text
//! run import ─▶ watcher: own ─ record ─ RUN_START ─ (copy, look, answer)* ─ RUN_STOP ─ give up
//! kill -9 of the watcher: the task is lost; `recover` starts another watcher on the same run
//! ```

mod mirror;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::control::StopRequest;
use cl_storage::lock::LockError;
use cl_storage::process::{ProcessIdentity, ProcessStat, environment_value};
use cl_storage::record;
use cl_storage::redact::Redactor;
use cl_storage::run_info::{RunInfo, RunStatus, StopRecord};
use cl_storage::slot::RUN_MARKER;
use cl_storage::{Failure, FailureKind, LayoutError, Root, RunId, TaskDir, imports};
use jiff::Timestamp;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::signal::unix::{SignalKind, signal};

use crate::launch::{
    LaunchError, Launched, Readiness, Refusal, SUPERVISED_TASK, read_framed, start_owner,
};
use crate::process::descriptors;
use crate::process::end::{KILL_WAIT, signal as signal_process};
use crate::solo::{ADOPTED, Solo, SoloEnd, SoloError, SoloOrder};
use crate::supervisor::{answer, detach_output};
use mirror::Mirror;

/// The hidden sub-command of both binaries that watches an adopted process.
pub const ADOPT_COMMAND: &str = "__watch-adopted";

/// Between two looks at the process and its logs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long others who adopt a process may take: each waits for a watcher to begin.
const LOCK_WAIT: Duration = Duration::from_secs(30);

const VERSION: u32 = 1;

/// What ends are told as.
const SUMMARY: &str = "adopted process exited; exit code unavailable";

/// Who may end an adopted process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessOwnership {
    /// Whoever has started it; we only look.
    External,
    /// We, by `stop`.
    Managed,
}

impl ProcessOwnership {
    /// Returns the word used in files and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Managed => "managed",
        }
    }
}

/// A process that is to be adopted.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct AdoptOrder {
    /// Its id.
    pub pid: i32,
    /// The kind of agent that it is.
    pub agent: String,
    /// Where its standard output goes, absolute.
    pub stdout: Option<PathBuf>,
    /// Where its standard error goes, absolute.
    pub stderr: Option<PathBuf>,
    /// Who may end it.
    pub ownership: ProcessOwnership,
    /// How it was called, for people; free of secrets.
    pub commandline: String,
    /// The run that it belongs to.
    pub parent_run: Option<RunId>,
}

/// Why a process cannot be adopted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// It is not there.
    #[error("process {0} does not exist, or has ended")]
    Dead(i32),
    /// It is this command or what has called it.
    #[error("process {0} is this command itself, or one that has called it")]
    Own(i32),
    /// It belongs to somebody else.
    #[error("process {0} belongs to another user, and this one may not signal it")]
    Forbidden(i32),
    /// It works for a task already.
    #[error("process {pid} works for the task at {task} already")]
    Known {
        /// The process.
        pid: i32,
        /// The folder of the task.
        task: String,
    },
    /// It keeps the machine or the container running.
    #[error("process 1 runs everything else here, and is no agent")]
    Init,
    /// The kernel runs it.
    #[error("process {0} is a thread of the kernel, and no agent")]
    Kernel(i32),
    /// Whether it is watched already could not be told.
    #[error("could not tell whether the process is watched already")]
    Lock(#[from] LockError),
    /// The tasks that may watch it cannot be listed.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// It could not be looked at.
    #[error("could not look at process {pid}")]
    Io {
        /// The process.
        pid: i32,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The watcher did not take the task.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// What the watcher is told; never written to disk.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    version: u32,
    root: PathBuf,
    task: PathBuf,
    /// None takes up what a dead watcher has left.
    order: Option<(AdoptOrder, SentIdentity)>,
    /// What must not appear in anything that the watcher writes itself.
    secrets: Vec<String>,
}

/// An identity as it travels in the record.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct SentIdentity {
    pid: i32,
    start: cl_storage::process::ProcessStart,
}

/// Makes sure that `pid` may be adopted, and returns who it is.
pub fn examine(pid: i32) -> Result<ProcessIdentity, AdoptError> {
    let failed = |source| AdoptError::Io { pid, source };
    if pid == 1 {
        return Err(AdoptError::Init);
    }
    if is_around_us(pid) {
        return Err(AdoptError::Own(pid));
    }
    if ProcessStat::read(pid).is_ok_and(|stat| stat.is_some_and(|stat| stat.is_kernel_thread)) {
        return Err(AdoptError::Kernel(pid));
    }
    let raw = Pid::from_raw(pid).ok_or(AdoptError::Dead(pid))?;
    match rustix::process::test_kill_process(raw) {
        Ok(()) => {}
        Err(Errno::SRCH) => return Err(AdoptError::Dead(pid)),
        Err(Errno::PERM) => return Err(AdoptError::Forbidden(pid)),
        Err(error) => return Err(failed(error.into())),
    }
    // A thread has an entry of its own below /proc, and no descriptor.
    if let Err(error) = rustix::process::pidfd_open(raw, PidfdFlags::empty()) {
        return Err(match error {
            Errno::SRCH | Errno::INVAL | Errno::NOENT => AdoptError::Dead(pid),
            error => failed(error.into()),
        });
    }
    let identity = ProcessIdentity::of(pid).map_err(failed)?;
    let identity = identity
        .filter(ProcessIdentity::is_alive)
        .ok_or(AdoptError::Dead(pid))?;
    for name in [SUPERVISED_TASK, "JRUN_TASK_FOLDER"] {
        let task = environment_value(pid, name).filter(|task| !task.is_empty());
        let is_run = name == SUPERVISED_TASK || environment_value(pid, RUN_MARKER).is_some();
        if let Some(task) = task.filter(|_| is_run) {
            return Err(AdoptError::Known { pid, task });
        }
    }
    Ok(identity)
}

/// Tells whether `pid` is this process or one of its ancestors.
fn is_around_us(pid: i32) -> bool {
    let mut at = i32::try_from(std::process::id()).unwrap_or(0);
    // The table of processes is no snapshot: the bound guards against a circle.
    for _ in 0..4096 {
        if at == pid {
            return true;
        }
        match ProcessStat::read(at) {
            Ok(Some(stat)) if stat.parent > 1 => at = stat.parent,
            _ => return false,
        }
    }
    false
}

/// Adopts the process of `order`: starts its watcher and waits until that owns `task`.
///
/// None of `secrets` appears in what the watcher writes itself; copied logs are
/// the process's own words.
pub fn adopt(
    root: &Root,
    task: &TaskDir,
    order: AdoptOrder,
    secrets: impl IntoIterator<Item = SecretString>,
    executable: &Path,
) -> Result<Launched, AdoptError> {
    let process = examine(order.pid)?;
    // Until its watcher has recorded it, nobody else can see that it is watched.
    let lock = imports::lock(root, LOCK_WAIT)?;
    if let Some(task) = imports::task_of(root, &process)? {
        let task = task.path().display().to_string();
        let pid = order.pid;
        return Err(AdoptError::Known { pid, task });
    }
    let process = SentIdentity {
        pid: process.pid,
        start: process.start,
    };
    let started = start(root, task, Some((order, process)), secrets, executable);
    drop(lock);
    started
}

/// Starts another watcher for the adopted process of a lost task.
pub fn take_up(
    root: &Root,
    task: &TaskDir,
    secrets: impl IntoIterator<Item = SecretString>,
    executable: &Path,
) -> Result<Launched, AdoptError> {
    start(root, task, None, secrets, executable)
}

fn start(
    root: &Root,
    task: &TaskDir,
    order: Option<(AdoptOrder, SentIdentity)>,
    secrets: impl IntoIterator<Item = SecretString>,
    executable: &Path,
) -> Result<Launched, AdoptError> {
    let secrets = secrets.into_iter();
    let record = Record {
        version: VERSION,
        root: root.path().to_owned(),
        task: task.path().to_owned(),
        order,
        secrets: secrets
            .map(|secret| secret.expose_secret().to_owned())
            .collect(),
    };
    let bytes = serde_json::to_vec(&record).map_err(|error| LaunchError::Io(error.into()))?;
    Ok(start_owner(executable, ADOPT_COMMAND, &bytes, task)?)
}

/// Runs a watcher: reads its record from standard input, returns when the process has ended.
///
/// Must be the first thing that its process does, like a supervisor.
pub fn watch_adopted() -> i32 {
    descriptors::close_inherited();
    rustix::process::setsid().ok();
    rustix::thread::set_name(c"run-agent").ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (Ok(runtime), Some(bytes)) = (runtime, read_framed()) else {
        return 1;
    };
    runtime.block_on(async {
        match Watcher::begin(&bytes) {
            Ok(watcher) => {
                answer(&Readiness::Ready);
                detach_output(&watcher.solo.task, watcher.solo.redactor());
                watcher.run().await
            }
            Err(readiness) => {
                answer(&readiness);
                1
            }
        }
    })
}

/// One adopted process and what is kept of it.
struct Watcher {
    solo: Solo,
    process: ProcessIdentity,
    ownership: ProcessOwnership,
    mirrors: Vec<Mirror>,
    wake: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// The wish to stop, and when it came.
    stop: Option<(StopRequest, Timestamp)>,
}

/// What `launch.yaml` keeps for the next watcher.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Details {
    stdout: Option<PathBuf>,
    stderr: Option<PathBuf>,
}

/// The part of `launch.yaml` that a watcher needs.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Launch {
    #[serde(default)]
    details: Details,
}

impl Watcher {
    fn begin(bytes: &[u8]) -> Result<Self, Readiness> {
        let failed = |error: &dyn std::error::Error| Readiness::Refused {
            refusal: Refusal::Failed,
            message: crate::launch_error_text(error),
        };
        let record: Record = serde_json::from_slice(bytes).map_err(|error| failed(&error))?;
        let root = Root::at(&record.root).map_err(|error| failed(&error))?;
        let place = crate::process::tree::task_at(&record.task, root.path());
        let (project, task) = place.ok_or_else(|| failed(&std::fmt::Error))?;
        let task = root.task(&project, &task).map_err(|error| failed(&error))?;
        let signals = signal(SignalKind::user_defined1())
            .and_then(|wake| Ok((wake, signal(SignalKind::terminate())?)));
        let (wake, terminate) = signals.map_err(|error| failed(&error))?;
        let refused = |error: SoloError| {
            let refusal = if error.is_conflict() {
                Refusal::Conflict
            } else {
                Refusal::Failed
            };
            Readiness::Refused {
                refusal,
                message: crate::launch_error_text(&error),
            }
        };
        let redactor = Redactor::new(record.secrets.into_iter().map(SecretString::from));
        let found = match record.order {
            Some((order, process)) => new_run(&root, &task, &order, process, redactor),
            None => taken_up(&root, &task, redactor),
        };
        let (solo, process, ownership, details) = found.map_err(refused)?;
        let mut mirrors = Vec::new();
        let streams = [
            (details.stdout, solo.run.stdout()),
            (details.stderr, solo.run.stderr()),
        ];
        for (source, target) in streams {
            let source = source.map(|source| Mirror::new(source, target)).transpose();
            mirrors.extend(source.map_err(|error| failed(&error))?);
        }
        Ok(Self {
            solo,
            process,
            ownership,
            mirrors,
            wake,
            terminate,
            stop: None,
        })
    }

    async fn run(mut self) -> i32 {
        let mut is_asked = false;
        let mut killed: Option<tokio::time::Instant> = None;
        while self.process.is_alive() {
            if !self.solo.is_in_place() {
                // The folder was taken away: what is there now is not ours.
                return 1;
            }
            let more = self
                .mirrors
                .iter_mut()
                .fold(false, |more, mirror| mirror.copy() | more);
            self.look_at_requests();
            if let Some((stop, _)) = &self.stop {
                let is_late = self.solo.now() >= stop.kill_at;
                if is_late {
                    signal_process(&self.process, Signal::KILL);
                    let at = *killed.get_or_insert_with(tokio::time::Instant::now);
                    if at.elapsed() >= KILL_WAIT {
                        break;
                    }
                } else if !is_asked {
                    is_asked = true;
                    signal_process(&self.process, Signal::TERM);
                    signal_process(&self.process, Signal::CONT);
                }
            }
            // Every arm only receives or waits: dropping the others loses nothing.
            tokio::select! {
                _ = self.wake.recv() => {}
                // The process is not ours to end because somebody ends the watching.
                _ = self.terminate.recv() => return 143,
                () = tokio::time::sleep(if more { Duration::ZERO } else { LOOK_EVERY }) => {}
            }
        }
        while self
            .mirrors
            .iter_mut()
            .fold(false, |more, mirror| mirror.copy() | more)
        {}
        self.finish()
    }

    fn look_at_requests(&mut self) {
        let refusal = match self.ownership {
            ProcessOwnership::External => Some("the process is only observed"),
            ProcessOwnership::Managed => None,
        };
        if let Some(wish) = self.solo.take_requests(refusal) {
            if let Some((stop, _)) = &mut self.stop {
                stop.kill_at = stop.kill_at.min(wish.stop.kill_at);
            } else {
                self.stop = Some((wish.stop, wish.at));
            }
        }
    }

    fn finish(self) -> i32 {
        let survives = self.process.is_alive();
        let warnings: Vec<&String> = self.mirrors.iter().flat_map(Mirror::warnings).collect();
        let mut summary = SUMMARY.to_owned();
        let mut failure = None;
        if let Some((stop, _)) = &self.stop {
            "stopped by request".clone_into(&mut summary);
            failure = Some(Failure::new(FailureKind::Cancelled, &stop.by));
        }
        let status = if failure.is_some() {
            RunStatus::Failed
        } else {
            RunStatus::Completed
        };
        let run = &self.solo.run;
        let mut body = format!(
            "adopted process exited\nrun_dir: {}\nstatus: {}\nexit_code: -1\noutput: {}",
            run.path().display(),
            status.as_str(),
            run.output().display()
        );
        if self.stop.is_some() {
            body.push_str("\nstopped: true");
        }
        if !warnings.is_empty() {
            let lines: Vec<&str> = warnings.iter().map(|line| line.as_str()).collect();
            let lines = lines.join("\n");
            body = format!("{body}\n\n## mirror warnings\n{lines}");
            summary = format!(
                "{summary}; log mirror warnings: {}",
                lines.replace('\n', "; ")
            );
        }
        let now = self.solo.now();
        let stop = self.stop.map(|(stop, requested_at)| StopRecord {
            requested_at,
            by: stop.by,
            survivors: u32::from(survives),
            took_ms: u64::try_from(now.duration_since(requested_at).as_millis()).unwrap_or(0),
        });
        let end = SoloEnd {
            status,
            exit_code: -1,
            summary,
            failure,
            stop,
            event: Some(("RUN_STOP", body)),
        };
        match self.solo.finish(end) {
            Ok(()) => 0,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "could not record the end of the adopted process");
                1
            }
        }
    }
}

type Found = (Solo, ProcessIdentity, ProcessOwnership, Details);

fn new_run(
    root: &Root,
    task: &TaskDir,
    order: &AdoptOrder,
    process: SentIdentity,
    redactor: Redactor,
) -> Result<Found, SoloError> {
    let process = ProcessIdentity {
        pid: process.pid,
        start: process.start,
    };
    let stat = ProcessStat::read(order.pid).ok().flatten();
    let pgid = stat.map_or(order.pid, |stat| stat.group);
    let cwd = std::fs::read_link(format!("/proc/{}/cwd", order.pid)).unwrap_or_default();
    let commandline = match order.commandline.trim() {
        "" => format!("{} (adopted pid {})", order.agent, order.pid),
        text => text.to_owned(),
    };
    let shown = |path: &Option<PathBuf>| {
        path.as_ref().map_or_else(
            || "(not provided)".to_owned(),
            |path| path.display().to_string(),
        )
    };
    let ownership = order.ownership.as_str();
    let prompt = format!(
        "Adopted process\n\nagent: {}\npid: {}\npgid: {pgid}\nownership: {ownership}\ncommand: {commandline}\n\
         cwd: {}\nstdout: {}\nstderr: {}",
        order.agent,
        order.pid,
        cwd.display(),
        shown(&order.stdout),
        shown(&order.stderr)
    );
    let details = Details {
        stdout: order.stdout.clone(),
        stderr: order.stderr.clone(),
    };
    let solo_order = SoloOrder {
        kind: ADOPTED,
        origin: "detached",
        agent_name: order.agent.clone(),
        agent: order.agent.clone(),
        cwd,
        prompt,
        argv: Vec::new(),
        commandline,
        parent_run: order.parent_run.clone(),
        previous_run: None,
        is_external: order.ownership == ProcessOwnership::External,
        details: serde_json::to_value(&details).ok(),
    };
    let mut solo = Solo::begin(root, task, &solo_order, redactor)?;
    let run = &solo.run;
    let body = format!(
        "run adopted from external process\nrun_dir: {}\npid: {}\npgid: {pgid}\nownership: {ownership}\n\
         stdout: {}\nstderr: {}\noutput: {}",
        run.path().display(),
        order.pid,
        run.stdout().display(),
        run.stderr().display(),
        run.output().display()
    );
    solo.started(&process, pgid, &body)?;
    Ok((solo, process, order.ownership, details))
}

fn taken_up(root: &Root, task: &TaskDir, redactor: Redactor) -> Result<Found, SoloError> {
    let launch: Launch = record::read(&task.launch(), VERSION)?.unwrap_or_default();
    let (solo, info) = Solo::take_up(root, task, redactor)?;
    let ownership = if info.is_external {
        ProcessOwnership::External
    } else {
        ProcessOwnership::Managed
    };
    let process =
        process_of(&info).ok_or_else(|| SoloError::NothingToTakeUp(task.id().to_string()))?;
    Ok((solo, process, ownership, launch.details))
}

fn process_of(info: &RunInfo) -> Option<ProcessIdentity> {
    Some(ProcessIdentity {
        pid: info.pid,
        start: info.process_start.clone()?,
    })
}
