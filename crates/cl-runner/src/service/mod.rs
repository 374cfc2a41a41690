//! The server's own process: started in the background, kept going, asked, ended, replaced.
//!
//! Nothing here knows what the server does; agents and their supervisors are not touched.

mod background;
mod keep;
mod log;
mod probe;
mod replace;

use std::time::{Duration, Instant};

use cl_storage::process::ProcessIdentity;
use rustix::process::Signal;

pub use background::{Output, StartError, Started, open_with, start_in_background};
pub use keep::{Keeping, end_with_parent, keep_going};
pub use log::LogFile;
pub use probe::{ProbeError, probe, reachable};
pub use replace::{TryError, accepts, ask_version, become_program, try_out};

/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is asked (SIGTERM).
    Asked,
    /// It is not asked (SIGKILL).
    Forced,
}

/// Ends exactly the process that `identity` names, and waits for that.
///
/// Blocks for `wait` at the most; false if it lives then.
pub fn end(identity: &ProcessIdentity, how: End, wait: Duration) -> bool {
    let signal = match how {
        End::Asked => Signal::TERM,
        End::Forced => Signal::KILL,
    };
    crate::process::end::signal(identity, signal);
    ends_within(identity, wait)
}

/// Waits for the end of the process that `identity` names; false if it lives after `wait`.
pub fn ends_within(identity: &ProcessIdentity, wait: Duration) -> bool {
    let until = Instant::now() + wait;
    while identity.is_alive() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    true
}
