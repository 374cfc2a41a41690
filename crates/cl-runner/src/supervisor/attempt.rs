//! One attempt: one run of the agent, from its folder to its last event.
//!
//! ```text
//! folder ─ record(preparing) ─ [slot: queued] ─ prompt ─ SPAWN ─ pid.txt, record(running) ─ RUN_START
//!   … agent works …
//! EXIT ─ [drain] ─ end what is left ─ record(finalizing) ─ output.md ─ record(ended) ─ RUN_STOP/RUN_CRASH
//! ```
//!
//! A crash between SPAWN and the record leaves an agent that only its
//! environment marker names; settling finds it by that.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use cl_agent::{CommandRequest, Exit, Outcome, RunnerVars, Stdin};
use cl_storage::durable::{self, Mode};
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus, StopRecord};
use cl_storage::slot::{RUN_MARKER, Slot};
use cl_storage::{Failure, FailureKind, RunDir, RunId, Usage, crash};
use tokio::time::Instant;

use super::limits::{self, Progress};
use super::{Broken, LastAttempt, Supervisor, decide};
use crate::output;
use crate::preamble::{self, Preamble};
use crate::process::end::{Ending, KILL_WAIT, LOOK_AGAIN};
use crate::process::spawn::{Program, spawn};
use crate::process::tree::{self, Search};

/// How long writers of an agent's stdout may go on after its leader has ended.
///
/// Some agents are started by a small launcher that can die before the real
/// program has written its last lines.
const DRAIN: Duration = Duration::from_secs(2);

/// How often a free run slot is looked for.
const SLOT_PAUSE: Duration = Duration::from_millis(100);

/// Why an agent was ended by us.
#[derive(Debug, Clone)]
enum Ended {
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
struct RunEnd {
    outcome: Outcome,
    exit_code: i32,
    ended: Ended,
    stop: Option<StopRecord>,
}

impl Supervisor {
    /// Makes one attempt and remembers how it went.
    pub(super) async fn attempt(&mut self) -> Result<(), Broken> {
        let now = self.now();
        let number = self.state.attempts.this_launch;
        self.state.attempts.count(now);
        self.state.write(&self.task)?;
        if self.record.kind == crate::launch::Kind::Task {
            self.post(
                "INFO",
                &format!("starting root agent (restart #{number})"),
                &[],
            );
        }
        crash::point("before-run-folder");
        let run = self.task.create_run(now)?;
        let info = self.first_record(&run);
        run_info::create(&run, &info)?;
        crash::point("run-recorded");
        let started = Instant::now();
        let end = match self.run_agent(&run, &info).await {
            Ok(end) => end,
            Err(error) => self.failed_before_start(&run, error.as_ref()),
        };
        self.record_end(&run, &end)?;
        self.remember(&run, &end, started.elapsed());
        if self.record.kind == crate::launch::Kind::Task
            && let Some(failure) = &end.outcome.failure
        {
            let text = format!("root agent failed on restart #{number}: {failure}");
            self.post("WARNING", &text, &[]);
        }
        Ok(())
    }

    fn first_record(&self, run: &RunDir) -> RunInfo {
        let owner = self.ownership.owner();
        let mut info = RunInfo::preparing(run, self.agent.spec.kind.as_str(), self.now());
        info.parent_run_id = self.parent_run();
        info.previous_run_id = self.previous_run.clone();
        info.cwd = self.record.cwd.to_string_lossy().into_owned();
        // Until there is an agent, readers of the earlier format look at the supervisor.
        info.pid = owner.pid;
        info.pgid = owner.pid;
        info.process_start = Some(owner.process_start.clone());
        info.supervisor_pid = Some(owner.pid);
        info.supervisor_start = Some(owner.process_start.clone());
        info.agent_name = self.record.agent.clone();
        info.attempt = Some(self.state.attempts.this_launch);
        info.depth = Some(self.record.depth);
        if self.needs_slot() {
            info.phase = Some(Phase::Queued);
        }
        info
    }

    fn parent_run(&self) -> Option<RunId> {
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
            let Some(slot) = self.wait_for_slot(run).await? else {
                return Ok(stopped_before_start(&self.agent.spec));
            };
            run_info::update(run, |info| info.phase = Some(Phase::Preparing))?;
            Some(slot)
        } else {
            None
        };
        let version = self.agent_version().await;
        if self.stop.is_some() {
            return Ok(stopped_before_start(&self.agent.spec));
        }
        let result = self.start_and_wait(run, info, version).await;
        if let Some(slot) = slot {
            slot.release()?;
        }
        result
    }

    async fn wait_for_slot(&mut self, run: &RunDir) -> Result<Option<Slot>, Broken> {
        let limit = self.record.policy.max_concurrent_runs.unwrap_or(u32::MAX);
        let mut waiting = false;
        loop {
            if self.stop.is_some() {
                return Ok(None);
            }
            if let Some(slot) = Slot::try_take(&self.root, limit, run.id())? {
                if waiting {
                    self.state.waiting_for = None;
                    self.state.write(&self.task)?;
                }
                return Ok(Some(slot));
            }
            if !waiting {
                waiting = true;
                self.state.waiting_for = Some("slot".to_owned());
                self.state.write(&self.task)?;
            }
            self.next_event(SLOT_PAUSE).await;
        }
    }

    async fn start_and_wait(
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
            resume_session: self.session.as_deref(),
        });
        let env = self.agent_environment(Some(run.id()), info.attempt);
        let stdin = match command.stdin {
            Stdin::PromptFile => Some(File::open(&prompt_path)?),
            _ => None,
        };
        let program = Program {
            path: &command.program,
            args: &command.args,
            env: &env,
            cwd: &self.record.cwd,
            stdin,
            stdout: Some(durable::open_append(&run.stdout(), Mode::Private)?),
            stderr: Some(durable::open_append(&run.stderr(), Mode::Private)?),
        };
        crash::point("unspawned");
        let agent = spawn(program).map_err(|error| spawn_error(&command.program, &error))?;
        self.reaper.watch(agent.pid);
        crash::point("spawned-unrecorded");
        let recorded = self.record_start(run, &agent, &command, version);
        crash::point("started");
        let problem = recorded
            .err()
            .map(|error| crate::launch_error_text(error.as_ref()));
        if problem.is_none() {
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
        Ok(self.wait_for_agent(run, &agent, problem).await)
    }

    fn record_start(
        &self,
        run: &RunDir,
        agent: &ProcessIdentity,
        command: &cl_agent::CommandLine,
        version: String,
    ) -> Result<(), Broken> {
        let pid_text = format!("{}\n{}\n{}\n", agent.pid, agent.pid, agent.start);
        durable::replace(&run.pid_file(), pid_text.as_bytes(), Mode::Shared)?;
        let mut argv = vec![command.program.to_string_lossy().into_owned()];
        argv.extend(command.display_args().iter().cloned());
        run_info::update(run, |info| {
            info.phase = Some(Phase::Running);
            info.pid = agent.pid;
            info.pgid = agent.pid;
            info.process_start = Some(agent.start.clone());
            info.commandline = self.redactor.redact(&command.display()).into_owned();
            info.argv = argv
                .iter()
                .map(|arg| self.redactor.redact(arg).into_owned())
                .collect();
            info.agent_version = version;
        })?;
        Ok(())
    }

    /// Watches the agent until nothing of it is left.
    async fn wait_for_agent(
        &mut self,
        run: &RunDir,
        agent: &ProcessIdentity,
        problem: Option<String>,
    ) -> RunEnd {
        let started = Instant::now();
        let policy = self.record.policy.clone();
        let idle = self.idle_limit();
        let look_every = limits::look_every(idle, policy.max_duration);
        let mut last_growth = (started, 0);
        let mut ended = problem.map_or(Ended::ByItself, Ended::Unrecorded);
        let mut ending = Ending::default();
        let mut kill_at = (!matches!(ended, Ended::ByItself)).then(|| started + policy.grace);
        let exit = loop {
            if let Some(exit) = self.reaper.take(agent.pid) {
                break exit;
            }
            if self.stop.is_some() && !matches!(ended, Ended::Stop) {
                ended = Ended::Stop;
            }
            if matches!(ended, Ended::ByItself) {
                let size = stream_bytes(run);
                if size != last_growth.1 {
                    last_growth = (Instant::now(), size);
                }
                let progress = Progress {
                    elapsed: started.elapsed(),
                    silent: last_growth.0.elapsed(),
                    output_bytes: size,
                };
                if let Some((kind, text)) = limits::exceeded(&policy, idle, &progress) {
                    ended = Ended::Limit(kind, text);
                    kill_at = Some(Instant::now() + policy.grace);
                }
            }
            if let Some(moment) = self.kill_moment(&ended, kill_at) {
                let alive = self.processes(run, agent);
                ending.signal(&alive, Instant::now() >= moment);
                self.next_event(LOOK_AGAIN).await;
            } else {
                self.next_event(look_every).await;
            }
        };
        crash::point("exited-unrecorded");
        let stop_started = Instant::now();
        let outcome = self
            .drain(run, agent, exit, matches!(ended, Ended::ByItself))
            .await;
        crash::point("draining");
        let survivors = self.end_rest(run, agent, &ended, kill_at, ending).await;
        let stop = self.stop_record(&ended, survivors, stop_started);
        let exit_code = exit_code(exit);
        RunEnd {
            outcome,
            exit_code,
            ended,
            stop,
        }
    }

    /// When SIGKILL follows SIGTERM; `None` while the agent is left alone.
    fn kill_moment(&self, ended: &Ended, kill_at: Option<Instant>) -> Option<Instant> {
        match (ended, &self.stop) {
            (Ended::ByItself, _) => None,
            // The wish may have become more urgent since.
            (Ended::Stop, Some(stop)) => {
                let left = stop.kill_at.duration_since(self.now());
                Some(Instant::now() + Duration::try_from(left).unwrap_or(Duration::ZERO))
            }
            _ => kill_at,
        }
    }

    fn processes(&self, run: &RunDir, agent: &ProcessIdentity) -> Vec<ProcessIdentity> {
        let me = i32::try_from(std::process::id()).ok();
        tree::find(&Search {
            run: run.id(),
            agent: Some(agent),
            adopted_by: me,
            root: self.root.path(),
        })
    }

    /// Reads the stream to its end, giving late writers a moment to finish.
    async fn drain(
        &mut self,
        run: &RunDir,
        agent: &ProcessIdentity,
        exit: Exit,
        by_itself: bool,
    ) -> Outcome {
        let mut parser = self.agent.spec.stream_parser();
        let mut position = 0;
        let until = Instant::now() + DRAIN;
        loop {
            feed(&mut parser, run, &mut position);
            let may_wait = by_itself && Instant::now() < until && self.stop.is_none();
            if parser.closing_event_seen() || !may_wait || !self.has_writer(run, agent) {
                break;
            }
            self.next_event(LOOK_AGAIN).await;
        }
        // A writer that was gone at the last look may have written just before.
        feed(&mut parser, run, &mut position);
        let stderr = output::tail(&run.stderr(), 200);
        parser.finish(exit, stderr.as_bytes())
    }

    /// Tells whether a process of the agent still holds its stdout file open.
    fn has_writer(&self, run: &RunDir, agent: &ProcessIdentity) -> bool {
        let stdout = run.stdout();
        self.processes(run, agent).iter().any(|process| {
            let Ok(fds) = std::fs::read_dir(format!("/proc/{}/fd", process.pid)) else {
                return false;
            };
            fds.filter_map(Result::ok)
                .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == stdout))
        })
    }

    /// Ends every process that is left of the run; returns how many survive.
    async fn end_rest(
        &mut self,
        run: &RunDir,
        agent: &ProcessIdentity,
        ended: &Ended,
        kill_at: Option<Instant>,
        mut ending: Ending,
    ) -> u32 {
        let leftover_grace = Instant::now() + self.record.policy.grace;
        loop {
            let alive = self.processes(run, agent);
            if alive.is_empty() {
                return 0;
            }
            let ended = if self.stop.is_some() {
                &Ended::Stop
            } else {
                ended
            };
            let moment = self.kill_moment(ended, kill_at).unwrap_or(leftover_grace);
            if Instant::now() > moment + KILL_WAIT {
                let pids: Vec<i32> = alive.iter().map(|process| process.pid).collect();
                tracing::error!(?pids, "processes survive SIGKILL");
                return u32::try_from(alive.len()).unwrap_or(u32::MAX);
            }
            ending.signal(&alive, Instant::now() >= moment);
            self.next_event(LOOK_AGAIN).await;
        }
    }

    fn stop_record(&self, ended: &Ended, survivors: u32, since: Instant) -> Option<StopRecord> {
        let now = self.now();
        let (by, requested_at) = match (ended, &self.stop) {
            (Ended::Stop, Some(stop)) => (stop.by.clone(), stop.requested_at),
            (Ended::Limit(kind, _), _) => (kind.to_string(), now),
            _ if survivors > 0 => ("end of the run".to_owned(), now),
            _ => return None,
        };
        let took = now
            .duration_since(requested_at)
            .as_millis()
            .max(since.elapsed().as_millis().try_into().unwrap_or(0));
        Some(StopRecord {
            requested_at,
            by,
            survivors,
            took_ms: u64::try_from(took).unwrap_or(0),
        })
    }

    /// The environment of an agent, a gate or a version probe.
    pub(super) fn agent_environment(
        &self,
        run: Option<&RunId>,
        attempt: Option<u32>,
    ) -> BTreeMap<String, String> {
        let task = &self.task;
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let mut vars = BTreeMap::from([
            ("JRUN_PROJECT_ID".to_owned(), task.project().to_string()),
            ("JRUN_TASK_ID".to_owned(), task.id().to_string()),
            (
                "JRUN_PARENT_ID".to_owned(),
                self.parent_run()
                    .map(|id| id.to_string())
                    .unwrap_or_default(),
            ),
            ("JRUN_RUNS_DIR".to_owned(), text(task.runs_folder())),
            ("JRUN_MESSAGE_BUS".to_owned(), text(task.bus())),
            ("JRUN_TASK_FOLDER".to_owned(), text(task.path().to_owned())),
            ("JRUN_DEPTH".to_owned(), self.record.depth.to_string()),
        ]);
        if let Some(run) = run {
            vars.insert(RUN_MARKER.to_owned(), run.to_string());
            vars.insert(
                "JRUN_RUN_FOLDER".to_owned(),
                text(task.runs_folder().join(run.as_str())),
            );
        }
        if let Some(attempt) = attempt {
            vars.insert("JRUN_ATTEMPT".to_owned(), attempt.to_string());
        }
        if let Some(url) = &self.record.conductor_url {
            vars.insert("JRUN_CONDUCTOR_URL".to_owned(), url.clone());
        }
        // The file may have been replaced since the start; its folder has not moved.
        let executable = std::fs::read_link(&self.executable).ok();
        let runner = RunnerVars {
            vars,
            extra: self.record.extra_env.clone(),
            secret_env: self.agent.secret_env(),
            executable_dir: executable.and_then(|path| path.parent().map(Into::into)),
        };
        cl_agent::environment(
            &self.base_env,
            &self.agent.spec,
            self.agent.token().as_ref(),
            &runner,
        )
    }

    fn full_prompt(&self, run: &RunDir) -> String {
        let parent_run = self.parent_run();
        let rejection = self.rejection_text();
        let is_continued =
            self.state.attempts.this_launch > 1 || self.record.mode == crate::launch::Mode::Resume;
        let preamble = Preamble {
            run,
            parent_run: parent_run.as_ref(),
            conductor_url: self.record.conductor_url.as_deref(),
            kind: self.record.kind,
            root: self.root.path(),
            rejection: rejection.as_deref(),
            is_continued,
        };
        preamble::prompt(&preamble, &self.prompt)
    }

    fn failed_before_start(
        &mut self,
        run: &RunDir,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> RunEnd {
        let text = crate::launch_error_text(error);
        tracing::error!(run = %run.id(), text, "the run could not be started");
        let kind = if error.is::<SpawnError>() {
            FailureKind::SpawnFailed
        } else {
            FailureKind::Unknown
        };
        let mut end = stopped_before_start(&self.agent.spec);
        end.ended = Ended::ByItself;
        end.outcome.failure = Some(Failure::new(kind, self.redactor.redact(&text)));
        end.exit_code = -1;
        end
    }

    /// Stores the end of the run: answer, record, event, in this order.
    fn record_end(&mut self, run: &RunDir, end: &RunEnd) -> Result<(), Broken> {
        let has_output =
            std::fs::metadata(run.output()).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
        run_info::update(run, |info| info.phase = Some(Phase::Finalizing))?;
        let final_text = end.outcome.final_text.as_deref();
        if let Err(error) = output::ensure(run, final_text, &self.record.agent, end.exit_code) {
            // The raw stream still has it all; the end of the run must be told.
            tracing::error!(%error, "could not write output.md");
        }
        let (status, failure) = self.verdict(end, has_output);
        let usage = self.usage_of_run(&end.outcome);
        let now = self.now();
        let summary = failure
            .as_ref()
            .map(|failure| summary(failure, end.exit_code))
            .unwrap_or_default();
        let info = run_info::update(run, |info| {
            info.phase = None;
            info.status = status;
            info.end_time = Some(now);
            info.exit_code = end.exit_code;
            info.error_summary = self.redactor.redact(&summary).into_owned();
            info.session_id = end.outcome.session_id.clone().unwrap_or_default();
            // Codex never names its model: what was asked for is the best that is known.
            let model = end.outcome.model.clone().or_else(|| self.agent.spec.model.clone());
            info.backend_model = model.unwrap_or_default();
            info.failure = failure.clone();
            info.usage = usage;
            info.stop = end.stop.clone();
        })?;
        crash::point("end-recorded");
        self.post_end(run, &info, matches!(end.ended, Ended::Stop));
        Ok(())
    }

    /// Decides status and failure of the run from the stream and from what we did to it.
    fn verdict(&self, end: &RunEnd, has_output: bool) -> (RunStatus, Option<Failure>) {
        let failure = match &end.ended {
            Ended::Stop => Some(Failure::new(
                FailureKind::Cancelled,
                self.stop.as_ref().map_or("", |stop| &stop.by),
            )),
            Ended::Limit(kind, text) => Some(Failure::new(*kind, text)),
            Ended::Unrecorded(text) => Some(Failure::new(FailureKind::Unknown, text)),
            Ended::ByItself => end.outcome.failure.clone(),
        };
        let is_done = cl_storage::marker::Marker::Done.path(&self.task).is_file();
        let is_silent =
            failure.is_none() && !end.outcome.produced_output && !has_output && !is_done;
        let failure = if is_silent {
            Some(Failure::new(FailureKind::Unknown, NO_OUTPUT))
        } else {
            failure
        };
        let failure = failure.map(|f| Failure {
            detail: self.redactor.redact(&f.detail).into_owned(),
            ..f
        });
        let status = if failure.is_none() {
            RunStatus::Completed
        } else {
            RunStatus::Failed
        };
        (status, failure)
    }

    /// Some agents report totals of the whole session: what earlier runs used is taken off.
    fn usage_of_run(&self, outcome: &Outcome) -> Option<Usage> {
        let usage = outcome.usage.clone()?;
        let Some(session) = outcome
            .session_id
            .as_deref()
            .filter(|_| outcome.usage_is_cumulative_per_session)
        else {
            return Some(usage);
        };
        let mut earlier = Usage::default();
        for run in self.task.runs().unwrap_or_default() {
            let Ok(Some(info)) = RunInfo::read(&run) else {
                continue;
            };
            if let Some(used) = info.usage.filter(|_| info.session_id == session) {
                earlier.input_tokens += used.input_tokens;
                earlier.output_tokens += used.output_tokens;
                earlier.cache_read_tokens += used.cache_read_tokens;
                earlier.cache_write_tokens += used.cache_write_tokens;
                earlier.turns = used
                    .turns
                    .map(|turns| turns + earlier.turns.unwrap_or(0))
                    .or(earlier.turns);
                earlier.cost_usd = used
                    .cost_usd
                    .map(|cost| cost + earlier.cost_usd.unwrap_or(0.0))
                    .or(earlier.cost_usd);
            }
        }
        Some(cl_agent::usage_since(&usage, &earlier))
    }

    fn post_end(&mut self, run: &RunDir, info: &RunInfo, stopped: bool) {
        let has_failed = info.status == RunStatus::Failed;
        let kind = if has_failed && !stopped {
            "RUN_CRASH"
        } else {
            "RUN_STOP"
        };
        let mut body = format!(
            "run stopped with code {}\nrun_dir: {}\noutput: {}",
            info.exit_code,
            run.path().display(),
            run.output().display()
        );
        if stopped {
            body.push_str("\nstopped: true");
        }
        let stderr = output::tail(&run.stderr(), 50);
        if has_failed && !stderr.trim().is_empty() {
            body.push_str("\n\n## stderr (last 50 lines)\n");
            body.push_str(&stderr);
        }
        self.post_for(run.id(), kind, &body);
        let timeout = info
            .failure
            .as_ref()
            .filter(|f| matches!(f.kind, FailureKind::Stall | FailureKind::Timeout));
        if let Some(failure) = timeout.cloned() {
            let text = match (failure.kind, self.idle_limit()) {
                (FailureKind::Stall, Some(limit)) => {
                    format!("agent job timed out after {limit:?} of idle output")
                }
                _ => format!("agent job timed out: {}", failure.detail),
            };
            self.post_for(run.id(), "WARNING", &text);
        }
    }

    fn idle_limit(&self) -> Option<Duration> {
        self.record
            .policy
            .idle_timeout
            .or_else(|| self.agent.spec.timeout())
    }

    /// Keeps what the next decision and the next attempt need.
    fn remember(&mut self, run: &RunDir, end: &RunEnd, took: Duration) {
        let info = RunInfo::read(run).ok().flatten();
        let failure = info.as_ref().and_then(|info| info.failure.clone());
        let success = failure.is_none();
        let previous = self.last.as_ref().filter(|_| !success);
        let kind = failure.as_ref().map(|failure| failure.kind);
        let is_alike =
            |last: &&LastAttempt| last.failure.as_ref().map(|failure| failure.kind) == kind;
        let is_fast = !success && took < decide::FAST;
        let alike = previous
            .filter(is_alike)
            .map_or(0, |last| last.alike_fast_failures);
        self.last = Some(LastAttempt {
            success,
            alike_fast_failures: if is_fast { alike + 1 } else { 0 },
            failures: if success {
                0
            } else {
                previous.map_or(0, |last| last.failures) + 1
            },
            failure,
        });
        if self.record.policy.resume_session {
            // A session that could not be resumed is not tried again.
            let session = end
                .outcome
                .session_id
                .clone()
                .filter(|_| !end.outcome.session_not_found);
            self.session = session.filter(|_| self.agent.spec.resumes());
        }
        self.previous_run = Some(run.id().clone());
    }

    /// Ends and records what a dead owner left, and finds where to go on.
    pub(super) fn settle_earlier_runs(&mut self) {
        let grace = self.record.policy.grace;
        let settled = crate::settle::settle_runs(
            &self.root,
            &self.task,
            &crate::settle::Reason::Lost,
            grace,
            &self.clock,
        );
        match settled {
            Ok(settled) if !settled.runs.is_empty() || settled.ended > 0 => {
                let runs: Vec<&str> = settled.runs.iter().map(RunId::as_str).collect();
                let text = format!(
                    "settled what an earlier supervisor left: runs [{}], {} processes ended, {} survive",
                    runs.join(" "),
                    settled.ended,
                    settled.survivors
                );
                self.post("WARNING", &text, &[]);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not settle earlier runs"
                );
            }
        }
        let mut runs: Vec<RunInfo> = self
            .task
            .runs()
            .unwrap_or_default()
            .iter()
            .filter_map(|run| RunInfo::read(run).ok().flatten())
            .collect();
        runs.sort_by_key(|info| (info.sort_time(), info.run_id.clone()));
        if let Some(latest) = runs.pop() {
            let is_same_agent =
                latest.agent_name == self.record.agent && !latest.session_id.is_empty();
            if self.record.policy.resume_session && is_same_agent {
                self.session = Some(latest.session_id);
            }
            self.previous_run.get_or_insert(latest.run_id);
        }
    }
}

const NO_OUTPUT: &str = "agent produced no output";

/// The agent's program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("could not start {program}: {source}")]
struct SpawnError {
    program: String,
    source: std::io::Error,
}

fn spawn_error(program: &std::path::Path, source: &std::io::Error) -> Broken {
    let source = std::io::Error::new(source.kind(), source.to_string());
    Box::new(SpawnError {
        program: program.display().to_string(),
        source,
    })
}

/// The end of a run whose agent was never started.
fn stopped_before_start(agent: &cl_agent::AgentSpec) -> RunEnd {
    let outcome = agent.stream_parser().finish(Exit::Code(-1), b"");
    RunEnd {
        outcome,
        exit_code: -1,
        ended: Ended::Stop,
        stop: None,
    }
}

fn exit_code(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    }
}

fn stream_bytes(run: &RunDir) -> u64 {
    let size = |path: std::path::PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    size(run.stdout()) + size(run.stderr())
}

/// Feeds what the stdout file has gained since `position`.
fn feed(parser: &mut cl_agent::StreamParser, run: &RunDir, position: &mut u64) {
    use std::os::unix::fs::FileExt as _;
    let Ok(file) = File::open(run.stdout()) else {
        return;
    };
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = file.read_at(&mut buffer, *position) {
        if read == 0 {
            return;
        }
        parser.feed(&buffer[..read]);
        *position += read as u64;
    }
}

/// One line about a failure, in the words that users of the earlier implementation know.
fn summary(failure: &Failure, exit_code: i32) -> String {
    match failure.kind {
        FailureKind::Stall | FailureKind::Timeout => "timed out".to_owned(),
        FailureKind::Cancelled => "stopped by request".to_owned(),
        FailureKind::AgentCrash if failure.detail.is_empty() => match exit_code {
            1 => "agent reported failure".to_owned(),
            2 => "agent usage error".to_owned(),
            137 => "agent killed (OOM or signal)".to_owned(),
            143 => "agent terminated (SIGTERM)".to_owned(),
            code => format!("agent exited with code {code}"),
        },
        FailureKind::Unknown if failure.detail == NO_OUTPUT => NO_OUTPUT.to_owned(),
        _ => failure.to_string().chars().take(200).collect(),
    }
}
