//! The end of a task: result, last messages, giving it up.

use cl_storage::task_state::{ResultStatus, TaskResult};
use cl_storage::{Failure, FailureKind};

use super::{GateVerdict, Supervisor};
use crate::propagate::{self, Samples};

/// How long the last messages may wait for a bus that cannot be written.
const LAST_WORDS_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// How a task ends.
#[derive(Debug)]
pub(super) enum End {
    /// Well.
    Complete,
    /// Badly.
    Failed(Failure),
    /// Before it began: an agent of an earlier launch may still be alive.
    Unsettled(Failure),
    /// By somebody's wish.
    Stopped,
    /// Given up by somebody.
    Cancelled,
}

impl End {
    /// What an earlier supervisor left could not be settled.
    pub(super) fn unsettled(error: &dyn std::error::Error) -> Self {
        Self::Unsettled(Failure::new(
            FailureKind::RunnerLost,
            crate::launch_error_text(error),
        ))
    }

    /// The supervisor cannot go on.
    pub(super) fn broken(error: &dyn std::error::Error) -> Self {
        Self::Failed(Failure::new(
            FailureKind::Unknown,
            crate::launch_error_text(error),
        ))
    }
}

impl Supervisor {
    /// Records how the task ended, gives it up and returns the process's exit code.
    pub(super) async fn finish(mut self, end: End) -> i32 {
        let is_settled = !matches!(end, End::Unsettled(_));
        let left_children = match &end {
            End::Stopped => {
                let kill_at = self
                    .stop
                    .as_ref()
                    .map_or_else(|| self.now(), |stop| stop.kill_at);
                self.wait_for_stopped_children(kill_at).await
            }
            _ => self.active_children(),
        };
        let (status, exit_code, failure) = match end {
            End::Complete => (ResultStatus::Completed, 0, None),
            End::Failed(failure) | End::Unsettled(failure) => {
                (ResultStatus::Failed, 1, Some(failure))
            }
            End::Stopped => {
                let (by, code) = self
                    .stop
                    .as_ref()
                    .map_or(("", 143), |stop| (stop.by.as_str(), stop.exit_code));
                (
                    ResultStatus::Stopped,
                    code,
                    Some(Failure::new(FailureKind::Cancelled, by)),
                )
            }
            End::Cancelled => (
                ResultStatus::Stopped,
                1,
                Some(Failure::new(FailureKind::Cancelled, "CANCELLED")),
            ),
        };
        let (kind, body) = self.last_words(status, failure.as_ref(), left_children.len());
        if is_settled && status != ResultStatus::Completed {
            self.take_claim_back();
        }
        let failure = failure.map(|f| Failure {
            detail: self.redactor.redact(&f.detail).into_owned(),
            ..f
        });
        // Before the end is recorded: what nobody could be told of any more is not an end.
        self.spool_task_end(status, failure.as_ref());
        self.state.waiting_for = None;
        (self.state.wake_at, self.state.limit) = (None, None);
        self.state.result = Some(TaskResult {
            status,
            exit_code,
            ended_at: self.now(),
            failure,
            left_children,
        });
        cl_storage::crash::point("result-unrecorded");
        let recorded = self.state.write(&self.task);
        if let Err(error) = &recorded {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "could not record the result"
            );
        }
        cl_storage::crash::point("result-recorded");
        crate::notify::start::kick(&self.root);
        if recorded.is_ok() {
            // Told when it holds, not before.
            self.post(kind, &body, &[]);
        }
        if recorded.is_ok() && status == ResultStatus::Completed {
            self.tell_project();
        }
        let until = tokio::time::Instant::now() + LAST_WORDS_WITHIN;
        while self.journal.has_backlog() && tokio::time::Instant::now() < until {
            self.next_event(std::time::Duration::from_millis(200)).await;
        }
        self.journal.give_up();
        self.refuse_requests();
        if recorded.is_err() || !is_settled {
            // Without a result the task is "lost", and with an agent that may be left
            // it must stay so: the owner record says it.
            return 1;
        }
        if let Err(error) = self.ownership.release() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not give the task up"
            );
        } else {
            cl_storage::index::note_end(&self.root, &self.task);
        }
        if self.record.origin == crate::launch::Origin::Detached {
            // Nobody waits for this process, and nobody will clear away behind it.
            self.group.leave();
        }
        exit_code
    }

    /// Tells the project that the task is done, and the task's bus that it was told.
    fn tell_project(&mut self) {
        let samples = Samples::Masked(&self.redactor);
        if let Some(notice) =
            propagate::tell(&self.task, samples, &self.clock, self.untold_from.as_ref())
        {
            self.post(notice.kind, &notice.body, &notice.meta);
        }
    }

    /// A claim that no gate has judged, or that one refused, ends with the launch.
    fn take_claim_back(&mut self) {
        let told = if self.gates == GateVerdict::Refused {
            self.reject_done()
        } else {
            let (when, now) = ("the task was ended", self.now());
            let (root, task) = (self.root.clone(), self.task.clone());
            let tell = |text: String| self.post("WARNING", &text, &[]);
            crate::claim::set_unjudged_aside(&root, &task, when, now, tell).map_err(Into::into)
        };
        if let Err(error) = told {
            // It does not count where it stands, either.
            tracing::error!(error = error.as_ref(), "could not take DONE back");
        }
    }

    fn last_words(
        &self,
        status: ResultStatus,
        failure: Option<&Failure>,
        left: usize,
    ) -> (&'static str, String) {
        let failure = failure.map(Failure::to_string).unwrap_or_default();
        let is_loop = self.record.kind == crate::launch::Kind::Task;
        match status {
            ResultStatus::Completed if left > 0 => (
                "INFO",
                format!("task completed ({left} children go on as tasks of their own)"),
            ),
            ResultStatus::Completed if !is_loop => ("INFO", "job completed".to_owned()),
            ResultStatus::Completed if self.children_waited => {
                ("INFO", "task completed (all children finished)".to_owned())
            }
            ResultStatus::Completed => (
                "INFO",
                "task completed (DONE marker present, no active children)".to_owned(),
            ),
            ResultStatus::Failed if is_loop => ("ERROR", format!("task failed: {failure}")),
            ResultStatus::Failed => ("ERROR", format!("job failed: {failure}")),
            ResultStatus::Stopped => ("INFO", format!("task stopped by request ({failure})")),
        }
    }
}
