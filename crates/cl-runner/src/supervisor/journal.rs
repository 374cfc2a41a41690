//! The supervisor's messages on the task's bus.
//!
//! A bus that cannot be written must not cost an agent's work: the message is
//! kept and tried again, in order, while the supervisor waits for other things
//! and at the end. What cannot be posted even then stands in the supervisor's
//! log.

use std::collections::VecDeque;
use std::time::Duration;

use cl_bus::{Bus, Draft, LockPolicy};
use cl_storage::RunId;

use super::Supervisor;

/// Messages that wait for the bus; older ones are dropped beyond this.
const LONGEST_BACKLOG: usize = 1000;

/// Messages on their way to the bus.
#[derive(Debug)]
pub(super) struct Journal {
    bus: Bus,
    backlog: VecDeque<Draft>,
    /// The last problem was told already.
    is_told: bool,
}

impl Journal {
    /// Posts to `bus`, which is waited for only shortly: a supervisor has other duties.
    pub(super) fn new(bus: Bus) -> Self {
        let bus = bus.with_lock_policy(LockPolicy {
            wait: Duration::from_secs(1),
            attempts: 1,
            ..LockPolicy::default()
        });
        Self {
            bus,
            backlog: VecDeque::new(),
            is_told: false,
        }
    }

    /// Appends `draft`, after everything that still waits.
    pub(super) fn post(&mut self, draft: Draft) {
        if self.backlog.len() >= LONGEST_BACKLOG {
            self.backlog.pop_front();
            tracing::error!("a message was dropped: the bus has been out of reach for too long");
        }
        self.backlog.push_back(draft);
        self.flush();
    }

    /// Tells whether messages wait for the bus.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Puts what could not be posted where a person will find it.
    pub(super) fn give_up(&mut self) {
        for draft in self.backlog.drain(..) {
            let body = String::from_utf8_lossy(&draft.body).into_owned();
            tracing::error!(kind = draft.kind, body, "a message never reached the bus");
        }
    }

    /// Tries to append everything that waits.
    pub(super) fn flush(&mut self) {
        while let Some(draft) = self.backlog.front() {
            match self.bus.append(draft) {
                // An unsynced message stands in the file: appending it again would repeat it.
                Ok(_) | Err(cl_bus::AppendError::Unsynced { .. }) => {
                    self.backlog.pop_front();
                    self.is_told = false;
                }
                // It would be refused for ever, and everything behind it would wait.
                Err(
                    error @ (cl_bus::AppendError::Draft(_) | cl_bus::AppendError::Misplaced { .. }),
                ) => {
                    let body = String::from_utf8_lossy(&draft.body).into_owned();
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        body,
                        "the bus refuses a message"
                    );
                    self.backlog.pop_front();
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_told, true) {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "could not post to the bus; trying again"
                        );
                    }
                    return;
                }
            }
        }
    }
}

impl Supervisor {
    /// Posts a message of the task, not of a run.
    pub(super) fn post(&mut self, kind: &str, body: &str, meta: &[(&str, String)]) {
        let draft = self.draft(kind, body, meta);
        self.journal.post(draft);
    }

    /// Posts a message of a run.
    pub(super) fn post_for(&mut self, run: &RunId, kind: &str, body: &str) {
        let draft = self.draft(kind, body, &[]).run(run.clone());
        self.journal.post(draft);
    }

    fn draft(&self, kind: &str, body: &str, meta: &[(&str, String)]) -> Draft {
        let body = self.redactor.redact(body).into_owned();
        let draft =
            Draft::new(kind, self.task.project().clone(), body).task(self.task.id().clone());
        meta.iter().fold(draft, |draft, (name, value)| {
            draft.meta(*name, self.redactor.redact(value).into_owned())
        })
    }
}
