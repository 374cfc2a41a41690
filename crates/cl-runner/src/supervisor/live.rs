//! The account of a run while it goes on: what it has used, and what it said of its limits.
//!
//! A kill of everything loses what was told within [`KEEP_EVERY`], and not even that once
//! the stream is read again: see [`crate::run_usage`].

use std::time::Duration;

use cl_agent::{Outcome, StreamParser};
use cl_storage::ledger::WindowReport;
use cl_storage::run_info;
use cl_storage::{RunDir, Usage};
use tokio::time::Instant;

use super::Supervisor;
use crate::run_usage;

/// The least time between two writes for one run.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// What was written of a running run.
#[derive(Debug, Default)]
pub(super) struct LiveAccount {
    usage: Option<Usage>,
    windows: Vec<WindowReport>,
    /// What the session had used before this run.
    earlier: Option<(String, Usage)>,
    not_before: Option<Instant>,
}

impl Supervisor {
    /// Writes what has changed in the account of `run`, if the last write is long enough ago.
    ///
    /// Blocks for the write. Failing is logged: the record is written again at the end, and
    /// that is where a run that cannot be recorded is dealt with.
    pub(super) fn keep_account(
        &mut self,
        live: &mut LiveAccount,
        run: &RunDir,
        parser: &StreamParser,
    ) {
        let now = Instant::now();
        if live.not_before.is_some_and(|moment| now < moment) {
            return;
        }
        let total = parser.usage().filter(|_| parser.usage() != live.usage);
        let windows = (parser.limits() != live.windows).then(|| parser.limits().to_vec());
        if total.is_none() && windows.is_none() {
            return;
        }
        live.not_before = Some(now + KEEP_EVERY);
        if let Some(windows) = windows {
            self.tell_windows(&windows);
            live.windows = windows;
        }
        if let Some(total) = total {
            let used = self.used_by_run(&mut live.earlier, run, parser, &total);
            let kept = run_info::update_for_now(run, |info| info.usage = Some(used));
            if let Err(error) = kept {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not write what the run has used so far");
            }
            live.usage = Some(total);
        }
    }

    /// Writes what `run` has used before its slot goes to another task that shares its day.
    ///
    /// Failing is logged: the record is written again at the end.
    pub(super) fn note_spent(&self, run: &RunDir, outcome: &Outcome) {
        if self.record.policy.budget.per_project_day.is_unlimited() {
            return;
        }
        let Some(used) = self.usage_of_run(run, outcome) else {
            return;
        };
        if let Err(error) = run_info::update_for_now(run, |info| info.usage = Some(used)) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not write what the run has used");
        }
    }

    fn used_by_run(
        &self,
        earlier: &mut Option<(String, Usage)>,
        run: &RunDir,
        parser: &StreamParser,
        total: &Usage,
    ) -> Usage {
        let session = parser
            .session_id()
            .filter(|_| parser.usage_is_cumulative_per_session());
        let Some(session) = session else {
            return total.clone();
        };
        if earlier.as_ref().is_none_or(|(known, _)| known != session) {
            let used = run_usage::earlier_in_session(&self.task, run.id(), session);
            *earlier = Some((session.to_owned(), used));
        }
        let before = earlier.as_ref().map(|(_, used)| used);
        before.map_or_else(
            || total.clone(),
            |before| cl_agent::usage_since(total, before),
        )
    }
}
