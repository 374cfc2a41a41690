//! What a supervisor waits for.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Supervisor;

/// The longest time without a look around: a lost signal costs this much.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The signals of a supervisor.
#[derive(Debug)]
pub(super) struct Signals {
    child: Signal,
    wake: Signal,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Installs the handlers. Before the owner record names this process: a wake
    /// signal without a handler would kill it.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            wake: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Supervisor {
    /// Waits for anything to happen, `at_most` this long, and takes note of it.
    ///
    /// Never returns if the task was taken away, or this process is told to leave it. Ends of processes are in the reaper afterwards, requests are answered, a
    /// wish to stop stands in `self.stop`. Every arm only receives from a channel
    /// or waits for the time, so dropping the others loses nothing.
    pub(super) async fn next_event(&mut self, at_most: Duration) {
        let mut stopped_by = None;
        let mut is_told_to_leave = false;
        tokio::select! {
            // When the machine goes down, agents are told to end as well: their ends are no failures.
            biased;
            _ = self.signals.terminate.recv() => is_told_to_leave = true,
            _ = self.signals.child.recv() => {}
            _ = self.signals.wake.recv() => {}
            _ = self.signals.interrupt.recv() => stopped_by = Some("signal INT to the supervisor"),
            // A supervisor has no terminal; somebody's broadcast must not end the task.
            _ = self.signals.hang_up.recv() => {}
            () = tokio::time::sleep(at_most) => {}
        }
        // What follows writes to the task's folder.
        self.stay_if_owned().await;
        if is_told_to_leave && self.stop.is_none() {
            self.leave().await;
        }
        self.reaper.reap();
        if is_told_to_leave {
            stopped_by = Some("signal TERM to the supervisor");
        }
        if let Some(by) = stopped_by {
            self.stop_by_signal(by);
        }
        self.handle_requests();
        self.settle_lost_children();
        if self.journal.has_backlog() {
            self.journal.retry();
        }
    }
}
