//! Launching runs one after another or side by side, and waiting for them.
//!
//! Each is launched like a job and has a supervisor of its own: killing the
//! command that waits never hurts one that runs.

use std::path::PathBuf;
use std::time::Duration;

use cl_runner::attach::{self, AttachEnd, Attachment, Wish};
use cl_runner::launch::{Kind, Mode, Policy, Step, reap};
use cl_storage::process::ProcessIdentity;
use cl_storage::task_state::{ResultStatus, TaskResult};
use cl_storage::{RunId, TaskDir};

use super::launching::{self, Order};
use super::nesting::{self, Around};
use crate::args::LaunchArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// How long nothing may be looked at; the first looks follow each other faster.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// What all runs of a series have in common, found out before the first one.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) around: Option<Around>,
    pub(super) policy: Policy,
    pub(super) parent_run: Option<RunId>,
    /// Whether TERM ends the waiting only: the shell tools of agents send it.
    is_inside_agent: bool,
}

impl Common {
    /// Looks at the surroundings and the configuration. Gates are left out: nobody
    /// believes a claim to be done that a part of a series makes.
    pub(super) fn of(ctx: &Context, scope: &Scope, args: &LaunchArgs) -> Result<Self, CliError> {
        let around = nesting::around(scope)?;
        let base = match &around {
            Some(around) => nesting::inherited_policy(around),
            None => launching::configured_policy(&ctx.config()?.config),
        };
        let base = Policy {
            gates: Vec::new(),
            ..base
        };
        Ok(Self {
            around,
            policy: launching::policy(base, args, None),
            parent_run: scope.parent_run.as_ref().map(|run| run.value.clone()),
            is_inside_agent: ctx.environment.get("JRUN_ID").is_some(),
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
    pub(super) task: TaskDir,
    pub(super) prompt: Option<String>,
    pub(super) cwd: PathBuf,
    pub(super) agent: Option<String>,
    pub(super) policy: Policy,
    pub(super) env: std::collections::BTreeMap<String, String>,
    pub(super) previous_run: Option<RunId>,
    pub(super) step: Option<Step>,
}

/// A run that was launched.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) task: TaskDir,
    pub(super) launch_id: String,
    grace: Duration,
    /// None where another process launched it.
    supervisor: Option<ProcessIdentity>,
    wishes: u32,
}

impl Flight {
    /// Launches `part` as a job: through the supervisor around this command, else directly.
    pub(super) fn launch(ctx: &mut Context, common: &Common, part: Part) -> Result<Self, CliError> {
        let order = Order {
            kind: Kind::Job,
            mode: Mode::Start,
            task: part.task.clone(),
            prompt: part.prompt,
            cwd: part.cwd,
            policy: part.policy,
            agent: part.agent,
            extra_env: part.env,
            parent_run: common.parent_run.clone(),
            parent: None,
            depth: 0,
            previous_run: part.previous_run,
            is_detached: false,
            step: part.step,
        };
        let grace = order.policy.grace;
        let nested = match &common.around {
            Some(around) => nesting::launch_through(ctx, around, &order)?,
            None => None,
        };
        let (launch_id, supervisor) = match nested {
            Some(launch_id) => (launch_id, None),
            None => {
                let ready = launching::ready(ctx, order.agent.as_deref())?;
                let (launch_id, supervisor) = launching::launch_supervised(ctx, order, ready)?;
                (launch_id, Some(supervisor))
            }
        };
        Ok(Self {
            task: part.task,
            launch_id,
            grace,
            supervisor,
            wishes: 0,
        })
    }

    /// Takes up a launch that goes on.
    pub(super) fn found(task: TaskDir, launch_id: String, grace: Duration) -> Self {
        Self {
            task,
            launch_id,
            grace,
            supervisor: None,
            wishes: 0,
        }
    }

    /// Returns how it ended; none while it goes on.
    pub(super) fn end(&self) -> Option<AttachEnd> {
        let end = attach::end_of(&self.task, &self.launch_id)?;
        if let Some(supervisor) = &self.supervisor {
            // It gives the task up a moment before it ends; the rest is the system's.
            reap(supervisor);
        }
        Some(end)
    }

    /// Asks it to stop; asked again, it is killed at once.
    pub(super) fn ask_to_stop(&mut self, ctx: &Context, exit: Exit) -> Result<(), CliError> {
        let grace = if self.wishes > 0 {
            Duration::ZERO
        } else {
            self.grace
        };
        self.wishes += 1;
        let (by, code) = match exit {
            Exit::Terminated => ("signal TERM", 143),
            _ => ("Ctrl-C", 130),
        };
        attach::request_stop(&self.task, &self.launch_id, by, code, grace, &*ctx.clock).map_err(
            |error| CliError::failed(format!("could not stop {}", self.task.id())).caused_by(error),
        )
    }
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
    signals: Attachment,
    is_inside_agent: bool,
    pause: Duration,
}

impl Waiting {
    /// Gets ready; from now on signals are requests.
    pub(super) fn prepare(common: &Common) -> Result<Self, CliError> {
        let signals = Attachment::prepare()
            .map_err(|error| CliError::failed("could not get ready to wait").caused_by(error))?;
        Ok(Self {
            signals,
            is_inside_agent: common.is_inside_agent,
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
        Some(match self.signals.wish_within(limit)? {
            Wish::Interrupt => Request::Stop(Exit::Interrupted),
            Wish::Terminate if !self.is_inside_agent => Request::Stop(Exit::Terminated),
            Wish::Terminate | Wish::HangUp => Request::Leave,
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
    let mut interrupted = None;
    waiting.begin();
    loop {
        if let Some(end) = flight.end() {
            return Ok(PartEnd::Ended(end, interrupted));
        }
        match waiting.pause() {
            Some(Request::Stop(exit)) => {
                interrupted = Some(exit);
                flight.ask_to_stop(ctx, exit)?;
            }
            Some(Request::Leave) => return Ok(PartEnd::Left),
            None => {}
        }
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

/// Returns the newest run of `task`.
pub(super) fn newest_run(task: &TaskDir) -> Option<RunId> {
    let runs = task.runs().ok()?;
    let newest = runs.into_iter().max_by_key(|run| run.id().started_at())?;
    Some(newest.id().clone())
}
