//! The account of a run: its record, its events, what the next decision needs.

use std::time::Duration;

use cl_agent::Outcome;
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus};
use cl_storage::{Failure, FailureKind, RunDir, RunId, Usage, crash};

use super::attempt::{Ended, RunEnd};
use super::{Broken, LastAttempt, Supervisor, decide};
use crate::{output, run_end, run_usage};

/// Connecting and the longest pause between two tries, with some room.
const WORKER_SLACK: Duration = Duration::from_secs(90);

/// Storing an answer up to this size takes no longer than saying that it is being stored.
const SHORT_ANSWER: usize = 256 * 1024;

const NO_OUTPUT: &str = "agent produced no output";

impl Supervisor {
    /// Stores the end of the run: answer, record, event, in this order.
    pub(super) fn record_end(
        &mut self,
        run: &RunDir,
        end: &RunEnd,
    ) -> Result<Option<Failure>, Broken> {
        let has_output =
            std::fs::metadata(run.output()).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
        let final_text = end.outcome.final_text.as_deref();
        if final_text.is_some_and(|text| text.len() > SHORT_ANSWER) {
            run_info::update_for_now(run, |info| info.phase = Some(Phase::Finalizing))?;
        }
        if let Err(error) = output::ensure(
            run,
            final_text,
            end.outcome.left_out_bytes,
            &self.record.agent,
            end.exit_code,
            &self.redactor,
        ) {
            // The raw stream still has it all; the end of the run must be told.
            tracing::error!(%error, "could not write output.md");
        }
        let (status, failure) = self.verdict(end, has_output);
        let usage = self.usage_of_run(run, &end.outcome);
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
            let model = end
                .outcome
                .model
                .clone()
                .or_else(|| self.agent.spec.model.clone());
            info.backend_model = model.unwrap_or_default();
            info.failure.clone_from(&failure);
            // An agent that was cut off may have told nothing at its end; what it told before stands.
            info.usage = usage.or_else(|| info.usage.take());
            info.stop.clone_from(&end.stop);
        })?;
        crash::point("end-recorded");
        self.tell_run_end(run, &info);
        self.post_end(run, &info);
        Ok(failure)
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
            Ended::ByItself => end
                .outcome
                .failure
                .clone()
                .map(|failure| match failure.kind {
                    // Somebody else's signal; nobody asked us to stop.
                    FailureKind::Cancelled => Failure {
                        kind: FailureKind::AgentCrash,
                        ..failure
                    },
                    _ => failure,
                }),
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
    pub(super) fn usage_of_run(&self, run: &RunDir, outcome: &Outcome) -> Option<Usage> {
        let usage = outcome.usage.clone()?;
        let session = outcome.session_id.as_deref();
        let session = session.filter(|_| outcome.usage_is_cumulative_per_session);
        let Some(session) = session else {
            return Some(usage);
        };
        let earlier = run_usage::earlier_in_session(&self.task, run.id(), session);
        Some(cl_agent::usage_since(&usage, &earlier))
    }

    fn post_end(&mut self, run: &RunDir, info: &RunInfo) {
        let (kind, mut body) = run_end::event(run, info);
        let has_failed = info.status == RunStatus::Failed;
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

    pub(super) fn idle_limit(&self) -> Option<Duration> {
        let configured = self.agent.spec.timeout_ms.map(Duration::from_millis);
        let of_service = (self.agent.spec.kind.is_service()).then_some(cl_agent::rest::IDLE);
        (self.record.policy.idle_timeout)
            .or(configured)
            .or(of_service)
            // Zero switches off what the configuration says.
            .filter(|limit| !limit.is_zero())
    }

    /// Returns how long an attempt may take; none is for ever.
    pub(super) fn longest_attempt(&self) -> Option<Duration> {
        let of_service = (self.agent.spec.kind.is_service()).then_some(cl_agent::rest::TOTAL);
        (self.record.policy.max_duration)
            .or(of_service)
            // Zero switches off what holds otherwise.
            .filter(|limit| !limit.is_zero())
    }

    /// Returns how much longer than its limit an agent may be silent.
    ///
    /// The worker of a service watches the service itself, and knows its pauses
    /// between two tries; only a worker that hangs is for the supervisor to end.
    pub(super) fn idle_slack(&self) -> Duration {
        if self.agent.spec.kind.is_service() {
            WORKER_SLACK
        } else {
            Duration::ZERO
        }
    }

    /// Keeps what the next decision and the next attempt need.
    pub(super) fn remember(
        &mut self,
        run: &RunDir,
        end: &RunEnd,
        failure: Option<Failure>,
        took: Duration,
    ) {
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
            alike_failures: if success {
                0
            } else {
                previous
                    .filter(is_alike)
                    .map_or(0, |last| last.alike_failures)
                    + 1
            },
            failure,
        });
        // A conversation that a limit broke off is always gone on with.
        let resumes = self.record.policy.resume_session || kind == Some(FailureKind::LimitWindow);
        // A session that could not be resumed is not tried again.
        let session = end
            .outcome
            .session_id
            .clone()
            .filter(|_| resumes && !end.outcome.session_not_found && self.agent.spec.resumes());
        self.keep_session(session);
        self.previous_run = Some(run.id().clone());
    }

    /// Reads again what runs of the agent of the moment used, as its settings say: the records of
    /// others name a program only, and one that is a command speaks as it was told to.
    fn finalise_usage(&self, runs: &[RunId]) {
        for run in runs.iter().filter_map(|run| self.task.run(run).ok()) {
            let Ok(Some(info)) = RunInfo::read(&run) else {
                continue;
            };
            if info.agent_name != self.record.agent {
                continue;
            }
            let dialect = Some(self.agent.spec.dialect);
            let used = run_usage::of_dead_run(&run, &info, dialect);
            if used.is_some()
                && used != info.usage
                && let Err(error) = run_info::update(&run, |info| info.usage = used)
            {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not write what a lost run had used");
            }
        }
    }

    /// Ends and records what a dead owner left, and finds where to go on.
    ///
    /// Fails if anything may be left: no agent is started beside another one.
    pub(super) fn settle_earlier_runs(&mut self) -> Result<(), Broken> {
        // What it is worth is asked of the gates next.
        let claimed = |claim| claim != cl_storage::status::Claim::None;
        let settled = crate::settle::settle_runs(
            &self.root,
            &self.task,
            self.ownership.previous(),
            &crate::settle::Reason::Lost,
            self.record.policy.grace,
            claimed,
            &self.clock,
        )?;
        self.finalise_usage(&settled.runs);
        if self.ownership.found_lost() {
            crate::settle::tell_latest_end(&self.root, &self.task, &self.clock)?;
        }
        let runs: Vec<&str> = settled.runs.iter().map(RunId::as_str).collect();
        let text = format!(
            "settled what an earlier supervisor left: runs [{}], {} processes ended, {} survive",
            runs.join(" "),
            settled.ended,
            settled.survivors
        );
        if !runs.is_empty() || settled.ended > 0 {
            self.post("WARNING", &text, &[]);
        }
        if settled.survivors > 0 {
            return Err(text.into());
        }
        if self.record.mode == crate::launch::Mode::Resume {
            // The agent that was just ended may have left one since the markers were cleared.
            cl_storage::marker::clear(&self.task, cl_storage::marker::Marker::Done)?;
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
            let was_limited = (latest.failure.as_ref())
                .is_some_and(|failure| failure.kind == FailureKind::LimitWindow);
            if was_limited && latest.attempt == Some(self.state.attempts.ordinal()) {
                self.account_for_lost(&latest)?;
            }
            if is_same_agent && (self.record.policy.resume_session || was_limited) {
                self.keep_session(Some(latest.session_id));
            }
            self.previous_run.get_or_insert(latest.run_id);
        }
        Ok(())
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
