//! A user's own session with an agent, on record.
//!
//! The command is the owner of the task and the parent of the agent. On a terminal
//! the agent gets a terminal of its own, in a session of its own, so that `stop`
//! and the end of the run reach everything the agent has started and nothing else
//! of the user's shell:
//!
//! ```text
//! user's terminal (raw) ◀──▶ this process (owner, subreaper) ◀──▶ pty ◀──▶ agent and what it starts
//! ```
//!
//! The agent is started through a small step of this program that takes the new
//! terminal and asks the kernel for its own death with ours. `kill -9` of the
//! command leaves a lost run without an agent; the user's terminal then stays raw,
//! which `reset` mends.

mod prepare;
mod relay;
mod signals;
mod terminal;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cl_agent::Exit;
use cl_storage::marker;
use cl_storage::process::ProcessIdentity;
use cl_storage::redact::Redactor;
use cl_storage::run_info::{RunStatus, StopRecord};
use cl_storage::{Clock as _, Failure, FailureKind, Root, RunDir, RunId, SystemClock, TaskDir};
use jiff::Timestamp;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::launch::{LaunchAgent, Overlap, overlap};
use crate::process::end::{Ending, LOOK_AGAIN, signal as signal_process};
use crate::process::reaper::Reaper;
use crate::process::spawn::{Program, spawn, why_not_started};
use crate::process::tree::{self, Search};
use crate::solo::{Solo, SoloEnd, SoloError, Wished, failure_of, summary_of};
use prepare::{Streams, argv, environment, solo_order};
use relay::{Copy, Transcript};
use signals::{Event, Signals};
use terminal::RawMode;

/// The hidden sub-command of both binaries that becomes the wrapped program.
pub const WRAPPED_COMMAND: &str = "__wrapped";

/// The longest time without a look around; signals and requests wake at once.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long what was shown last may take to arrive after the session has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// What is kept of what a session shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// Nothing but a notice.
    Nothing,
    /// Everything, up to the limit on output.
    Transcript,
}

/// A session that is to be wrapped.
#[derive(Debug)]
pub struct WrapOrder {
    /// The agent, with its secrets.
    pub agent: LaunchAgent,
    /// What the user gives the agent's program.
    pub args: Vec<String>,
    /// The working folder, absolute.
    pub cwd: PathBuf,
    /// What stands in `TASK.md` if there is none; made up without it.
    pub prompt: Option<String>,
    /// The run that this one is a child of.
    pub parent_run: Option<RunId>,
    /// The run that this one goes on from.
    pub previous_run: Option<RunId>,
    /// The session is ended after this long.
    pub max_duration: Option<Duration>,
    /// From being asked to end to the kill.
    pub grace: Duration,
    /// What is kept.
    pub capture: Capture,
    /// The most that is kept, in bytes.
    pub max_output_bytes: u64,
    /// The caller's environment, of which the session gets what agents may have.
    pub environment: cl_config::Environment,
    /// Masks secrets in everything that is written down.
    pub redactor: Redactor,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrapEnd {
    /// With this code, 128 and the signal for one that a signal ended.
    Exited(i32),
    /// It took too long.
    TimedOut,
}

/// What became of a session.
#[derive(Debug)]
pub struct Wrapped {
    /// Its run.
    pub run: RunDir,
    /// How it ended.
    pub end: WrapEnd,
    /// Processes of it that could not be ended.
    pub survivors: u32,
}

/// Why a session could not be wrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The task could not be taken, or its end not be recorded.
    #[error(transparent)]
    Solo(#[from] SoloError),
    /// The task's files would get mixed up with sources.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// The agent could not be started; the run is recorded as failed.
    #[error("could not start {program}: {why}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        why: String,
    },
    /// Signals or terminals could not be had.
    #[error("could not prepare the session")]
    Io(#[from] io::Error),
}

/// Runs a session to its end, on the terminal or the streams of this process.
///
/// Owns `task` meanwhile and calls `begun` when the run is on record. Blocks. The
/// terminal is restored on every way out but SIGKILL, and nothing that the session
/// has started is left, except tasks of their own. Only for a process without
/// other children: it becomes a subreaper and waits for all of them.
pub fn wrap(
    root: &Root,
    task: &TaskDir,
    order: &WrapOrder,
    begun: impl FnOnce(&RunDir),
) -> Result<Wrapped, WrapError> {
    if let Some(overlap) = overlap(root.path(), task, &order.cwd) {
        return Err(overlap.into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before the owner record names this process: a wake-up would kill it.
        let signals = Signals::install()?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(io::Error::from)?;
        let mut solo = Solo::begin(root, task, &solo_order(order), order.redactor.clone())?;
        begun(&solo.run);
        match Session::start(&mut solo, order) {
            Ok(session) => session.run(solo, order, signals).await,
            Err(why) => Err(not_started(solo, order, &why)),
        }
    })
}

/// Takes the terminal of a new session and becomes the wrapped program.
///
/// Returns the exit code if that cannot be done.
pub fn become_wrapped(args: &[OsString]) -> i32 {
    let [mode, parent, program, args @ ..] = args else {
        return 2;
    };
    let complain = |what: &str, error: &dyn std::fmt::Display| {
        let text = format!("run-agent: could not {what}: {error}\n");
        // There is nobody else to tell.
        io::stderr().write_all(text.as_bytes()).unwrap_or_default();
        126
    };
    // The caller has made this process a session leader already.
    if mode == "terminal"
        && let Err(error) = rustix::process::ioctl_tiocsctty(io::stdin())
    {
        return complain("take the terminal", &error);
    }
    // It must not outlive the one that records it.
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return complain("tie the session to its owner", &error);
    }
    let above = rustix::process::getppid().map_or(0, rustix::process::Pid::as_raw_pid);
    if parent.to_str() != Some(above.to_string().as_str()) {
        return 126;
    }
    #[expect(clippy::disallowed_methods, reason = "the owner of process creation")]
    let error = Command::new(program).args(args).exec();
    complain(&format!("start {}", program.to_string_lossy()), &error)
}

fn not_started(solo: Solo, order: &WrapOrder, why: &str) -> WrapError {
    let program = order.agent.spec.program.display().to_string();
    let why = order.redactor.redact(why).into_owned();
    let text = format!("could not start {program}: {why}");
    let body = format!(
        "run failed to start\nrun_dir: {}\nerror: {text}",
        solo.run.path().display()
    );
    let end = SoloEnd {
        status: RunStatus::Failed,
        exit_code: -1,
        summary: text.chars().take(200).collect(),
        failure: Some(Failure::new(FailureKind::SpawnFailed, &text)),
        stop: None,
        event: Some(("RUN_CRASH", body)),
    };
    match solo.finish(end) {
        Ok(()) => WrapError::NotStarted { program, why },
        Err(error) => error.into(),
    }
}

/// Why a session is being ended.
#[derive(Debug, Clone)]
enum Wish {
    Stop {
        by: String,
        requested_at: Timestamp,
    },
    TooLong,
    /// The task's folder is gone: nothing is recorded.
    Evicted,
}

/// A running session.
struct Session {
    agent: ProcessIdentity,
    master: Option<File>,
    copies: Vec<Copy>,
    raw: Option<RawMode>,
    reaper: Reaper,
    wish: Option<Wish>,
    kill_at: Instant,
}

impl Session {
    /// Starts the agent; the error is a line about why it could not be.
    fn start(solo: &mut Solo, order: &WrapOrder) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let program = &order.agent.spec.program;
        check_program(program, &order.cwd)?;
        let has_terminal =
            rustix::termios::isatty(io::stdin()) && rustix::termios::isatty(io::stdout());
        let mut streams = Streams::prepare(&solo.run, order, has_terminal).map_err(text)?;
        let mut args = vec![
            WRAPPED_COMMAND.to_owned(),
            if has_terminal { "terminal" } else { "plain" }.to_owned(),
            std::process::id().to_string(),
        ];
        args.extend(argv(order));
        let env = environment(solo, order);
        let [stdin, stdout, stderr] = streams.ends.take().unwrap_or_default();
        let agent = spawn(Program {
            path: Path::new("/proc/self/exe"),
            args: &args,
            env: &env,
            cwd: &order.cwd,
            stdin,
            stdout,
            stderr,
        })
        .map_err(text)?;
        let mut reaper = Reaper::default();
        reaper.watch(agent.pid);
        let mut session = Self {
            master: streams.master,
            copies: Vec::new(),
            raw: None,
            reaper,
            wish: None,
            kill_at: Instant::now(),
            agent,
        };
        let run = &solo.run;
        let body = format!(
            "run started\nrun_dir: {}\nprompt: {}\nstdout: {}\nstderr: {}\noutput: {}",
            run.path().display(),
            run.prompt().display(),
            run.stdout().display(),
            run.stderr().display(),
            run.output().display()
        );
        let recorded = solo.started(&session.agent.clone(), session.agent.pid, &body);
        let relayed = recorded
            .map_err(|error| crate::launch_error_text(&error))
            .and_then(|()| {
                session
                    .relay(streams.copied, streams.transcripts)
                    .map_err(text)
            });
        if let Err(why) = relayed {
            // Nobody could account for it, or speak to it: it must not go on.
            session.end_now(solo);
            return Err(why);
        }
        Ok(session)
    }

    /// Begins to copy between the user and the session.
    fn relay(&mut self, copied: Vec<(File, File)>, transcripts: Vec<Transcript>) -> io::Result<()> {
        let mut transcripts = transcripts.into_iter();
        if let Some(master) = &self.master {
            self.raw = Some(RawMode::enter()?);
            // Ends with this process: nobody waits for what a user may still type.
            Copy::start(io::stdin(), master.try_clone()?, None);
            let shown = Copy::start(master.try_clone()?, io::stdout(), transcripts.next());
            self.copies.push(shown);
        }
        for (from, to) in copied {
            self.copies.push(Copy::start(from, to, transcripts.next()));
        }
        Ok(())
    }

    fn end_now(&mut self, solo: &Solo) {
        let survivors = crate::process::end::end_blocking(Duration::ZERO, || {
            self.reaper.reap();
            self.processes(solo)
        });
        if !survivors.is_empty() {
            tracing::error!(count = survivors.len(), "processes survive SIGKILL");
        }
    }

    fn processes(&self, solo: &Solo) -> Vec<ProcessIdentity> {
        tree::find(&Search {
            run: solo.run.id(),
            agent: Some(&self.agent),
            adopted_by: i32::try_from(std::process::id()).ok(),
            supervisor: None,
            root: solo.root.path(),
        })
    }

    async fn run(
        mut self,
        mut solo: Solo,
        order: &WrapOrder,
        mut signals: Signals,
    ) -> Result<Wrapped, WrapError> {
        let started = Instant::now();
        let mut ending = Ending::default();
        let exit = loop {
            self.reaper.reap();
            if let Some(exit) = self.reaper.take(self.agent.pid) {
                break exit;
            }
            self.look(&mut solo, order, started);
            let mut wait = LOOK_EVERY;
            if self.wish.is_some() {
                ending.signal(&self.processes(&solo), Instant::now() >= self.kill_at);
                if ending.is_over() {
                    // It hangs in the kernel; the record will name it a survivor.
                    break Exit::Signal(9);
                }
                wait = LOOK_AGAIN;
            }
            match signals.next(wait).await {
                Event::Nothing => {}
                Event::Forward(signal) => {
                    signal_process(&self.agent, signal);
                }
                Event::End(signal, by) => {
                    signal_process(&self.agent, signal);
                    let now = solo.now();
                    if self.wish.is_none() {
                        solo.record_stop(by, now, Some(marker::STOP_SUPPRESSION));
                    }
                    self.wants_end(by.to_owned(), now, Instant::now() + order.grace);
                }
                Event::Resize => {
                    if let Some(master) = &self.master {
                        terminal::resize(master);
                    }
                }
            }
        };
        let survivors = self
            .end_rest(&solo, order.grace, ending, &mut signals)
            .await;
        for copy in &self.copies {
            copy.wait(DRAIN);
        }
        // Before anything is said: the terminal belongs to the user again.
        drop(self.raw.take());
        let run = solo.run.clone();
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        };
        let end = match self.wish {
            Some(Wish::TooLong) => WrapEnd::TimedOut,
            _ => WrapEnd::Exited(code),
        };
        if !matches!(self.wish, Some(Wish::Evicted)) {
            solo.finish(account(&solo_now(), self.wish, code, survivors))?;
        }
        Ok(Wrapped {
            run,
            end,
            survivors,
        })
    }

    /// Looks for reasons to end the session.
    fn look(&mut self, solo: &mut Solo, order: &WrapOrder, started: Instant) {
        if !solo.is_in_place() {
            if !matches!(self.wish, Some(Wish::Evicted)) {
                self.wish = Some(Wish::Evicted);
                self.kill_at = Instant::now() + order.grace;
            }
            return;
        }
        if let Some(Wished { stop, at }) = solo.take_requests(None) {
            let left = stop.kill_at.duration_since(solo.now());
            let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
            self.wants_end(stop.by, at, Instant::now() + left);
        }
        let is_late = order
            .max_duration
            .is_some_and(|limit| started.elapsed() >= limit);
        if is_late && self.wish.is_none() {
            self.wish = Some(Wish::TooLong);
            self.kill_at = Instant::now() + order.grace;
        }
    }

    /// Takes a wish to stop that is on record; it can only get sooner.
    fn wants_end(&mut self, by: String, requested_at: Timestamp, kill_at: Instant) {
        if self.wish.is_some() {
            self.kill_at = self.kill_at.min(kill_at);
            return;
        }
        self.kill_at = kill_at;
        self.wish = Some(Wish::Stop { by, requested_at });
    }

    /// Ends what the session has left running; returns how many processes survive.
    async fn end_rest(
        &mut self,
        solo: &Solo,
        grace: Duration,
        mut ending: Ending,
        signals: &mut Signals,
    ) -> u32 {
        let kill_at = if self.wish.is_some() {
            self.kill_at
        } else {
            Instant::now() + grace
        };
        loop {
            self.reaper.reap();
            let alive = self.processes(solo);
            if alive.is_empty() || ending.is_over() {
                return u32::try_from(alive.len()).unwrap_or(u32::MAX);
            }
            ending.signal(&alive, Instant::now() >= kill_at);
            signals.next(LOOK_AGAIN).await;
        }
    }
}

fn solo_now() -> Timestamp {
    SystemClock.now()
}

/// What is recorded of the end of a session.
fn account(now: &Timestamp, wish: Option<Wish>, code: i32, survivors: u32) -> SoloEnd {
    let (failure, summary, stop) = match wish {
        Some(Wish::Stop { by, requested_at }) => {
            let took = now.duration_since(requested_at).as_millis();
            let stop = StopRecord {
                requested_at,
                by: by.clone(),
                survivors,
                took_ms: u64::try_from(took).unwrap_or(0),
            };
            let failure = Failure::new(FailureKind::Cancelled, &by);
            (Some(failure), "stopped by request".to_owned(), Some(stop))
        }
        Some(Wish::TooLong) => {
            let failure = Failure::new(FailureKind::Timeout, "the session took too long");
            (Some(failure), "timed out".to_owned(), None)
        }
        _ => (failure_of(code), summary_of(code), None),
    };
    SoloEnd {
        status: if failure.is_none() {
            RunStatus::Completed
        } else {
            RunStatus::Failed
        },
        exit_code: code,
        summary,
        failure,
        stop,
        event: None,
    }
}

/// Says why a program cannot be started, before a terminal is made for it.
fn check_program(program: &Path, cwd: &Path) -> Result<(), String> {
    let found = rustix::fs::access(program, rustix::fs::Access::EXEC_OK);
    let why = |error: io::Error| why_not_started(program, cwd, &error);
    found.map_err(|error| why(error.into()))?;
    if !cwd.is_dir() {
        return Err(why(io::ErrorKind::NotFound.into()));
    }
    Ok(())
}
