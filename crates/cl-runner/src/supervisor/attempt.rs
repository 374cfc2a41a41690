//! One attempt: one run of the agent, from its folder to its last event.
//!
//! ```text
//! folder ─ record(preparing) ─ [slot: queued] ─ prompt ─ RUN_START ─ SPAWN ─ pid.txt, record(running)
//!   … agent works …
//! EXIT ─ [drain] ─ end what is left ─ [long answer: record(finalizing)] ─ output.md ─ record(ended) ─ RUN_STOP/RUN_CRASH
//! ```
//!
//! A crash between SPAWN and the record leaves an agent that only its
//! environment marker names; settling finds it by that.

use std::fs::File;

use cl_agent::{CommandRequest, Exit, Outcome, Stdin};
use cl_storage::durable::{self, Mode};
use cl_storage::process::ProcessIdentity;
use cl_storage::queue::QueueError;
use cl_storage::run_info::{self, Phase, RunInfo, StopRecord};
use cl_storage::slot::SlotError;
use cl_storage::{Failure, FailureKind, RunDir, RunId, crash, pid_file};
use tokio::time::Instant;

use super::{Broken, Supervisor};
use crate::process::pids::PidSpan;
use crate::process::spawn::{Program, why_not_started};

/// Why an agent was ended by us.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// It was not.
    ByItself,
    /// A limit was reached.
    Limit(FailureKind, String),
    /// Somebody wants the task to end.
    Stop,
    /// The run could not be recorded.
    Unrecorded(String),
}

/// What became of a run.
pub(super) struct RunEnd {
    pub(super) outcome: Outcome,
    pub(super) exit_code: i32,
    pub(super) ended: Ended,
    pub(super) stop: Option<StopRecord>,
}

impl Supervisor {
    /// Makes one attempt and remembers how it went.
    pub(super) async fn attempt(&mut self) -> Result<(), Broken> {
        let now = self.now();
        self.attempt_begins();
        let number = self.state.attempts.ordinal();
        self.state.attempts.count(now);
        self.state.write(&self.task)?;
        if self.record.kind == crate::launch::Kind::Task {
            self.post_ahead("INFO", &format!("starting root agent (restart #{number})"));
        }
        crash::point("before-run-folder");
        let promised = self.record.first_run.take();
        // Taken if the launch is one that was begun before.
        let id = promised.filter(|id| !self.task.runs_folder().join(id.as_str()).exists());
        let id = id.unwrap_or_else(|| RunId::generate(now));
        self.untold_from = crate::propagate::end_of_bus(&self.task);
        let (run, info) = run_info::begin_as(&self.task, id, |run| self.first_record(run))?;
        crash::point("run-recorded");
        let started = Instant::now();
        let end = match self.run_agent(&run, &info).await {
            Ok(end) => end,
            Err(error) if error.is::<QueueError>() || error.is::<SlotError>() => {
                // No agent has had its turn, and the next one could not have it, either.
                let end = self.failed_before_start(&run, error.as_ref());
                self.record_end(&run, &end)?;
                self.state.attempts.forgive();
                return Err(Box::new(NoSlot(error)));
            }
            Err(error) => self.failed_before_start(&run, error.as_ref()),
        };
        self.note_work(&run, &end.outcome);
        let failure = self.record_end(&run, &end)?;
        self.account_for(&end, failure.as_ref(), now);
        if (failure.as_ref()).is_some_and(|failure| failure.kind == FailureKind::LimitWindow) {
            self.state.attempts.forgive();
            self.state.write(&self.task)?;
        }
        self.claim_for_service(failure.as_ref())?;
        self.remember(&run, &end, failure.clone(), started.elapsed());
        // What was recorded, because the stream does not know why we ended the agent.
        let failure = self.last.as_ref().and_then(|last| last.failure.as_ref());
        if self.record.kind == crate::launch::Kind::Task
            && let Some(failure) = failure.map(ToString::to_string)
        {
            let text = format!("root agent failed on restart #{number}: {failure}");
            self.post("WARNING", &text, &[]);
        }
        Ok(())
    }

    /// Says that the task is done in the place of an agent that cannot.
    ///
    /// A service answers a question and writes no files: its answer is all that the
    /// task can come to. Gates judge the claim like any other. Behind the record of
    /// the run, because a claim without the answer would be worth nothing.
    fn claim_for_service(&self, failure: Option<&Failure>) -> Result<(), Broken> {
        let is_claimed = failure.is_none()
            && self.agent.spec.kind.is_service()
            && self.record.kind == crate::launch::Kind::Task;
        if is_claimed {
            crash::point("service-unclaimed");
            cl_storage::marker::create_done(&self.task)?;
        }
        Ok(())
    }

    fn first_record(&self, run: &RunDir) -> RunInfo {
        let owner = self.ownership.owner();
        let mut info = RunInfo::preparing(run, self.agent.spec.kind.as_str(), self.now());
        info.parent_run_id = self.parent_run();
        info.previous_run_id.clone_from(&self.previous_run);
        info.cwd = self.record.cwd.to_string_lossy().into_owned();
        // Until there is an agent, readers of the earlier format look at the supervisor.
        info.pid = owner.pid;
        info.pgid = owner.pid;
        info.process_start = Some(owner.process_start.clone());
        info.supervisor_pid = Some(owner.pid);
        info.supervisor_start = Some(owner.process_start.clone());
        info.agent_name.clone_from(&self.record.agent);
        info.attempt = Some(self.state.attempts.ordinal());
        info.depth = Some(self.record.depth);
        if let Some(step) = &self.record.step {
            info.role.clone_from(&step.role);
            info.iteration = Some(step.iteration);
        }
        if self.needs_slot() {
            info.phase = Some(Phase::Queued);
        }
        info
    }

    pub(super) fn parent_run(&self) -> Option<RunId> {
        self.record
            .parent
            .as_ref()
            .map(|parent| parent.run.clone())
            .or_else(|| self.record.parent_run.clone())
    }

    /// Only root attempts take slots: a parent that waits for its children while
    /// it holds the last slot they need would wait for ever.
    fn needs_slot(&self) -> bool {
        self.record.depth == 0 && self.record.policy.max_concurrent_runs.is_some()
    }

    async fn run_agent(&mut self, run: &RunDir, info: &RunInfo) -> Result<RunEnd, Broken> {
        let slot = if self.needs_slot() {
            let Some((slot, has_waited)) = self.wait_for_slot(run).await? else {
                return Ok(self.stopped_before_start());
            };
            // Without a wait the agent runs in a moment, unless its program is asked first.
            if has_waited || self.may_probe() {
                run_info::update_for_now(run, |info| info.phase = Some(Phase::Preparing))?;
            }
            Some(slot)
        } else {
            None
        };
        let version = self.agent_version(run.id()).await;
        if self.stop.is_some() {
            return Ok(self.stopped_before_start());
        }
        let result = self.start_and_wait(run, info, version).await;
        if let (Some(_), Ok(end)) = (&slot, &result) {
            self.note_spent(run, &end.outcome);
        }
        // A slot whose run has survivors stays taken until they are gone.
        let has_survivors = result
            .as_ref()
            .is_ok_and(|end| end.stop.as_ref().is_some_and(|stop| stop.survivors > 0));
        if let Some(slot) = slot.filter(|_| !has_survivors) {
            if let Err(error) = slot.release() {
                // The run has ended all the same, and a dropped slot is free again.
                tracing::error!(%error, "could not clear a run slot");
            }
            self.wake_first_in_queue();
        }
        result
    }

    async fn start_and_wait(
        &mut self,
        run: &RunDir,
        info: &RunInfo,
        version: String,
    ) -> Result<RunEnd, Broken> {
        self.check_flags(run).await?;
        if self.stop.is_some() {
            return Ok(self.stopped_before_start());
        }
        // Before the agent can say anything: readers expect its messages in between.
        self.post_start(run);
        self.tell_plain(run, &version);
        let started = Instant::now();
        let end = Box::pin(self.start_once(run, info, version.clone())).await?;
        if !self.rejects_stream(run, &end, started.elapsed()) {
            return Ok(end);
        }
        super::flags::set_first_try_aside(run)?;
        self.agent.spec.make_plain();
        self.tell_plain(run, &version);
        let mut end = Box::pin(self.start_once(run, info, version)).await?;
        self.name_rejection(run, &mut end);
        Ok(end)
    }

    async fn start_once(
        &mut self,
        run: &RunDir,
        info: &RunInfo,
        version: String,
    ) -> Result<RunEnd, Broken> {
        let prompt = self.full_prompt(run);
        durable::replace(&run.prompt(), prompt.as_bytes(), Mode::Private)?;
        let prompt_path = run.prompt();
        let command = self.agent.spec.command_line(&CommandRequest {
            prompt_path: &prompt_path,
            prompt_text: &prompt,
            resume_session: self.session(),
        });
        let env = self.agent_environment(Some(run.id()), info.attempt);
        if self.state.attempts.this_launch <= 1 {
            self.log_environment(&env);
        }
        let stdin = match command.stdin {
            Stdin::PromptFile => Some(File::open(&prompt_path)?),
            _ => None,
        };
        // A program file that was replaced since must not answer for this one.
        let path = if self.agent.spec.kind.has_worker() {
            self.executable.clone()
        } else {
            command.program.clone()
        };
        if let Some(folder) = self.temporary_folder(run.path()) {
            durable::create_folders(&folder, Mode::Private)?;
        }
        let program = Program {
            path: &path,
            args: &command.args,
            env: &env,
            cwd: &self.record.cwd,
            stdin,
            stdout: Some(durable::open_append(&run.stdout(), Mode::Private)?),
            stderr: Some(durable::open_append(&run.stderr(), Mode::Private)?),
        };
        crash::point("unspawned");
        let before = PidSpan::now();
        let agent = self.group.spawn(program).map_err(|error| SpawnError {
            program: command.program.display().to_string(),
            why: why_not_started(&command.program, &self.record.cwd, &error),
        })?;
        self.reaper.watch(agent.pid);
        crash::point("spawned-unrecorded");
        let recorded = self.record_start(run, &agent, &command, version);
        crash::point("started");
        let problem = recorded
            .err()
            .map(|error| crate::launch_error_text(error.as_ref()));
        Ok(self
            .wait_for_agent(run, &agent, problem, before.as_ref())
            .await)
    }

    fn post_start(&mut self, run: &RunDir) {
        let body = format!(
            "run started\nrun_dir: {}\nprompt: {}\nstdout: {}\nstderr: {}\noutput: {}",
            run.path().display(),
            run.prompt().display(),
            run.stdout().display(),
            run.stderr().display(),
            run.output().display()
        );
        self.post_for(run.id(), "RUN_START", &body);
    }

    fn record_start(
        &self,
        run: &RunDir,
        agent: &ProcessIdentity,
        command: &cl_agent::CommandLine,
        version: String,
    ) -> Result<(), Broken> {
        let pid_text = pid_file::text_of(agent);
        // No sync: the machine takes the process along, and a part of it names nobody.
        let pid_file = durable::open_append(&run.pid_file(), Mode::Shared)?;
        durable::overwrite(&pid_file, pid_text.as_bytes())?;
        let mut argv = vec![command.program.to_string_lossy().into_owned()];
        argv.extend(command.display_args().iter().cloned());
        run_info::update_for_now(run, |info| {
            info.phase = Some(Phase::Running);
            if self.agent.spec.kind.is_service() {
                // Readers of the earlier implementation signal the group that they
                // find here, and expect none of an agent that is a service. Our own
                // find the worker by `pid.txt` and by its mark.
                info.pid = 0;
                info.pgid = 0;
                info.process_start = None;
            } else {
                info.pid = agent.pid;
                info.pgid = agent.pid;
                info.process_start = Some(agent.start.clone());
            }
            info.commandline = self.redactor.redact(&command.display()).into_owned();
            info.argv = argv
                .iter()
                .map(|arg| self.redactor.redact(arg).into_owned())
                .collect();
            info.agent_version = version;
        })?;
        Ok(())
    }

    fn failed_before_start(
        &mut self,
        run: &RunDir,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> RunEnd {
        let text = crate::launch_error_text(error);
        tracing::error!(run = %run.id(), text, "the run could not be started");
        let kind = if error.is::<SpawnError>() || error.is::<super::flags::UnknownFlags>() {
            FailureKind::SpawnFailed
        } else {
            FailureKind::Unknown
        };
        let mut end = self.stopped_before_start();
        end.ended = Ended::ByItself;
        end.stop = None;
        end.outcome.failure = Some(Failure::new(kind, self.redactor.redact(&text)));
        end
    }

    /// The end of a run whose agent was never started: by a wish, or because a limit was reached.
    fn stopped_before_start(&self) -> RunEnd {
        let ended = match &self.over {
            Some(over) if self.stop.is_none() => Ended::Limit(over.kind, over.detail.clone()),
            _ => Ended::Stop,
        };
        RunEnd {
            outcome: self.agent.spec.stream_parser().finish(Exit::Code(-1), b""),
            exit_code: -1,
            stop: self.stop_record(&ended, 0, Instant::now()),
            ended,
        }
    }
}

/// The queue for slots cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("could not wait for a run slot; the agent was not started, and no attempt was counted")]
struct NoSlot(#[source] Broken);

/// The agent's program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("could not start {program}: {why}")]
struct SpawnError {
    program: String,
    why: String,
}
