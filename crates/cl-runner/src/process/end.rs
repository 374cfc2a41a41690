//! Ending processes: ask, wait, kill, verify.

use std::time::{Duration, Instant};

use cl_storage::process::ProcessIdentity;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

/// How often the set of processes is looked at while they are being ended.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long processes that were sent SIGKILL may take to disappear.
///
/// The kernel delivers it at once; uninterruptible sleep (a dead network file
/// system) is what can take longer, and then the truth is "survivors".
pub(crate) const KILL_WAIT: Duration = Duration::from_secs(5);

/// How long killing one by one is tried before a control group is killed as a whole.
const OUTRUN: Duration = Duration::from_millis(200);

/// Sends `signal` to exactly the process that `identity` names.
///
/// A pidfd pins the process first and its identity is checked afterwards, so that a
/// pid that is reused in between is never hit. Where the kernel offers no pidfd, or a
/// sandbox forbids it, the identity is checked directly before the signal. Returns
/// whether it was delivered.
pub fn signal(identity: &ProcessIdentity, signal: Signal) -> bool {
    let Some(pid) = number_of(identity) else {
        return false;
    };
    let sent = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) if identity.is_alive() => rustix::process::pidfd_send_signal(&pidfd, signal),
        Ok(_) => return false,
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => true,
        Err(error) if is_refusal(error) => signal_unpinned(identity, signal),
        Err(_) => false,
    }
}

/// Tells whether the kernel has no pidfd for us, in contrast to no process.
fn is_refusal(error: Errno) -> bool {
    // EMFILE and ENFILE: a process must be ended even if no descriptor is left.
    [
        Errno::NOSYS,
        Errno::PERM,
        Errno::ACCESS,
        Errno::MFILE,
        Errno::NFILE,
    ]
    .contains(&error)
}

/// Sends `signal` by number, directly after the identity was checked.
///
/// The process could end and its number be reused in the microseconds between; that
/// needs a kernel that goes through all its numbers in that time.
fn signal_unpinned(identity: &ProcessIdentity, signal: Signal) -> bool {
    let Some(pid) = number_of(identity) else {
        return false;
    };
    identity.is_alive() && rustix::process::kill_process(pid, signal).is_ok()
}

/// Returns the number of a single process: a damaged record may hold that of a group, or of all.
pub(crate) fn number_of(identity: &ProcessIdentity) -> Option<Pid> {
    Pid::from_raw(identity.pid.max(0))
}

/// Tells whether this kernel lets this process use pidfds.
pub fn has_pidfd() -> bool {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).is_ok()
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
    /// Tells whether processes come faster than they are killed one by one.
    pub(crate) fn is_outrun(&self) -> bool {
        self.first_kill.is_some_and(|at| at.elapsed() >= OUTRUN)
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper() -> (Child, ProcessIdentity) {
        #[expect(clippy::disallowed_methods, reason = "a process to be signalled")]
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let identity = super::super::spawn::identify(i32::try_from(child.id()).unwrap());
        (child, identity.unwrap())
    }

    /// The same number with another start, as after a reuse.
    fn earlier(identity: &ProcessIdentity) -> ProcessIdentity {
        let (boot, ticks) = identity.start.to_string().rsplit_once(':').map_or_else(
            || unreachable!("a token has two parts"),
            |(boot, ticks)| (boot.to_owned(), ticks.parse::<u64>().unwrap()),
        );
        let start = cl_storage::process::ProcessStart::parse(&format!("{boot}:{}", ticks - 1));
        ProcessIdentity {
            start: start.unwrap(),
            ..identity.clone()
        }
    }

    type Send = fn(&ProcessIdentity, Signal) -> bool;

    #[test]
    fn a_reused_pid_gets_nothing_and_the_process_itself_does() {
        for send in [signal as Send, signal_unpinned as Send] {
            let (mut child, identity) = sleeper();
            assert!(!send(&earlier(&identity), Signal::KILL));
            assert!(child.try_wait().unwrap().is_none(), "the stranger lives");
            for pid in [0, -1, -identity.pid] {
                let group = ProcessIdentity {
                    pid,
                    ..identity.clone()
                };
                assert!(!send(&group, Signal::KILL), "{pid}");
            }
            assert!(child.try_wait().unwrap().is_none());
            assert!(send(&identity, Signal::KILL));
            child.wait().unwrap();
            assert!(!send(&identity, Signal::KILL), "nothing is left to signal");
        }
    }

    #[test]
    fn only_a_refusal_of_the_kernel_leads_to_the_way_without_pidfd() {
        for refusal in [Errno::NOSYS, Errno::PERM, Errno::MFILE] {
            assert!(is_refusal(refusal));
        }
        assert!(!is_refusal(Errno::SRCH));
        assert!(has_pidfd());
    }
}
