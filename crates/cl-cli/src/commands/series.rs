//! Launching runs one after another or side by side, and waiting for them.
//!
//! Each is launched like a job and has a supervisor of its own: killing the
//! command that waits never hurts one that runs.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_bus::{Bus, Draft};
use cl_runner::attach::{AttachEnd, Flight, OnTerminate, attach};
use cl_runner::launch::{Kind, Mode, Policy, Step};
use cl_runner::wishes::{Wish, Wishes};
use cl_storage::durable::Mode as FileMode;
use cl_storage::lock::HeldLock;
use cl_storage::marker::{Marker, Markers};
use cl_storage::owner::Owner;
use cl_storage::redact::Redactor;
use cl_storage::run_info::RunInfo;
use cl_storage::task_state::{ResultStatus, TaskResult};
use cl_storage::{RunDir, RunId, TaskDir, TaskId};
use jiff::Timestamp;

use super::launching::{self, Order};
use super::nesting::{self, Around};
use crate::args::LaunchArgs;
use crate::commands::launch_policy;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::open_regular;

/// How long nothing may be looked at; the first looks follow each other faster.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// How much of an answer is read before the part that is wanted, to recognise secrets.
const AHEAD: u64 = 16 * 1024;

/// What all runs of a series have in common, found out before the first one.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) around: Option<Around>,
    pub(super) policy: Policy,
    pub(super) parent_run: Option<RunId>,
    on_terminate: OnTerminate,
}

impl Common {
    /// Looks at the surroundings and the configuration. Gates are left out: nobody
    /// believes a claim to be done that a part of a series makes.
    pub(super) fn of(ctx: &Context, scope: &Scope, args: &LaunchArgs) -> Result<Self, CliError> {
        let around = nesting::around(scope)?;
        let base = match &around {
            Some(around) => nesting::inherited_policy(around),
            None => launch_policy::configured_policy(&ctx.config()?.config),
        };
        let base = Policy {
            gates: Vec::new(),
            ..base
        };
        Ok(Self {
            around,
            policy: launch_policy::policy(base, args, None),
            parent_run: scope.parent_run.as_ref().map(|run| run.value.clone()),
            on_terminate: launching::on_terminate(ctx),
        })
    }

    /// Makes sure that `agent` can be started, as far as this process can tell.
    pub(super) fn check_agent(&self, ctx: &Context, agent: Option<&str>) -> Result<(), CliError> {
        match self.around {
            // Its supervisor knows the agents, and says so when it is asked.
            Some(_) => Ok(()),
            None => launching::ready(ctx, agent).map(drop),
        }
    }
}

/// One run that is to be launched.
#[derive(Debug)]
pub(super) struct Part {
    /// A job is waited for; a task is detached.
    pub(super) kind: Kind,
    pub(super) task: TaskDir,
    pub(super) prompt: Option<String>,
    pub(super) cwd: PathBuf,
    pub(super) agent: Option<String>,
    pub(super) policy: Policy,
    pub(super) env: std::collections::BTreeMap<String, String>,
    pub(super) previous_run: Option<RunId>,
    /// The tasks that must be done first; none keeps those that are stored.
    pub(super) depends_on: Option<Vec<TaskId>>,
    pub(super) step: Option<Step>,
}

/// Launches `part`: through the supervisor around this command, else directly.
pub(super) fn launch(ctx: &mut Context, common: &Common, part: Part) -> Result<Flight, CliError> {
    let order = Order {
        kind: part.kind,
        mode: Mode::Start,
        task: part.task,
        prompt: part.prompt,
        cwd: part.cwd,
        policy: part.policy,
        agent: part.agent,
        extra_env: part.env,
        parent_run: common.parent_run.clone(),
        parent: None,
        depth: 0,
        previous_run: part.previous_run,
        depends_on: part.depends_on,
        takes_up_cancelled: false,
        is_detached: part.kind == Kind::Task,
        step: part.step,
    };
    launching::launch(ctx, common.around.as_ref(), order, None)
}

/// Asks a run to stop; asked again, it is killed at once.
pub(super) fn ask_to_stop(ctx: &Context, flight: &mut Flight, exit: Exit) -> Result<(), CliError> {
    let wish = match exit {
        Exit::Terminated => Wish::Terminate,
        _ => Wish::Interrupt,
    };
    flight.stop(wish, &*ctx.clock).map_err(|error| {
        CliError::failed(format!("could not stop {}", flight.task().id())).caused_by(error)
    })
}

/// What a signal asks of a command that waits for runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// Stop what runs and end with this code.
    Stop(Exit),
    /// Leave what runs alone and end.
    Leave,
}

/// The signals to a command that waits, and how often it looks.
#[derive(Debug)]
pub(super) struct Waiting {
    signals: Wishes,
    on_terminate: OnTerminate,
    pause: Duration,
}

impl Waiting {
    /// Gets ready; from now on signals are requests.
    pub(super) fn prepare(common: &Common) -> Result<Self, CliError> {
        Self::with(common.on_terminate)
    }

    /// Gets ready outside of any series: TERM always means this command.
    pub(super) fn plain() -> Result<Self, CliError> {
        Self::with(OnTerminate::Stop)
    }

    fn with(on_terminate: OnTerminate) -> Result<Self, CliError> {
        let signals = Wishes::prepare()
            .map_err(|error| CliError::failed("could not get ready to wait").caused_by(error))?;
        Ok(Self {
            signals,
            on_terminate,
            pause: SHORTEST_PAUSE,
        })
    }

    /// Pauses, longer each time until [`Self::begin`], or until a signal comes.
    pub(super) fn pause(&mut self) -> Option<Request> {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.within(pause)
    }

    /// Waits for a signal, for `limit` at the most.
    pub(super) fn within(&mut self, limit: Duration) -> Option<Request> {
        let wish = self.signals.within(limit)?;
        Some(if self.on_terminate.is_for_task(wish) {
            Request::Stop(exit_of(wish))
        } else {
            Request::Leave
        })
    }

    /// Begins with short pauses again: something has just happened.
    pub(super) fn begin(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }
}

/// How a run of a series ended, as far as the command saw it.
#[derive(Debug)]
pub(super) enum PartEnd {
    /// It has ended. With a code if somebody interrupted the command meanwhile.
    Ended(AttachEnd, Option<Exit>),
    /// It goes on without being waited for.
    Left,
}

/// Waits for one run, and stops it if the command is interrupted.
pub(super) fn wait_for(
    ctx: &Context,
    waiting: &mut Waiting,
    flight: &mut Flight,
) -> Result<PartEnd, CliError> {
    waiting.begin();
    let on_terminate = waiting.on_terminate;
    let attached = attach(
        &mut waiting.signals,
        flight,
        on_terminate,
        &*ctx.clock,
        || {},
    );
    let attached = attached.map_err(|error| {
        CliError::failed(format!("could not wait for {}", flight.task().id())).caused_by(error)
    })?;
    Ok(match attached.end {
        AttachEnd::Detached => PartEnd::Left,
        end => PartEnd::Ended(end, attached.stopped_by.map(exit_of)),
    })
}

/// Returns what a command ends with that was asked to stop its runs.
fn exit_of(wish: Wish) -> Exit {
    match wish {
        Wish::Interrupt => Exit::Interrupted,
        Wish::Terminate | Wish::HangUp => Exit::Terminated,
    }
}

/// Tells in one line why a run did not end well.
pub(super) fn why(result: &TaskResult) -> Option<String> {
    let fallback = match result.status {
        ResultStatus::Completed => return None,
        ResultStatus::Failed => "it failed",
        ResultStatus::Stopped => "it was stopped",
    };
    let failure = result.failure.as_ref().map(ToString::to_string);
    Some(failure.unwrap_or_else(|| fallback.to_owned()))
}

/// Returns the newest run of `task`; none if it has none.
pub(super) fn newest_run(task: &TaskDir) -> Result<Option<RunId>, CliError> {
    let runs = task.runs()?;
    let newest = runs.into_iter().max_by_key(|run| run.id().started_at());
    Ok(newest.map(|run| run.id().clone()))
}

/// How one run of a series ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The run; none if it was ended before there was one.
    pub(super) run: Option<RunDir>,
    pub(super) end: StepEnd,
}

/// The end of a run, in the words of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepEnd {
    /// It ended well.
    Good,
    /// It failed, and why.
    Bad(String),
    /// Somebody stopped the task.
    Stopped(String),
    /// Somebody interrupted this command, which stopped the run.
    Interrupted(Exit),
    /// This command was told to go; the run goes on.
    Left,
}

/// Launches `part` and waits for its end.
pub(super) fn run_part(
    ctx: &mut Context,
    common: &Common,
    waiting: &mut Waiting,
    part: Part,
) -> Result<Outcome, CliError> {
    let before = newest_run(&part.task)?;
    let mut flight = launch(ctx, common, part)?;
    let end = wait_for(ctx, waiting, &mut flight)?;
    let task = flight.task();
    let run = newest_run(task)?.filter(|run| Some(run) != before.as_ref());
    let run = run.map(|run| task.run(&run)).transpose()?;
    Ok(Outcome {
        run,
        end: step_end(end),
    })
}

/// Waits for the end of a launch that was found under way.
pub(super) fn wait_for_found(
    ctx: &Context,
    waiting: &mut Waiting,
    task: &TaskDir,
    launch_id: String,
    grace: Duration,
) -> Result<StepEnd, CliError> {
    let suppression = Some(ctx.config()?.config.defaults.stop_suppression);
    let mut flight = Flight::new(task.clone(), launch_id, grace, suppression);
    wait_for(ctx, waiting, &mut flight).map(step_end)
}

fn step_end(end: PartEnd) -> StepEnd {
    match end {
        PartEnd::Left => StepEnd::Left,
        PartEnd::Ended(AttachEnd::Ended { result, .. }, interrupted) => {
            match (result.status, interrupted) {
                (ResultStatus::Completed, _) => StepEnd::Good,
                (_, Some(exit)) => StepEnd::Interrupted(exit),
                (ResultStatus::Stopped, None) => StepEnd::Stopped(why(&result).unwrap_or_default()),
                (ResultStatus::Failed, None) => StepEnd::Bad(why(&result).unwrap_or_default()),
            }
        }
        PartEnd::Ended(AttachEnd::Lost | AttachEnd::Detached, Some(exit)) => {
            StepEnd::Interrupted(exit)
        }
        PartEnd::Ended(AttachEnd::Lost | AttachEnd::Detached, None) => {
            StepEnd::Bad("the supervisor of the run died".to_owned())
        }
    }
}

/// Makes sure that one command at a time makes a series of runs of `task`.
///
/// The task's folder is made if it is missing. The lock ends with the process.
pub(super) fn lock(task: &TaskDir) -> Result<HeldLock, CliError> {
    task.ensure()?;
    let path = task.path().join("series.lock");
    HeldLock::acquire(&path, FileMode::Shared, Duration::ZERO).map_err(|error| {
        let task = task.id();
        let refused = if error.is_timeout() {
            CliError::conflict(format!(
                "another `iterate` or `workflow run` is at work on task {task}"
            ))
        } else {
            CliError::failed(format!("could not lock task {task}"))
        };
        refused.caused_by(error)
    })
}

/// Returns the run of `role` and `iteration` that was begun last, not before `since`,
/// and is none of `known`.
pub(super) fn find_run(
    task: &TaskDir,
    role: &str,
    iteration: u32,
    since: Timestamp,
    known: &[RunId],
) -> Result<Option<(RunDir, RunInfo)>, CliError> {
    let mut newest: Option<(RunDir, RunInfo)> = None;
    for run in task.runs()? {
        if known.contains(run.id()) {
            continue;
        }
        // One that cannot be read may be the one that is looked for.
        let info = RunInfo::read(&run).map_err(|error| {
            CliError::failed(format!("could not look at run {}", run.id())).caused_by(error)
        })?;
        let Some(info) = info else { continue };
        let fits = info.role == role
            && info.iteration == Some(iteration)
            && info.sort_time() >= since
            && (newest.as_ref()).is_none_or(|(_, last)| last.sort_time() <= info.sort_time());
        if fits {
            newest = Some((run, info));
        }
    }
    Ok(newest)
}

/// Returns what a run answered without the configured secrets: its last `limit` bytes
/// if it is longer, and nothing if it left no answer.
///
/// What cannot be read is an error: nobody may judge an empty text in its place.
pub(super) fn answer(ctx: &Context, run: &RunDir, limit: u64) -> Result<String, CliError> {
    let redactor = Redactor::new(ctx.config()?.config.all_secrets());
    tail_of(&run.output(), limit, &redactor)
}

fn tail_of(path: &Path, limit: u64, redactor: &Redactor) -> Result<String, CliError> {
    let unreadable =
        |error| CliError::failed(format!("could not read {}", path.display())).caused_by(error);
    let Some(mut file) = open_regular(path).map_err(unreadable)? else {
        return Ok(String::new());
    };
    let read = |file: &mut File| -> std::io::Result<Vec<u8>> {
        // A secret that the limit would cut in two is not recognised: read some more.
        let start = file.metadata()?.len().saturating_sub(limit + AHEAD);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(limit + AHEAD).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read(&mut file).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = redactor.redact(&text);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let start = text.ceil_char_boundary(text.len().saturating_sub(most));
    Ok(text[start..].to_owned())
}

/// Posts a message about `task`; a bus that does not take it costs a warning only.
pub(super) fn post(
    ctx: &mut Context,
    task: &TaskDir,
    kind: &str,
    body: &str,
    run: Option<&RunId>,
    meta: &[(&str, &str)],
) {
    let mut draft = Draft::new(kind, task.project().clone(), body).task(task.id().clone());
    if let Some(run) = run {
        draft = draft.run(run.clone());
    }
    for (name, value) in meta {
        draft = draft.meta(*name, *value);
    }
    if let Err(error) = Bus::new(task.bus()).append(&draft) {
        let error = CliError::failed("a message could not be posted").caused_by(error);
        ctx.console.warn(error.chain());
    }
}

/// Sets a claim to be done aside that a run of a series has made: the series decides.
pub(super) fn set_claim_aside(ctx: &Context, task: &TaskDir) -> Result<(), CliError> {
    cl_runner::settle::set_claim_aside(task, &*ctx.clock).map_err(|error| {
        CliError::failed(format!("could not set the DONE of {} aside", task.id())).caused_by(error)
    })
}

/// Refuses a task that cannot have a series: done, given up, or owned by somebody.
pub(super) fn check_free(ctx: &Context, task: &TaskDir) -> Result<(), CliError> {
    let markers = Markers::read(task, ctx.now()).map_err(|error| {
        CliError::failed(format!("could not look at {}", task.id())).caused_by(error)
    })?;
    let verbs = [
        (Marker::Done, "resume", " --no-start"),
        (Marker::Cancelled, "uncancel", ""),
    ];
    for (marker, verb, flag) in verbs {
        if markers.has(marker) {
            let name = marker.file_name();
            let hint = format!(
                "`run-agent task {verb} {} --project {}{flag}` takes the marker away",
                task.id(),
                task.project()
            );
            return Err(
                CliError::conflict(format!("task {} is marked {name}", task.id())).hint(hint),
            );
        }
    }
    Ok(())
}

/// Returns the launch that is under way in `task`, if any.
pub(super) fn launch_under_way(task: &TaskDir) -> Result<Option<String>, CliError> {
    let owner = Owner::read(task).map_err(|error| {
        CliError::failed(format!("could not tell who owns task {}", task.id())).caused_by(error)
    })?;
    let alive = owner.filter(Owner::is_alive);
    Ok(alive.map(|owner| owner.launch_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::durable;
    use cl_storage::{ProjectId, Root, TaskId};

    #[test]
    fn answers_are_cut_at_their_beginning_and_masked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("output.md");
        let redactor = Redactor::new(["canary-0123456789".into()]);
        let read = |limit| tail_of(&path, limit, &redactor).unwrap();
        assert_eq!(read(9), "");
        let write = |text: &str| durable::replace(&path, text.as_bytes(), FileMode::Shared);
        write("ünd canary-0123456789 end").unwrap();
        assert!(!read(100).contains("canary-"), "{}", read(100));
        for limit in 0..30 {
            let text = read(limit);
            assert!(text.len() as u64 <= limit, "{text}");
            assert!(!text.contains("56789"), "{text}");
        }
        assert_eq!(read(3), "end");
    }

    #[test]
    fn what_is_no_file_is_an_error_and_never_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let redactor = Redactor::new([]);
        let path = place.path().join("output.md");
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        tail_of(&path, 9, &redactor).unwrap_err();
        let pipe = place.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        tail_of(&pipe, 9, &redactor).unwrap_err();
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::at(place.path()).unwrap();
        let id = TaskId::parse("task-20260101-000000-one").unwrap();
        let task = root.task(&ProjectId::parse("p").unwrap(), &id).unwrap();
        task.ensure().unwrap();
        assert_eq!(launch_under_way(&task).unwrap(), None);
        assert_eq!(newest_run(&task).unwrap(), None);
        std::os::unix::fs::symlink("nowhere", task.owner()).unwrap();
        launch_under_way(&task).unwrap_err();
        std::fs::remove_dir_all(task.runs_folder()).unwrap_or_default();
        std::fs::write(task.runs_folder(), "").unwrap();
        newest_run(&task).unwrap_err();
        find_run(&task, "stage", 1, Timestamp::UNIX_EPOCH, &[]).unwrap_err();
    }

    #[test]
    fn only_a_lock_that_is_held_is_told_as_one() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::at(place.path()).unwrap();
        let id = TaskId::parse("task-20260101-000000-one").unwrap();
        let task = root.task(&ProjectId::parse("p").unwrap(), &id).unwrap();
        let held = lock(&task).unwrap();
        assert!(lock(&task).unwrap_err().chain().contains("another"));
        drop(held);
        std::fs::remove_file(task.path().join("series.lock")).unwrap_or_default();
        std::fs::create_dir(task.path().join("series.lock")).unwrap();
        let told = lock(&task).unwrap_err().chain();
        assert!(!told.contains("another"), "{told}");
    }
}
