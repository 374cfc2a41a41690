//! The process that keeps one task going.
//!
//! It holds `owner.lock` from launch to the task's terminal state, runs the
//! restart loop and is the parent of the agents. One thread, one loop: take a
//! view of the task, decide the next step ([`decide`]), perform it, again.
//! Whatever it waits for, it waits in [`Supervisor::next_event`], so that
//! requests, signals and the ends of processes are seen in one order.
//!
//! A crash at any point leaves: no lock; an `owner.yaml` that names a dead
//! process ("lost"); records that say at most that something runs. The next
//! owner ends what is left of the agents, settles their records and goes on.

mod account;
mod admission;
mod attempt;
mod budget;
mod children;
mod choice;
mod decide;
mod dependencies;
mod events;
mod evicted;
mod finish;
mod flags;
mod footprint;
mod gate;
mod group;
mod journal;
mod limits;
mod live;
mod placing;
mod recap;
mod requests;
#[cfg(test)]
mod simulation;
mod spool;
mod start;
mod surroundings;
mod telling;
mod version;
mod watch;
mod work;

pub(crate) use start::{answer, detach_output};

use std::collections::BTreeMap;
use std::path::PathBuf;

use cl_storage::redact::Redactor;
use cl_storage::task_state::TaskState;
use cl_storage::{Clock as _, Failure, Root, RunId, SystemClock, TaskDir, owner::Ownership};
use jiff::Timestamp;

use crate::launch::{LaunchAgent, LaunchRecord, Readiness, read_record};
use crate::process::{descriptors, reaper::Reaper};
use decide::{GateVerdict, LastAttempt, Step, View};
use events::Signals;
use journal::Journal;

/// Runs a supervisor: reads its launch record from standard input and returns
/// its exit code when the task has reached its end.
///
/// Must be the first thing that its process does: it closes inherited
/// descriptors, makes the process a session leader and a child subreaper.
pub fn supervise(environment: impl FnOnce() -> std::io::Result<cl_config::Environment>) -> i32 {
    descriptors::close_inherited();
    // Fails only for a process that leads a group already, which is as good.
    rustix::process::setsid().ok();
    // Started through a link of the kernel, it would be called "exe".
    rustix::thread::set_name(c"run-agent").ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (Ok(runtime), Some(record)) = (runtime, read_record()) else {
        return 1;
    };
    runtime.block_on(async {
        let started = match record {
            Ok(record) => start::start(record, environment),
            Err(message) => Err(start::Refused::failed(message)),
        };
        match started {
            Ok(supervisor) => {
                start::answer(&Readiness::Ready);
                start::detach_output(&supervisor.task, &supervisor.redactor);
                // What an earlier sender has left.
                crate::notify::start::kick(&supervisor.root);
                // The supervisor itself is in it, and large.
                Box::pin(supervisor.run_while_owned()).await
            }
            Err(refused) => {
                start::answer(&refused.readiness());
                1
            }
        }
    })
}

/// A wish to stop that is being carried out.
#[derive(Debug, Clone)]
struct Stop {
    requested_at: Timestamp,
    by: String,
    kill_at: Timestamp,
    exit_code: i32,
    suppress_ms: Option<u64>,
}

/// The supervisor of one task.
struct Supervisor {
    record: LaunchRecord,
    agent: LaunchAgent,
    root: Root,
    task: TaskDir,
    ownership: Ownership,
    state: TaskState,
    prompt: String,
    /// The environment that agents inherit from.
    base_env: BTreeMap<String, String>,
    executable: PathBuf,
    redactor: Redactor,
    clock: SystemClock,
    signals: Signals,
    reaper: Reaper,
    group: group::Group,
    journal: Journal,
    stop: Option<Stop>,
    last: Option<LastAttempt>,
    /// The run that the next attempt continues.
    previous_run: Option<RunId>,
    /// Where the project's bus ended when the latest attempt began.
    untold_from: Option<cl_bus::Cursor>,
    /// Which agent the next attempt is made with.
    choice: choice::Choice,
    gates: GateVerdict,
    children_waited: bool,
    paused: bool,
    /// What the first attempt waits for.
    dependencies: dependencies::Dependencies,
    /// When lost children are looked for again, after one could not be settled.
    settles_from: tokio::time::Instant,
    /// A limit on money or time that ends the task as soon as nothing runs.
    over: Option<Failure>,
    /// Told when the task is not this supervisor's any more.
    evicted: std::rc::Rc<tokio::sync::Notify>,
    /// Told when this process is to end before its task.
    leaves: std::rc::Rc<tokio::sync::Notify>,
}

impl Supervisor {
    async fn run(mut self) -> i32 {
        if let Err(error) = self.settle_earlier_runs() {
            let outcome = finish::End::unsettled(error.as_ref());
            return self.finish(outcome).await;
        }
        let outcome = loop {
            self.note_overtime();
            match self
                .look_at_dependencies()
                .and_then(|()| self.next_step())
                .and_then(|step| self.record_wait(&step).map(|()| step))
            {
                Ok(step) => match self.perform(step).await {
                    Ok(None) => {}
                    Ok(Some(end)) => break end,
                    Err(error) => break finish::End::broken(error.as_ref()),
                },
                Err(error) => break finish::End::broken(error.as_ref()),
            }
        };
        self.finish(outcome).await
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn next_step(&self) -> Result<Step, Broken> {
        let now = self.now();
        let markers = cl_storage::marker::Markers::read(&self.task, now)?;
        Ok(decide::next_step(&View {
            kind: self.record.kind,
            policy: &self.record.policy,
            done: markers.done,
            cancelled: markers.has(cl_storage::marker::Marker::Cancelled),
            stopping: self.stop.is_some(),
            attempts: self.state.attempts.this_launch,
            attempts_today: self.state.attempts.on_day_of(now),
            agents: &self.agents(),
            last: self.last.as_ref(),
            active_children: self.active_children().len(),
            children_waited: self.children_waited,
            gates: self.gates.clone(),
            gate_failures: self.state.gate_failures.count,
            alike_refusals: self.state.gate_failures.alike,
            refused_by: &self.state.gate_failures.last_gate,
            over: self.over.as_ref(),
            paused: self.paused,
            dependencies: self.dependencies.outlook(),
        }))
    }

    /// Writes what the task waits for before it waits.
    fn record_wait(&mut self, step: &Step) -> Result<(), Broken> {
        let (waiting_for, limit) = match step {
            // A pause of no length is no wait, and nobody could see it.
            Step::Pause(pause) if !pause.is_zero() => (Some("delay"), None),
            Step::AwaitChildren => (Some("children"), None),
            Step::AwaitLimit(closed) => (Some("limit"), Some(closed)),
            Step::AwaitDependencies => (Some("dependencies"), None),
            _ => (None, None),
        };
        let wake_at = limit.map(|closed| closed.until);
        let limit = limit.map(|closed| closed.limit.clone());
        if self.state.waiting_for.as_deref() == waiting_for
            && self.state.wake_at == wake_at
            && self.state.limit == limit
        {
            return Ok(());
        }
        let ends_delay = self.state.waiting_for.as_deref() == Some("delay");
        let is_told = self.state.waiting_for.as_deref() == Some("limit");
        let is_new = self.state.waiting_for.as_deref() != waiting_for;
        self.state.waiting_for = waiting_for.map(str::to_owned);
        (self.state.wake_at, self.state.limit) = (wake_at, limit);
        if ends_delay && matches!(step, Step::Attempt) {
            // The attempt is counted first of all, and the end of the wait is written with that.
            return Ok(());
        }
        if is_new {
            // Before the state: whoever finds that written tells nobody again.
            self.spool_waiting();
        }
        self.state.write(&self.task)?;
        if let (Some(wake_at), Some(limit), false) = (wake_at, &self.state.limit, is_told) {
            let until = wake_at.strftime("%Y-%m-%d %H:%M:%SZ");
            let text = format!(
                "waiting until {until}: {}\n`run-agent task wake {}` ends the wait",
                limit.reason,
                self.task.id()
            );
            let meta = [("wake_at", wake_at.to_string())];
            self.post("INFO", &text, &meta);
            cl_storage::crash::point("limit-waiting");
        }
        if is_new && waiting_for == Some("limit") {
            crate::notify::start::kick(&self.root);
        }
        Ok(())
    }

    /// Performs one step; `Some` is the end of the task.
    async fn perform(&mut self, step: Step) -> Result<Option<finish::End>, Broken> {
        match step {
            Step::Attempt => {
                self.paused = false;
                self.gates = GateVerdict::Pending;
                self.children_waited = false;
                Box::pin(self.note_tree_before()).await?;
                if self.may_spend() && self.stop.is_none() {
                    self.attempt().await?;
                }
            }
            Step::Pause(pause) => {
                self.pause(pause).await;
                self.paused = true;
            }
            Step::AwaitLimit(closed) => self.await_limit(&closed).await,
            Step::Switch { to, because } => self.switch_to(&to, &because)?,
            // One look, then decide again: a marker or a wish may have come.
            Step::AwaitDependencies => {
                let poll = self.within_time(self.record.policy.dependency_poll);
                self.next_event(poll).await;
            }
            Step::AwaitChildren => {
                self.await_children().await?;
                self.children_waited = true;
            }
            Step::RunGates => self.gates = Box::pin(self.run_gates()).await?,
            Step::RejectDone => {
                self.reject_done()?;
                self.gates = GateVerdict::Pending;
                self.children_waited = false;
            }
            Step::Complete => {
                if !self.record.policy.judges_claims() {
                    Box::pin(self.look_for_work()).await?;
                }
                return Ok(Some(finish::End::Complete));
            }
            Step::Fail(failure) => return Ok(Some(finish::End::Failed(failure))),
            Step::Stopped => return Ok(Some(finish::End::Stopped)),
            Step::Cancelled => return Ok(Some(finish::End::Cancelled)),
        }
        Ok(None)
    }

    /// Waits for `pause`, or until somebody wants the task to end.
    async fn pause(&mut self, pause: std::time::Duration) {
        let until = tokio::time::Instant::now() + pause;
        while !self.is_given_up() {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let left = self.within_time(left);
            if left.is_zero() {
                return;
            }
            self.next_event(left.min(events::LONGEST_WAIT)).await;
        }
    }
}

/// An error after which the supervisor cannot keep its promises.
type Broken = Box<dyn std::error::Error + Send + Sync>;
