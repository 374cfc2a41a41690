//! The one place of a supervisor that waits for processes.
//!
//! A supervisor is a child subreaper, so besides its own children it inherits
//! the orphans of its agents. One reaper takes them all and remembers how those
//! ended that somebody asks for. It must never run in a process that has other
//! children: only the supervisor's executable uses it.

use std::collections::HashMap;

use cl_agent::Exit;
use rustix::process::{WaitOptions, WaitStatus};

/// How children of this process ended.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    watched: HashMap<i32, Option<Exit>>,
}

impl Reaper {
    /// Remembers the end of `pid`, a child of this process.
    pub(crate) fn watch(&mut self, pid: i32) {
        // An earlier process of the same number may have been left untaken.
        self.watched.insert(pid, None);
    }

    /// Reaps everything that has ended; call it after SIGCHLD and now and then.
    ///
    /// Returns whether this process has children still. A subreaper without any has no
    /// descendants either: it would have adopted them when their parents ended.
    pub(crate) fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if let Some(slot) = self.watched.get_mut(&pid.as_raw_pid()) {
                        *slot = Some(exit_of(status));
                    }
                }
                Ok(None) => return true,
                Err(error) => return error != rustix::io::Errno::CHILD,
            }
        }
    }

    /// Returns how `pid` ended, once; `None` while it runs.
    pub(crate) fn take(&mut self, pid: i32) -> Option<Exit> {
        let exit = (*self.watched.get(&pid)?)?;
        self.watched.remove(&pid);
        Some(exit)
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(-1),
    }
}
