//! Telling a project that one of its tasks is done.
//!
//! ```text
//! DONE → lock → what there is to tell, and its key → key in the state file? ─yes→ nothing
//!   → such a message on the project's bus? ─no→ post it → state file → unlock
//!   → a message on the task's bus that says so
//! ```
//!
//! One message per *propagation key*, the digest of everything that is told: the
//! time of DONE, the number of facts, and how each run ended. So the same end is
//! told once, however often and by whomever it is found, and a later end of a
//! resumed task is told again.
//!
//! The lock file makes finishers of one task take turns. Killed before the post,
//! nothing has happened. Killed between post and state, the next finisher finds
//! the message on the project's bus, which it searches, and adopts it. Killed
//! after the state, only the notice on the task's bus is missing.
//!
//! The key tells of the end of each run, so nobody can have posted it before the
//! latest run began: whoever made that run searches from there ([`end_of_bus`]),
//! as the bus of a project grows with each of its tasks.

mod account;
mod message;
mod state;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use cl_bus::facts::{COMPLETION_KIND, COMPLETION_NOTICE_KIND, FACT, KIND_KEY};
use cl_bus::{
    After, AppendError, Bus, Cursor, Draft, Entry, Found, LockPolicy, PROJECT_BUS, Query, ReadError,
};
use cl_storage::lock::{self, LockError};
use cl_storage::record::RecordError;
use cl_storage::redact::Redactor;
use cl_storage::{Clock, LayoutError, MessageId, TaskDir, crash};

use account::Account;
use state::State;

/// How long the project's bus is waited for; an owner has other duties.
const BUS_WAIT: Duration = Duration::from_secs(5);

/// Why a project could not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PropagateError {
    /// Another finisher of the task holds the lock for too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The marker of the end could not be looked at.
    #[error("could not look at {}", path.display())]
    Done {
        /// The marker.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The runs could not be listed.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A bus could not be read.
    #[error("could not read what there is to tell")]
    Read(#[from] ReadError),
    /// The project's bus did not take the message.
    #[error("could not post to the project's bus")]
    Append(#[from] AppendError),
    /// What was told could not be read or recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Propagated {
    /// Nothing: the task is not done.
    NotDone,
    /// Nothing: this end was told before.
    Already {
        /// The propagation key.
        key: String,
    },
    /// The message was found on the project's bus and is recorded now.
    Adopted {
        /// The propagation key.
        key: String,
        /// The message.
        message: MessageId,
    },
    /// The message was posted.
    Posted {
        /// The propagation key.
        key: String,
        /// The message.
        message: MessageId,
    },
}

/// Which of a task's facts are quoted.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// Some, with secrets masked.
    Masked(&'a Redactor),
    /// None: who tells does not know the secrets of the launch.
    LeftOut,
}

impl Samples<'_> {
    /// Returns `text` as it may be written.
    fn mask(self, text: &str) -> String {
        match self {
            Self::Masked(redactor) => redactor.redact(text).into_owned(),
            Self::LeftOut => text.to_owned(),
        }
    }
}

/// Returns where the bus of the task's project ends now; none if it is empty or cannot be read.
///
/// Taken before the first record of a run, it spares [`propagate`] the search of what is
/// older. Blocks; reads the end of the file alone.
pub fn end_of_bus(task: &TaskDir) -> Option<Cursor> {
    project_bus(task).tail(1).ok()?.last_cursor()
}

/// Tells the project of `task` that the task is done, once.
///
/// What stands on the project's bus is searched for the message, from `began` on if the
/// caller knows where the bus ended before the latest run of the task was recorded.
///
/// Blocks for up to five seconds for each of the two locks. Returns after message
/// and state are on disk.
pub fn propagate(
    task: &TaskDir,
    samples: Samples<'_>,
    clock: &dyn Clock,
    began: Option<&Cursor>,
) -> Result<Propagated, PropagateError> {
    lock::with_lock_file(&task.propagation_lock(), lock::SHORT_WAIT, || {
        let Some(account) = Account::take(task)? else {
            return Ok(Propagated::NotDone);
        };
        let key = account.key();
        if State::read(task)?.is_some_and(|state| state.key == key) {
            return Ok(Propagated::Already { key });
        }
        let bus = project_bus(task);
        let found = match find(&bus, task, &key, began) {
            // The file is another one since.
            Err(error) if error.is_unknown_message() => find(&bus, task, &key, None),
            found => found,
        }?;
        let is_found = found.is_some();
        let message = match found {
            Some(message) => message,
            None => post(&bus, &message::draft(&account, &key, samples, clock.now()))?,
        };
        State::new(&key, message.clone(), clock.now()).write(task)?;
        crash::point("propagation-recorded");
        Ok(if is_found {
            Propagated::Adopted { key, message }
        } else {
            Propagated::Posted { key, message }
        })
    })?
}

fn project_bus(task: &TaskDir) -> Bus {
    Bus::new(task.path().with_file_name(PROJECT_BUS)).with_lock_policy(LockPolicy {
        wait: BUS_WAIT,
        attempts: 1,
        ..LockPolicy::default()
    })
}

/// Looks for the first message with this key, holding one message at a time.
fn find(
    bus: &Bus,
    task: &TaskDir,
    key: &str,
    began: Option<&Cursor>,
) -> Result<Option<MessageId>, ReadError> {
    let mut own = None;
    let query = Query {
        after: began.cloned().map(After::Cursor),
        ..Query::default()
    };
    bus.for_each(&query, |found| {
        let Found::Entry(Entry { message, .. }) = found else {
            return ControlFlow::Continue(());
        };
        let has = |name: &str, value: &str| message.meta.get(name).is_some_and(|v| v == value);
        if message.kind == FACT
            && has(KIND_KEY, COMPLETION_KIND)
            && has("propagation_key", key)
            && has("source_task_id", task.id().as_str())
        {
            own = Some(message.id);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(own)
}

fn post(bus: &Bus, draft: &Draft) -> Result<MessageId, PropagateError> {
    crash::point("propagation-unposted");
    let id = match bus.append(draft) {
        Ok(appended) => appended.id,
        // It stands in the file: posting it again would double it.
        Err(AppendError::Unsynced { id, .. }) => id,
        Err(error) => return Err(error.into()),
    };
    crash::point("propagation-posted");
    Ok(id)
}

/// What is said on the task's bus about telling the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    pub(crate) meta: Vec<(&'static str, String)>,
}

/// Tells the project and returns what to say about it on the task's bus, if anything.
///
/// A failure is something to say, not a failure of the task.
pub(crate) fn tell(
    task: &TaskDir,
    samples: Samples<'_>,
    clock: &dyn Clock,
    began: Option<&Cursor>,
) -> Option<Notice> {
    let plain = |kind, body| {
        Some(Notice {
            kind,
            body,
            meta: Vec::new(),
        })
    };
    match propagate(task, samples, clock, began) {
        Ok(Propagated::NotDone) => None,
        Ok(Propagated::Already { key }) => plain(
            "INFO",
            format!("task completion facts already propagated (key={key})"),
        ),
        Ok(Propagated::Posted { key, message } | Propagated::Adopted { key, message }) => {
            Some(Notice {
                kind: FACT,
                body: format!(
                    "task completion facts propagated to project bus (msg_id={message} key={key})"
                ),
                meta: vec![(KIND_KEY, COMPLETION_NOTICE_KIND.to_owned())],
            })
        }
        Err(error) => {
            let error = crate::launch_error_text(&error);
            plain(
                "ERROR",
                format!("the project could not be told that the task is done: {error}"),
            )
        }
    }
}

#[cfg(test)]
mod tests;
