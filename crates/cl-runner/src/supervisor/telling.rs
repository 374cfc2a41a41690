//! Telling others of runs and of the task: what is written when.

use cl_bus::Bus;
use cl_config::NotifyEvent;
use cl_storage::run_info::RunInfo;
use cl_storage::task_state::ResultStatus;
use cl_storage::{Failure, FailureKind, RunDir};

use super::Supervisor;
use crate::notify::{self, Event};

impl Supervisor {
    /// Tells that a run has ended, and that its agent waits for a person if it does.
    ///
    /// Before the closing event is on the bus: whoever finds that missing tells again.
    pub(super) fn tell_run_end(&self, run: &RunDir, info: &RunInfo) {
        self.spool(&notify::run_stopped(info));
        let question = self.open_question(run);
        let is_stuck = (info.failure.as_ref())
            .is_some_and(|failure| failure.kind == FailureKind::InputRequired);
        if question.is_some() || is_stuck {
            let message = question.unwrap_or_else(|| info.error_summary.clone());
            let message = self.redactor.redact(&message).into_owned();
            let key = run.id().to_string();
            let event = notify::task_event(
                NotifyEvent::NeedsUser,
                &key,
                &self.task,
                Some(run.id()),
                &message,
                info.failure.as_ref(),
                self.now(),
            );
            self.spool(&event);
        }
        notify::start::kick(&self.root);
    }

    /// Returns the question that was the last thing that the agent of `run` has posted.
    fn open_question(&self, run: &RunDir) -> Option<String> {
        // What cannot be read is no question; the record of the run says more.
        let last = Bus::new(self.task.bus())
            .tail(1)
            .ok()?
            .into_messages()
            .pop()?;
        let is_open = last.kind == "QUESTION" && last.run_id == run.id().as_str();
        is_open.then_some(last.body)
    }

    /// Writes down, before the end of the task is recorded, who is to be told of it.
    ///
    /// Nobody is told of an end that somebody has asked for, nor of the end of a task
    /// that another one has launched: that one's agent waits for it.
    pub(super) fn spool_task_end(&self, status: ResultStatus, failure: Option<&Failure>) {
        let kind = match status {
            ResultStatus::Completed => NotifyEvent::Done,
            ResultStatus::Failed => NotifyEvent::Failed,
            ResultStatus::Stopped => return,
        };
        let message = failure.map(ToString::to_string).unwrap_or_default();
        let event = |kind| {
            let run = self.previous_run.as_ref();
            let key = &self.record.launch_id;
            notify::task_event(kind, key, &self.task, run, &message, failure, self.now())
        };
        if self.record.parent.is_none() {
            self.spool(&event(kind));
        }
        if failure.is_some_and(|failure| failure.kind == FailureKind::MaxBudget) {
            self.spool(&event(NotifyEvent::Budget));
        }
    }

    /// Writes down, before the wait is recorded, who is to be told that the task waits
    /// for a limit to end, once for each wait; anything else it waits for is no news.
    pub(super) fn spool_waiting(&self) {
        if self.state.waiting_for.as_deref() != Some("limit") {
            return;
        }
        let (key, message) = match self.state.wake_at {
            Some(at) => (at.to_string(), format!("until {at}")),
            None => (self.state.attempts.total.to_string(), String::new()),
        };
        let failure = self.last.as_ref().and_then(|last| last.failure.as_ref());
        self.spool(&notify::task_event(
            NotifyEvent::Waiting,
            &key,
            &self.task,
            self.previous_run.as_ref(),
            &message,
            failure,
            self.now(),
        ));
    }

    fn spool(&self, event: &Event) {
        if let Some(plan) = &self.record.notify {
            notify::spool(&self.root, &self.task, plan, event, self.now());
        }
    }
}
