//! Ending a task's wait for a usage limit.

use std::time::{Duration, Instant};

use cl_storage::control::{Outcome, Request, RequestBody};
use cl_storage::owner::Owner;
use cl_storage::record::RecordError;
use cl_storage::{Clock, TaskDir};

/// How long the supervisor may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How often the answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeReport {
    /// The wait is over, and the next attempt begins.
    Awake,
    /// The task runs and does not wait for a limit; the text says more.
    NotWaiting(String),
    /// The task has no live supervisor.
    NotRunning,
}

/// Why a task could not be woken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WakeError {
    /// The request could not be made.
    #[error("could not hand in the request")]
    Request(#[from] std::io::Error),
    /// The request or its answer could not be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The supervisor does not answer.
    #[error("the supervisor (pid {pid}) has not answered within {waited:?}; look at {log}")]
    TimedOut {
        /// The supervisor.
        pid: i32,
        /// How long was waited.
        waited: Duration,
        /// Its log.
        log: String,
    },
}

/// Asks the supervisor of `task` to end its wait for a usage limit now.
///
/// Blocks until it has answered, 15 s at the most. Asking twice does no harm.
pub fn wake_task(task: &TaskDir, clock: &dyn Clock) -> Result<WakeReport, WakeError> {
    let live_owner = || Owner::read(task).ok().flatten().filter(Owner::is_alive);
    let Some(owner) = live_owner() else {
        return Ok(WakeReport::NotRunning);
    };
    let request = Request::new(RequestBody::Wake, &owner.launch_id, clock.now())?;
    request.submit(task)?;
    crate::wake(task);
    let started = Instant::now();
    loop {
        if let Some(answer) = request.answer(task)? {
            request.forget(task)?;
            return Ok(match answer.outcome {
                Outcome::Done => WakeReport::Awake,
                Outcome::Refused | Outcome::Failed => WakeReport::NotWaiting(answer.message),
            });
        }
        let is_gone = live_owner().is_none_or(|now| now.pid != owner.pid);
        let is_late = started.elapsed() > ANSWER_WITHIN;
        // What cannot be withdrawn was claimed: the answer is there at the next look.
        if (is_gone || is_late) && request.withdraw(task)? {
            if is_gone {
                return Ok(WakeReport::NotRunning);
            }
            return Err(timed_out(task, owner.pid));
        }
        if started.elapsed() > 2 * ANSWER_WITHIN {
            return Err(timed_out(task, owner.pid));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn timed_out(task: &TaskDir, pid: i32) -> WakeError {
    WakeError::TimedOut {
        pid,
        waited: ANSWER_WITHIN,
        log: task.supervisor_log().display().to_string(),
    }
}
