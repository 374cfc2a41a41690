//! The end of a supervisor before that of its task.
//!
//! Somebody deleted or replaced the task's folder, or the lock file in it. What is
//! at the place now is not this supervisor's, so it writes nothing more there, asks
//! nobody and records nothing: it ends what it has started, and itself.
//!
//! Or the supervisor is told to end by SIGTERM, as all are when the machine goes down. That is no
//! wish to stop the task: its agent is ended, and the task is left as a supervisor leaves it that
//! was killed, for recovery to go on with.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::Supervisor;
use crate::process::end::{self, Ending, LOOK_AGAIN};
use crate::process::{census, reaper::Reaper};

/// Beyond the kill: time for the supervisors of children to record their end.
const RECORD_TIME: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Runs the task to its end, or until it is taken away.
    pub(super) async fn run_while_owned(self) -> i32 {
        let (evicted, grace) = (self.evicted.clone(), self.record.policy.grace);
        let leaves = self.leaves.clone();
        let root = self.root.path().to_owned();
        // Dropping the one that runs loses nothing that is still wanted: it waits for
        // ever in `next_event`, and its next act would be to write.
        let children = tokio::select! {
            biased;
            () = evicted.notified() => Children::Stop,
            () = leaves.notified() => Children::Leave,
            code = self.run() => return code,
        };
        end_everything(&root, grace, children).await;
        match children {
            Children::Stop => 1,
            Children::Leave => 128 + Signal::TERM.as_raw(),
        }
    }

    /// Leaves the task to recovery; never returns.
    pub(super) async fn leave(&mut self) {
        tracing::warn!("told to end by signal TERM; the task is left to recovery");
        let text = "the supervisor was told to end (signal TERM): its agent is ended, and the task \
                    is left to `run-agent recover`, which a server does by itself";
        self.post("WARNING", text, &[]);
        self.leaves.notify_one();
        std::future::pending::<()>().await;
    }

    /// Returns if the task is still this supervisor's; otherwise never.
    pub(super) async fn stay_if_owned(&self) {
        if self.ownership.is_in_place() {
            return;
        }
        tracing::error!(
            folder = %self.task.path().display(),
            "the task's folder or its owner.lock is gone or was replaced; ending everything that belongs to it"
        );
        self.evicted.notify_one();
        std::future::pending::<()>().await;
    }
}

/// What becomes of the tasks below the one that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Children {
    /// Their supervisors stop them.
    Stop,
    /// They go on, or are left by their own supervisors.
    Leave,
}

/// Ends every descendant of this process; supervisors of children stop their tasks themselves.
async fn end_everything(root: &Path, grace: Duration, children: Children) {
    let started = Instant::now();
    let mut reaper = Reaper::default();
    let mut ending = Ending::default();
    let mut asked = HashSet::new();
    loop {
        reaper.reap();
        let mut below = census::below_me(root);
        if children == Children::Leave {
            below.supervisors.clear();
        }
        for supervisor in &below.supervisors {
            if asked.insert(supervisor.clone()) {
                // Not TERM, which would only make it leave its task.
                end::signal(supervisor, Signal::INT);
                end::signal(supervisor, Signal::CONT);
            }
        }
        let is_late = started.elapsed() >= grace.saturating_add(RECORD_TIME);
        let own_ended = below.own.is_empty() || ending.is_over();
        if own_ended && (below.supervisors.is_empty() || is_late) {
            let (own, children) = (below.own.len(), below.supervisors.len());
            tracing::info!(survivors = own, children, "ended");
            return;
        }
        ending.signal(&below.own, started.elapsed() >= grace);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
