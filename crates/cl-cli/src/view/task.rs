//! One task in words.

use cl_storage::TaskId;
use cl_storage::dependencies::joined;
use cl_storage::owner::OwnerState;
use cl_storage::status::TaskStatus;
use cl_wire::{RunRow, TaskRow};

/// The cells and notes of a task's row.
pub(crate) trait TaskText {
    /// Returns the id, set in under its parent's.
    fn indented_id(&self, level: usize) -> String;
    /// Returns the status, with the place in the queue where there is one.
    fn status_text(&self) -> String;
    /// Returns the exit code, or `-`.
    fn exit_text(&self) -> String;
    /// Returns the id of the latest run, or `-`.
    fn latest_text(&self) -> String;
    /// Returns `DONE` or `-`.
    fn done_text(&self) -> &'static str;
    /// Returns `true`, `false` or `-`.
    fn alive_text(&self) -> &'static str;
    /// Returns the tasks that stand in the way, or `-`.
    fn blocked_text(&self) -> String;
    /// Returns what is special about it: a lost owner, a wait, a failure.
    fn note(&self) -> String;
}

impl TaskText for TaskRow {
    fn indented_id(&self, level: usize) -> String {
        let indent = "  ".repeat(level.saturating_sub(1));
        let branch = if level > 0 { "└ " } else { "" };
        format!("{indent}{branch}{}", self.task_id)
    }

    fn status_text(&self) -> String {
        match self.queue_position {
            Some(position) if self.status == TaskStatus::Queued => {
                format!("{} ({position}.)", self.status)
            }
            _ => self.status.to_string(),
        }
    }

    fn exit_text(&self) -> String {
        or_dash(self.exit_code.as_ref())
    }

    fn latest_text(&self) -> String {
        or_dash(self.latest_run.as_ref())
    }

    fn done_text(&self) -> &'static str {
        if self.done { "DONE" } else { "-" }
    }

    fn alive_text(&self) -> &'static str {
        match self.pid_alive {
            Some(true) => "true",
            Some(false) => "false",
            None => "-",
        }
    }

    fn blocked_text(&self) -> String {
        if self.blocked_by.is_empty() {
            return "-".to_owned();
        }
        let ids: Vec<&str> = self.blocked_by.iter().map(TaskId::as_str).collect();
        ids.join(",")
    }

    fn note(&self) -> String {
        let mut notes = Vec::new();
        if self.owner == OwnerState::Lost {
            let what = if self.goes_on {
                "goes on with it"
            } else {
                "records its end"
            };
            notes.push(format!("owner: lost, `run-agent recover` {what}"));
        }
        if let Some(what) = &self.waiting_for {
            let until = self
                .wake_at
                .map(|at| format!(" until {}", super::local_text(at)));
            notes.push(format!("waits for {what}{}", until.unwrap_or_default()));
        }
        if !self.deadlocked_by.is_empty() {
            notes.push(format!(
                "deadlocked: {}",
                joined(&self.deadlocked_by, " -> ")
            ));
        }
        // What a lost task goes on from is no failure of it.
        let has_failed = !(self.status.is_success() || (self.goes_on && !self.is_terminal()));
        if let Some(failure) = self.failure.as_ref().filter(|_| has_failed) {
            notes.push(failure.to_string());
        }
        if let Some(claim) = self
            .claim
            .as_ref()
            .filter(|claim| self.done && claim.gates > 0)
        {
            notes.push(format!("done ({}/{} gates)", claim.passed, claim.gates));
        }
        if self.suspicious {
            notes.push("suspicious: no change, no tool, no word".to_owned());
        }
        if self.legacy {
            notes.push("old layout".to_owned());
        }
        if !self.problems.is_empty() {
            notes.push("damaged records".to_owned());
        }
        notes.join("; ")
    }
}

/// Returns how long a run took, or `-`.
pub(crate) fn run_duration_text(run: &RunRow) -> String {
    run.duration
        .map_or_else(|| "-".to_owned(), cl_view::duration_text)
}

fn or_dash(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}
