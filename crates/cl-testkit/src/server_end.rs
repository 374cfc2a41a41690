//! The end of a server that a test has started.

use cl_storage::Root;
use cl_storage::server::{NamedProcess, ServerRecord};
use rustix::process::{Pid, Signal, kill_process};

use crate::patience::until;

/// Kills the server of `root` and whoever keeps it going; returns when both are gone.
///
/// For `Drop`: a root without a server is left as it is.
///
/// # Panics
///
/// If a process does not end in time.
pub fn end_server(root: &Root) {
    let Ok(Some(record)) = ServerRecord::read(root) else {
        return;
    };
    let keeper = record.keeper.as_ref().map(NamedProcess::identity);
    // The keeper first: it would start the server again.
    for process in keeper.into_iter().chain([record.identity()]) {
        if process.is_alive() {
            let pid = Pid::from_raw(process.pid).expect("a process that lives has a number");
            kill_process(pid, Signal::KILL).ok();
            until("its end", || !process.is_alive());
        }
    }
}
