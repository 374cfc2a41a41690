//! Ending processes: ask, wait, kill, verify.

use std::time::Duration;

use cl_storage::process::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal};

/// How often the set of processes is looked at while they are being ended.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long processes that were sent SIGKILL may take to disappear.
///
/// The kernel delivers it at once; uninterruptible sleep (a dead network file
/// system) is what can take longer, and then the truth is "survivors".
pub(crate) const KILL_WAIT: Duration = Duration::from_secs(5);

/// Sends `signal` to exactly the process that `identity` names.
///
/// The identity is checked again after a pidfd pins the process, so that a pid
/// that is reused in between is never hit. Returns whether it was delivered.
pub fn signal(identity: &ProcessIdentity, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(identity.pid) else {
        return false;
    };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    identity.is_alive() && rustix::process::pidfd_send_signal(&pidfd, signal).is_ok()
}

/// The state of ending a set of processes, advanced by its caller's clock.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    asked: std::collections::HashSet<ProcessIdentity>,
}

impl Ending {
    /// Signals `alive`: TERM to each that was not asked yet, or KILL to all.
    pub(crate) fn signal(&mut self, alive: &[ProcessIdentity], kill: bool) {
        for process in alive {
            if kill {
                signal(process, Signal::KILL);
            } else if self.asked.insert(process.clone()) {
                signal(process, Signal::TERM);
                // A stopped process cannot act on TERM.
                signal(process, Signal::CONT);
            }
        }
    }
}

/// Ends all processes that `find` returns, blocking; returns the survivors.
///
/// TERM at once, KILL after `grace`, then verified for up to five seconds. For
/// callers without a runtime: stopping and recovering tasks without an owner.
pub fn end_blocking(
    grace: Duration,
    mut find: impl FnMut() -> Vec<ProcessIdentity>,
) -> Vec<ProcessIdentity> {
    let started = std::time::Instant::now();
    let mut ending = Ending::default();
    loop {
        let alive = find();
        let elapsed = started.elapsed();
        if alive.is_empty() || elapsed >= grace + KILL_WAIT {
            return alive;
        }
        ending.signal(&alive, elapsed >= grace);
        std::thread::sleep(LOOK_AGAIN);
    }
}
