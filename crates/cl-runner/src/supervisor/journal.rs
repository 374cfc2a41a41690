//! The supervisor's messages on the task's bus.
//!
//! A bus that cannot be written must not cost an agent's work: the message is
//! kept, in memory and on disk ([`spool`]), and tried again, in order, while the
//! supervisor waits for other things and at the end. What cannot be posted even
//! then is posted by the next owner, and stands in the supervisor's log.

use std::collections::VecDeque;
use std::time::Duration;

use cl_bus::{AppendError, Bus, Draft, Durability, LockPolicy};
use cl_storage::{RunId, TaskDir};

use super::{Supervisor, spool};

/// Messages that wait for the bus; older ones are dropped beyond this.
const LONGEST_BACKLOG: usize = 1000;

/// What stands on disk of the messages that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpoolFile {
    /// There is no file.
    None,
    /// Something else than what waits.
    Old,
    /// What waits.
    New,
}

impl SpoolFile {
    fn outdate(&mut self) {
        if *self == Self::New {
            *self = Self::Old;
        }
    }
}

/// Messages on their way to the bus.
#[derive(Debug)]
pub(super) struct Journal {
    task: TaskDir,
    bus: Bus,
    /// The same one, for messages that need not be on disk yet.
    ahead: Bus,
    backlog: VecDeque<Draft>,
    /// There is a file, and whether it holds what waits.
    file: SpoolFile,
    /// The last problem was told already.
    is_told: bool,
}

impl Journal {
    /// Posts to the bus of `task`, which is waited for only shortly: a supervisor has
    /// other duties. Begins with what an earlier owner could not post. Only for the owner.
    pub(super) fn new(task: &TaskDir) -> Self {
        let bus = Bus::new(task.bus()).with_lock_policy(LockPolicy {
            wait: Duration::from_secs(1),
            attempts: 1,
            ..LockPolicy::default()
        });
        let backlog = spool::load(task, &bus);
        let mut journal = Self {
            task: task.clone(),
            ahead: bus.clone().with_durability(Durability::Os),
            bus,
            file: if task.bus_spool().exists() {
                SpoolFile::Old
            } else {
                SpoolFile::None
            },
            backlog,
            is_told: false,
        };
        journal.retry();
        journal
    }

    /// Appends `draft`, after everything that still waits.
    ///
    /// What has to wait is said to have happened at `now`.
    pub(super) fn post(&mut self, draft: Draft, now: jiff::Timestamp) {
        if self.backlog.len() >= LONGEST_BACKLOG {
            self.backlog.pop_front();
            tracing::error!("a message was dropped: the bus has been out of reach for too long");
        }
        self.backlog.push_back(draft);
        self.flush();
        if let Some(waiting) = self.backlog.back_mut() {
            waiting.timestamp.get_or_insert(now);
            self.file.outdate();
        }
        self.keep();
    }

    /// Appends `draft`, which gets onto the disk with the next message at the latest.
    ///
    /// For what means nothing without that one, which must follow at once.
    pub(super) fn post_ahead(&mut self, draft: Draft, now: jiff::Timestamp) {
        if self.backlog.is_empty()
            && matches!(
                self.ahead.append(&draft),
                Ok(_) | Err(AppendError::Unsynced { .. })
            )
        {
            return;
        }
        self.post(draft, now);
    }

    /// Makes the file hold what waits.
    fn keep(&mut self) {
        cl_storage::crash::point("posted-still-spooled");
        let kept = match (self.backlog.is_empty(), self.file) {
            (true, SpoolFile::None) | (false, SpoolFile::New) => return,
            (true, _) => spool::remove(&self.task).map_err(|error| error.to_string()),
            (false, _) => spool::save(&self.task, &self.backlog)
                .map_err(|error| crate::launch_error_text(&error)),
        };
        match kept {
            Ok(()) if self.backlog.is_empty() => self.file = SpoolFile::None,
            Ok(()) => self.file = SpoolFile::New,
            // They are in memory still; if they are lost there, the log has told of it.
            Err(error) => tracing::error!(error, "could not keep messages for the bus on disk"),
        }
    }

    /// Tells whether messages wait for the bus.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Puts what could not be posted where a person will find it; the next owner posts it.
    pub(super) fn give_up(&mut self) {
        for draft in self.backlog.drain(..) {
            let body = String::from_utf8_lossy(&draft.body).into_owned();
            tracing::error!(kind = draft.kind, body, "a message never reached the bus");
        }
    }

    /// Tries to append everything that waits.
    pub(super) fn retry(&mut self) {
        self.flush();
        self.keep();
    }

    fn flush(&mut self) {
        while let Some(draft) = self.backlog.front() {
            match self.bus.append(draft) {
                // An unsynced message stands in the file: appending it again would repeat it.
                Ok(_) | Err(AppendError::Unsynced { .. }) => {
                    self.backlog.pop_front();
                    self.file.outdate();
                    self.is_told = false;
                }
                // It would be refused for ever, and everything behind it would wait.
                Err(error @ (AppendError::Draft(_) | AppendError::Misplaced { .. })) => {
                    let body = String::from_utf8_lossy(&draft.body).into_owned();
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        body,
                        "the bus refuses a message"
                    );
                    self.backlog.pop_front();
                    self.file.outdate();
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
        let (draft, now) = (self.draft(kind, body, meta), self.now());
        self.journal.post(draft, now);
    }

    /// Posts a message of the task just ahead of one of its run, with which it gets onto the disk.
    pub(super) fn post_ahead(&mut self, kind: &str, body: &str) {
        let (draft, now) = (self.draft(kind, body, &[]), self.now());
        self.journal.post_ahead(draft, now);
    }

    /// Posts a message of a run.
    pub(super) fn post_for(&mut self, run: &RunId, kind: &str, body: &str) {
        let draft = self.draft(kind, body, &[]).run(run.clone());
        let now = self.now();
        self.journal.post(draft, now);
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
