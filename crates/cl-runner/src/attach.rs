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

/// What TERM means to the waiting process; HUP always detaches, INT always stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTerminate {
    /// TERM stops the task.
    Stop,
    /// TERM only ends the waiting: agents' shell tools end slow commands by it,
    /// and the work must go on.
    Detach,
}

impl OnTerminate {
    /// Tells whether `wish` is for the task to stop; else it is for the waiting to end.
    pub fn is_for_task(self, wish: Wish) -> bool {
        match wish {
            Wish::Interrupt => true,
            Wish::Terminate => self == Self::Stop,
            Wish::HangUp => false,
        }
    }
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

/// A launch under way, as the one who waits for it sees it.
#[derive(Debug)]
pub struct Flight {
    task: TaskDir,
    launch_id: String,
    /// From the wish to stop to the kill.
    grace: Duration,
    /// How long the monitor leaves a stopped task alone; none until it is taken up again.
    suppression: Option<Duration>,
    /// Its supervisor, once it is known.
    supervisor: Option<ProcessIdentity>,
    /// How often it was asked to stop.
    stops: u32,
}

impl Flight {
    /// Returns the launch `launch_id` of `task`, whoever has launched it.
    ///
    /// One that is stopped gets `grace` before it is killed, and the monitor leaves it
    /// alone for `suppression`, or until it is taken up again.
    pub fn new(
        task: TaskDir,
        launch_id: String,
        grace: Duration,
        suppression: Option<Duration>,
    ) -> Self {
        Self {
            task,
            launch_id,
            grace,
            suppression,
            supervisor: None,
            stops: 0,
        }
    }

    /// Names the supervisor, where this process has started it and is to see it off.
    #[must_use]
    pub fn under(mut self, supervisor: ProcessIdentity) -> Self {
        self.supervisor = Some(supervisor);
        self
    }

    /// Returns the task.
    pub fn task(&self) -> &TaskDir {
        &self.task
    }

    /// Returns the launch's id.
    pub fn launch_id(&self) -> &str {
        &self.launch_id
    }

    /// Returns how it has ended; `None` while it goes on. Blocks for a moment when it has.
    pub fn end(&self) -> Option<AttachEnd> {
        let end = ended(&self.task, &self.launch_id, self.owner().as_ref())?;
        self.see_off();
        Some(end)
    }

    /// Asks it to stop, as `wish` says, and returns at once; asked again, it is killed at once.
    pub fn stop(&mut self, wish: Wish, clock: &dyn Clock) -> io::Result<()> {
        let grace = if self.stops > 0 {
            Duration::ZERO
        } else {
            self.grace
        };
        self.stops += 1;
        let request = StopRequest {
            by: match wish {
                Wish::Interrupt => "Ctrl-C".to_owned(),
                Wish::Terminate | Wish::HangUp => "signal TERM".to_owned(),
            },
            kill_at: after(clock, grace),
            // What those who wait for the task end with.
            exit_code: match wish {
                Wish::Interrupt => 130,
                Wish::Terminate | Wish::HangUp => 143,
            },
            suppress_ms: millis(self.suppression),
        };
        ask_to_stop(&self.task, &self.launch_id, request, clock).map(drop)
    }

    fn owner(&self) -> Option<Owner> {
        let owner = Owner::read(&self.task).ok().flatten();
        owner.filter(|owner| owner.launch_id == self.launch_id)
    }

    fn see_off(&self) {
        if let Some(supervisor) = &self.supervisor {
            // It gives the task up a moment before it ends.
            crate::launch::see_off(supervisor);
        }
    }
}

/// What came of waiting for a launch.
#[derive(Debug)]
pub struct Attached {
    /// How the waiting ended.
    pub end: AttachEnd,
    /// The last signal by which the task was asked to stop meanwhile.
    pub stopped_by: Option<Wish>,
}

/// Waits until `flight` has ended.
///
/// Calls `look` every 100 ms. Blocks. The first INT asks the task to stop, the
/// second one to be killed at once; what came since `wishes` was made counts.
pub fn attach(
    wishes: &mut Wishes,
    flight: &mut Flight,
    on_terminate: OnTerminate,
    clock: &dyn Clock,
    mut look: impl FnMut(),
) -> io::Result<Attached> {
    let Wishes { runtime, signals } = wishes;
    runtime.block_on(async {
        let mut stopped_by = None;
        let mut watched = None;
        let mut exit = None;
        loop {
            let owner = flight.owner();
            if let Some(end) = ended(&flight.task, &flight.launch_id, owner.as_ref()) {
                look();
                flight.see_off();
                return Ok(Attached { end, stopped_by });
            }
            if let Some(owner) = owner
                .as_ref()
                .map(Owner::identity)
                .filter(|owner| watched.as_ref() != Some(owner))
            {
                exit = exit_of(&owner);
                flight.supervisor = Some(owner.clone());
                watched = Some(owner);
            }
            // Every arm only receives or waits: dropping the others loses nothing.
            let wish = tokio::select! {
                () = ended_of(&mut exit) => None,
                wish = signals.within(LOOK_EVERY) => wish,
            };
            if let Some(wish) = wish {
                if !on_terminate.is_for_task(wish) {
                    let end = AttachEnd::Detached;
                    return Ok(Attached { end, stopped_by });
                }
                stopped_by = Some(wish);
                flight.stop(wish, clock)?;
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
