//! `doctor agents --live`: whether an agent answers, by asking it once.
//!
//! The agent is run as every job is: by a supervisor, through its adapter, with its
//! environment and its token. Root and working folder are scratch folders that are
//! removed when nothing of the run is alive any more. If this command is killed, the
//! supervisor ends the run at the time limit; the folder stays.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use cl_runner::attach::{AttachEnd, Flight};
use cl_runner::launch::{
    AgentEntry, Kind, LaunchRecord, Limits, Mode, OnChildTimeout, Origin, Policy, launch,
    prepare_named, reap,
};
use cl_runner::stop::{StopOptions, stop_task};
use cl_storage::process::ProcessIdentity;
use cl_storage::redact::Redactor;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::scratch::Scratch;
use cl_storage::{Failure, FailureKind, ProjectId, Root, RunDir, TaskDir, TaskId, id};
use serde::Serialize;

use super::launching;
use super::series::{self, Request, Waiting};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::view::{FailureFact, UsageFact, harmless};

/// What the agent is asked.
const PROMPT: &str = "Answer with the single word READY. Use no tools and change nothing.\n";

/// From the request to stop to the kill.
const GRACE: Duration = Duration::from_secs(5);

/// How long a supervisor may need beyond the limit and the grace period.
const BEYOND: Duration = Duration::from_secs(30);

/// How long the end of a supervisor is waited for that has given its task up.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// More output than a short answer takes.
const MOST_OUTPUT: u64 = 16 * 1024 * 1024;

/// How much of an answer is shown, in characters, and read, in bytes.
const SHOWN_ANSWER: usize = 200;
const READ_ANSWER: u64 = 16 * 1024;

/// What came of asking an agent; also its JSON form.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    /// It ended well and said something.
    pub(super) ok: bool,
    /// The start of what it said.
    pub(super) answer: Option<String>,
    pub(super) failure: Option<FailureFact>,
    /// The model that answered, if that was told.
    pub(super) model: Option<String>,
    pub(super) usage: Option<UsageFact>,
    pub(super) seconds: f64,
}

impl Live {
    fn failed(failure: Failure, started: Instant) -> Self {
        Self {
            ok: false,
            answer: None,
            failure: Some(failure.into()),
            model: None,
            usage: None,
            seconds: seconds(started),
        }
    }
}

impl std::fmt::Display for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, model) = (self.seconds, self.model.as_deref().unwrap_or("unknown"));
        if let Some(failure) = &self.failure {
            return write!(f, "failed after {seconds:.1} s: {failure}");
        }
        let answer = self.answer.as_deref().unwrap_or_default();
        write!(f, "answered in {seconds:.1} s, model {model}: {answer}")
    }
}

/// What stays the same from agent to agent.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) executable: &'a Path,
    /// How long an agent may take.
    pub(super) limit: Duration,
    pub(super) waiting: Waiting,
}

/// Runs the agent `name` once; the inner error is that of an interruption.
///
/// Blocks for the time limit and about half a minute more at the most. Afterwards no
/// process of the run is alive, unless an error says so.
pub(super) fn ask(
    ctx: &mut Context,
    trial: &mut Trial<'_>,
    name: &str,
) -> Result<Result<Live, Exit>, CliError> {
    let started = Instant::now();
    let config = ctx.config()?.config.clone();
    let agent = match prepare_named(&config, &ctx.environment, trial.executable, name) {
        Ok(agent) => agent,
        Err(error) => {
            let text = CliError::failed("it cannot be started").caused_by(error);
            let failure = Failure::new(FailureKind::Auth, text.chain());
            return Ok(Ok(Live::failed(failure, started)));
        }
    };
    let redactor = agent.redactor(config.all_secrets());
    let scratch = scratch(ctx)?;
    let failed = |error: std::io::Error| {
        let path = scratch.path().display();
        CliError::failed(format!("could not use {path}")).caused_by(error)
    };
    let cwd = scratch.folder("work").map_err(failed)?;
    let root = Root::at(&scratch.folder("root").map_err(failed)?)?;
    let task = root.task(
        &ProjectId::parse("doctor")?,
        &TaskId::generate(ctx.now(), ""),
    )?;
    let record = LaunchRecord {
        first_run: None,
        version: LaunchRecord::current_version(),
        launch_id: format!("{}-{}", id::stamp(ctx.now()), id::random_text(8)),
        kind: Kind::Job,
        mode: Mode::Start,
        origin: Origin::Foreground,
        root: root.path().to_owned(),
        project: task.project().clone(),
        task: task.id().clone(),
        prompt: Some(PROMPT.to_owned()),
        cwd,
        parent: None,
        parent_run: None,
        previous_run: None,
        depends_on: None,
        takes_up_cancelled: false,
        depth: 0,
        agent: name.to_owned(),
        agents: BTreeMap::from([(name.to_owned(), AgentEntry::Ready(Box::new(agent)))]),
        extra_env: BTreeMap::new(),
        policy: policy(&config, trial.limit),
        conductor_url: None,
        step: None,
        notify: None,
    };
    // The kernel's link is still this program after its file was replaced.
    let launched =
        launch(&record, &task, Path::new("/proc/self/exe")).map_err(launching::launch_error)?;
    let suppression = Some(config.defaults.stop_suppression);
    let mut flight = Flight::new(task.clone(), record.launch_id, GRACE, suppression);
    let (end, interrupted) = match wait(ctx, trial, &root, &mut flight) {
        Ok(waited) => waited,
        Err(error) => {
            scratch.keep();
            return Err(error);
        }
    };
    await_exit(&mut trial.waiting, &launched.supervisor);
    let live = result(&task, &end, &redactor, started);
    scratch.remove().map_err(|error| {
        CliError::failed("could not remove the scratch folder").caused_by(error)
    })?;
    Ok(match interrupted {
        Some(exit) => Err(exit),
        None => Ok(live),
    })
}

fn scratch(ctx: &Context) -> Result<Scratch, CliError> {
    let named = ctx.environment.get("TMPDIR").map(Path::new);
    let parent = named.filter(|path| path.is_absolute() && path.is_dir());
    let parent = parent.unwrap_or(Path::new("/tmp"));
    Scratch::make(parent, "run-agent-doctor").map_err(|error| {
        let parent = parent.display();
        CliError::failed(format!("could not make a scratch folder in {parent}"))
            .caused_by(error)
            .hint("name a folder for temporary files with TMPDIR")
    })
}

/// One attempt, without retries, other agents, children or waiting for limits.
fn policy(config: &cl_config::Config, limit: Duration) -> Policy {
    Policy {
        max_attempts: 1,
        max_duration: Some(limit),
        max_task_duration: Some(limit),
        max_output_bytes: MOST_OUTPUT,
        child_wait: GRACE,
        on_child_timeout: OnChildTimeout::Stop,
        grace: GRACE,
        max_children: 0,
        limits: Limits {
            auto_resume: false,
            stop_at_percent: None,
        },
        use_control_group: config.defaults.control_group == cl_config::ControlGroup::Auto,
        ..Policy::default()
    }
}

/// Waits for the end; a signal stops the run, a second one at once.
fn wait(
    ctx: &Context,
    trial: &mut Trial<'_>,
    root: &Root,
    flight: &mut Flight,
) -> Result<(AttachEnd, Option<Exit>), CliError> {
    let mut interrupted = None;
    let mut until = Instant::now() + trial.limit + GRACE + BEYOND;
    trial.waiting.begin();
    loop {
        match flight.end() {
            Some(end @ AttachEnd::Ended { .. }) => return Ok((end, interrupted)),
            Some(_) => break,
            None if Instant::now() >= until => break,
            None => {}
        }
        // Nobody is told of the answer, so the run is of no use to anybody else.
        let exit = match trial.waiting.pause() {
            Some(Request::Stop(exit)) => exit,
            Some(Request::Leave) => Exit::Terminated,
            None => continue,
        };
        interrupted = Some(exit);
        until = until.min(Instant::now() + GRACE + BEYOND);
        if series::ask_to_stop(ctx, flight, exit).is_err() {
            break;
        }
    }
    // Its supervisor died, or hangs, or cannot be asked.
    let options = StopOptions {
        by: "doctor".to_owned(),
        grace: Duration::ZERO,
        kills: true,
        suppression: None,
    };
    stop_task(root, flight.task(), &options, &*ctx.clock).map_err(|error| {
        CliError::failed("the agent that was tried out could not be ended").caused_by(error)
    })?;
    Ok((AttachEnd::Lost, interrupted))
}

/// Waits for the end of a supervisor that has given its task up.
fn await_exit(waiting: &mut Waiting, supervisor: &ProcessIdentity) {
    let until = Instant::now() + GONE_WITHIN;
    waiting.begin();
    while !reap(supervisor) && Instant::now() < until {
        // Whatever is wished for now, the end is near.
        waiting.pause();
    }
}

/// Says what came of the run.
fn result(task: &TaskDir, end: &AttachEnd, redactor: &Redactor, started: Instant) -> Live {
    let runs = task.runs().unwrap_or_default();
    let run = runs.into_iter().max_by_key(|run| run.id().started_at());
    let info = run.as_ref().and_then(|run| RunInfo::read(run).ok()?);
    let of_launch = match end {
        AttachEnd::Ended { result, .. } => result.failure.clone(),
        AttachEnd::Lost | AttachEnd::Detached => Some(Failure::new(
            FailureKind::RunnerLost,
            "its supervisor died or did not end in time",
        )),
    };
    let Some((run, info)) = run.zip(info) else {
        let failure = of_launch.unwrap_or_else(|| Failure::new(FailureKind::Unknown, "no run"));
        return Live::failed(failure, started);
    };
    let answer = answer(&run, redactor);
    let has_ended_well = info.status == RunStatus::Completed && info.failure.is_none();
    let failure = if has_ended_well {
        let is_silent = answer.is_none();
        is_silent.then(|| Failure::new(FailureKind::Unknown, "it ended well and said nothing"))
    } else {
        let fallback = || Failure::new(FailureKind::Unknown, &info.error_summary);
        Some(info.failure.clone().or(of_launch).unwrap_or_else(fallback))
    };
    Live {
        ok: failure.is_none(),
        // What stands there after a failure may be what we say of it.
        answer: answer.filter(|_| failure.is_none()),
        failure: failure.map(FailureFact::from),
        model: Some(info.backend_model.clone()).filter(|model| !model.is_empty()),
        usage: info.usage.map(UsageFact::from),
        seconds: seconds(started),
    }
}

/// Returns the first line that an agent has answered; none if it said nothing.
fn answer(run: &RunDir, redactor: &Redactor) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(run.output()).ok()?;
    file.take(READ_ANSWER).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = harmless(&redactor.redact(&text));
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(SHOWN_ANSWER).collect())
}

/// Returns the time since `started` in seconds, with one digit behind the point.
fn seconds(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 10.0).round() / 10.0
}
