//! The end of a supervisor whose task was taken from under it.
//!
//! Somebody deleted or replaced the task's folder, or the lock file in it. What is
//! at the place now is not this supervisor's, so it writes nothing more there, asks
//! nobody and records nothing: it ends what it has started, and itself.

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
        let root = self.root.path().to_owned();
        // Dropping the one that runs loses nothing that is still wanted: it waits for
        // ever in `next_event`, and its next act would be to write.
        tokio::select! {
            biased;
            () = evicted.notified() => {}
            code = self.run() => return code,
        }
        end_everything(&root, grace).await;
        1
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

/// Ends every descendant of this process; supervisors of children stop their tasks themselves.
async fn end_everything(root: &Path, grace: Duration) {
    let started = Instant::now();
    let mut reaper = Reaper::default();
    let mut ending = Ending::default();
    let mut asked = HashSet::new();
    loop {
        reaper.reap();
        let below = census::below_me(root);
        for supervisor in &below.supervisors {
            if asked.insert(supervisor.clone()) {
                end::signal(supervisor, Signal::TERM);
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
