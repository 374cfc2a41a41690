//! Ending processes: ask, wait, kill, verify.

use std::time::{Duration, Instant};

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
    first_kill: Option<Instant>,
}

impl Ending {
    /// Signals `alive`: TERM to each that was not asked yet, or KILL to all.
    pub(crate) fn signal(&mut self, alive: &[ProcessIdentity], kill: bool) {
        if kill && !alive.is_empty() {
            self.first_kill.get_or_insert_with(Instant::now);
        }
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

impl Ending {
    /// Tells whether enough was waited since the first SIGKILL: what is left now survives.
    pub(crate) fn is_over(&self) -> bool {
        self.first_kill.is_some_and(|at| at.elapsed() >= KILL_WAIT)
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
    let started = Instant::now();
    let mut ending = Ending::default();
    loop {
        let alive = find();
        if alive.is_empty() || ending.is_over() {
            return alive;
        }
        ending.signal(&alive, started.elapsed() >= grace);
        std::thread::sleep(LOOK_AGAIN);
    }
}
