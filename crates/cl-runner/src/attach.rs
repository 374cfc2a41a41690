//! Waiting for a launch to end, in the foreground.
//!
//! The one who waits owns nothing: it reads files, and asks the supervisor to
//! stop when it is interrupted. Killing it never hurts the task.

use std::io;
use std::time::Duration;

use cl_storage::control::{Request, RequestBody, StopRequest};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::process::ProcessIdentity;
use cl_storage::task_state::{TaskResult, TaskState};
use cl_storage::{Clock, TaskDir};
use rustix::process::{PidfdFlags, Signal};
use tokio::sync::oneshot;

use crate::wishes::{Wish, Wishes};

/// How often the files are looked at; the supervisor's end is noticed at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What signals to the waiting process mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTerminate {
    /// TERM stops the task.
    Stop,
    /// TERM only ends the waiting: agents' shell tools end slow commands by it,
    /// and the work must go on.
    Detach,
}

/// How to wait.
#[derive(Debug, Clone)]
pub struct AttachOptions {
    /// What TERM means; HUP always detaches, INT always stops.
    pub on_terminate: OnTerminate,
    /// From the wish to stop to the kill.
    pub grace: Duration,
    /// How long the monitor leaves a stopped task alone.
    pub suppression: Option<Duration>,
}

/// How the waiting ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AttachEnd {
    /// The launch has ended.
    Ended {
        /// How.
        result: TaskResult,
        /// How many attempts it has made.
        attempts: u32,
    },
    /// The supervisor died before it could record an end.
    Lost,
    /// The waiting was given up; the task goes on.
    Detached,
}

/// Returns how the launch `launch_id` of `task` has ended; `None` while it goes on.
pub fn end_of(task: &TaskDir, launch_id: &str) -> Option<AttachEnd> {
    let owner = Owner::read(task)
        .ok()
        .flatten()
        .filter(|owner| owner.launch_id == launch_id);
    ended(task, launch_id, owner.as_ref())
}

/// Asks the owner of the launch `launch_id` to stop, and returns at once.
///
/// `exit_code` is what those who wait for the task will end with; `suppression` is how
/// long the monitor leaves the task alone, none until it is started or resumed.
pub fn request_stop(
    task: &TaskDir,
    launch_id: &str,
    by: &str,
    exit_code: i32,
    grace: Duration,
    suppression: Option<Duration>,
    clock: &dyn Clock,
) -> io::Result<()> {
    let request = StopRequest {
        by: by.to_owned(),
        kill_at: after(clock, grace),
        exit_code,
        suppress_ms: millis(suppression),
    };
    ask_to_stop(task, launch_id, request, clock).map(drop)
}

/// Waits until the launch `launch_id` of `task` has ended.
///
/// Calls `look` every 100 ms. Blocks. The first INT asks the task to stop, the
/// second one to be killed at once; what came since `wishes` was made counts.
pub fn attach(
    wishes: Wishes,
    task: &TaskDir,
    launch_id: &str,
    options: &AttachOptions,
    clock: &dyn Clock,
    mut look: impl FnMut(),
) -> io::Result<AttachEnd> {
    let Wishes {
        runtime,
        mut signals,
    } = wishes;
    runtime.block_on(async {
        let mut stops = 0_u32;
        let mut watched = None;
        let mut exit = None;
        loop {
            let owner = Owner::read(task)
                .ok()
                .flatten()
                .filter(|owner| owner.launch_id == launch_id);
            if let Some(end) = ended(task, launch_id, owner.as_ref()) {
                look();
                if let Some(supervisor) = &watched {
                    // It gives the task up a moment before it ends.
                    crate::launch::see_off(supervisor);
                }
                return Ok(end);
            }
            if let Some(owner) = owner
                .as_ref()
                .map(Owner::identity)
                .filter(|owner| watched.as_ref() != Some(owner))
            {
                exit = exit_of(&owner);
                watched = Some(owner);
            }
            // Every arm only receives or waits: dropping the others loses nothing.
            let wish = tokio::select! {
                () = ended_of(&mut exit) => None,
                wish = signals.within(LOOK_EVERY) => wish,
            };
            let stop_with = match (wish, options.on_terminate) {
                (None, _) => None,
                (Some(Wish::Interrupt), _) => Some((130, "Ctrl-C")),
                (Some(Wish::Terminate), OnTerminate::Stop) => Some((143, "signal TERM")),
                (Some(Wish::Terminate), OnTerminate::Detach) | (Some(Wish::HangUp), _) => {
                    return Ok(AttachEnd::Detached);
                }
            };
            if let Some((exit_code, by)) = stop_with {
                stops += 1;
                let grace = if stops > 1 {
                    Duration::ZERO
                } else {
                    options.grace
                };
                let request = StopRequest {
                    by: by.to_owned(),
                    kill_at: after(clock, grace),
                    exit_code,
                    suppress_ms: millis(options.suppression),
                };
                ask_to_stop(task, launch_id, request, clock)?;
            }
            look();
        }
    })
}

/// Hands in a wish to stop and wakes the owner.
pub(crate) fn ask_to_stop(
    task: &TaskDir,
    launch_id: &str,
    request: StopRequest,
    clock: &dyn Clock,
) -> io::Result<Request> {
    let request = Request::new(RequestBody::Stop(request), launch_id, clock.now())?;
    request.submit(task).map_err(io::Error::other)?;
    wake_owner(task);
    Ok(request)
}

/// Returns the time that is `wait` from now.
pub(crate) fn after(clock: &dyn Clock, wait: Duration) -> jiff::Timestamp {
    let now = clock.now();
    now.checked_add(wait).unwrap_or(now)
}

/// Returns how long the monitor is kept away, as requests say it.
pub(crate) fn millis(suppression: Option<Duration>) -> Option<u64> {
    suppression.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Wakes the owner of `task`, if it has one; a lost wake-up costs a second.
pub fn wake_owner(task: &TaskDir) {
    if let Some(owner) = Owner::read(task).ok().flatten() {
        crate::process::end::signal(&owner.identity(), Signal::USR1);
    }
}

fn ended(task: &TaskDir, launch_id: &str, owner: Option<&Owner>) -> Option<AttachEnd> {
    let state = OwnerState::of(owner);
    if state == OwnerState::Alive {
        return None;
    }
    // Read after the owner was seen gone: it records the result before it goes. A state
    // that cannot be read, or belongs to a later launch, will never hold the result.
    let state = TaskState::read(task).ok().flatten();
    let ended = state
        .filter(|state| state.launch_id == launch_id)
        .and_then(|state| {
            Some(AttachEnd::Ended {
                attempts: state.attempts.this_launch,
                result: state.result?,
            })
        });
    Some(ended.unwrap_or(AttachEnd::Lost))
}

/// Returns a receiver that hears of the end of `process`; `None` if it is gone.
///
/// A thread of its own waits for it, for as long as the process lives.
fn exit_of(process: &ProcessIdentity) -> Option<oneshot::Receiver<()>> {
    use rustix::event::{PollFd, PollFlags, poll};
    let pidfd = rustix::process::pidfd_open(
        crate::process::end::number_of(process)?,
        PidfdFlags::empty(),
    )
    .ok()?;
    if !process.is_alive() {
        return None;
    }
    let (tx, rx) = oneshot::channel();
    std::thread::spawn(move || {
        while poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR)
        {
        }
        // Nobody may be waiting any more.
        tx.send(()).unwrap_or_default();
    });
    Some(rx)
}

/// Waits for the end that `exit` tells of, once.
async fn ended_of(exit: &mut Option<oneshot::Receiver<()>>) {
    match exit {
        Some(receiver) => {
            // An error means that the thread is gone, which is the same news.
            receiver.await.unwrap_or_default();
            *exit = None;
        }
        None => std::future::pending().await,
    }
}
