//! What a task's files mean: the one status function.

/// The status of a task, derived from its files; only the index of ended tasks stores it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Given up by a person.
    Cancelled,
    /// Something runs, and an attempt failed that no other has replaced.
    PartialFailure,
    /// Something runs, or the owner is between two attempts.
    Running,
    /// The agent's claim to be done stands, and nothing runs.
    AllFinished,
    /// Waits for a run slot.
    Queued,
    /// Waits for other tasks.
    Blocked,
    /// The owner waits for a usage limit to end.
    Waiting,
    /// Stopped by a person.
    Stopped,
    /// The latest run failed, and nothing will be tried again.
    Failed,
    /// It ended well, without a claim to be done.
    Completed,
    /// Nothing has run and nothing is scheduled.
    Idle,
    /// The files do not tell.
    Unknown,
}

impl TaskStatus {
    /// All values, in the order of documentation.
    pub const ALL: [Self; 12] = [
        Self::Running,
        Self::Queued,
        Self::Blocked,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Stopped,
        Self::Cancelled,
        Self::AllFinished,
        Self::PartialFailure,
        Self::Idle,
        Self::Unknown,
    ];

    /// Returns the word used in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::PartialFailure => "partial_failure",
            Self::Running => "running",
            Self::AllFinished => "all_finished",
            Self::Queued => "queued",
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }

    /// Parses a filter word, older words included; `None` if there is no such word.
    pub fn parse_filter(word: &str) -> Option<&'static [Self]> {
        Some(match word {
            "running" => &[Self::Running],
            "active" => &[Self::Running, Self::PartialFailure],
            "done" | "all_finished" => &[Self::AllFinished],
            "pending" | "-" | "idle" => &[Self::Idle],
            "cancelled" => &[Self::Cancelled],
            "partial_failure" => &[Self::PartialFailure],
            "queued" => &[Self::Queued],
            "blocked" => &[Self::Blocked],
            "waiting" => &[Self::Waiting],
            "stopped" => &[Self::Stopped],
            "failed" => &[Self::Failed],
            "completed" => &[Self::Completed],
            "unknown" => &[Self::Unknown],
            _ => return None,
        })
    }

    /// Tells whether nothing more will happen by itself.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::AllFinished | Self::Cancelled | Self::Failed | Self::Completed | Self::Stopped
        )
    }

    /// Tells whether the task ended as wished. `completed` counts where a single run was asked for.
    pub fn is_success(self) -> bool {
        matches!(self, Self::AllFinished | Self::Completed)
    }
}

impl std::fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the status function weighs.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
pub struct TaskFacts {
    /// `CANCELLED` is there.
    pub is_cancelled: bool,
    /// `DONE` is there.
    pub is_done: bool,
    /// The launch has gates, or they cannot be told.
    pub has_gates: bool,
    /// The launch has ended well, which it does only after its gates have passed.
    pub has_verdict: bool,
    /// A stop marker or a stop wish is there.
    pub is_stopped: bool,
    /// The owner is alive.
    pub has_live_owner: bool,
    /// The owner died, and `recover` goes on with the task.
    pub goes_on: bool,
    /// An attempt was begun, whether or not there is a run of it.
    pub has_begun: bool,
    /// A process of a run is alive, with or without an owner.
    pub has_active_run: bool,
    /// A child task is active.
    pub has_active_child: bool,
    /// A finished, failed run that no later attempt replaced.
    pub has_unreplaced_failure: bool,
    /// The owner or a queue entry waits for a run slot.
    pub is_queued: bool,
    /// Other tasks stand in the way.
    pub is_blocked: bool,
    /// The owner waits for a limit to end, or did when it died.
    pub is_waiting: bool,
    /// The latest readable run: `Some(true)` ended well, `Some(false)` failed.
    pub latest_run_succeeded: Option<bool>,
    /// The owner gave up, whatever its latest run says.
    pub has_failed_result: bool,
    /// The owner recorded a good end, which outlives the records of its runs.
    pub has_completed_result: bool,
    /// There is any run folder.
    pub has_runs: bool,
    /// The task's folder is there.
    pub exists: bool,
}

/// What the agent's claim to be done is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// There is none.
    None,
    /// The gates of the launch have not judged it: the task is not done.
    Unjudged,
    /// It counts.
    Stands,
}

impl TaskFacts {
    /// Returns what `DONE` is worth.
    pub fn claim(&self) -> Claim {
        match () {
            () if !self.is_done => Claim::None,
            () if self.has_gates && !self.has_verdict => Claim::Unjudged,
            () => Claim::Stands,
        }
    }
}

/// Returns the status of a task; the first row that fits wins.
///
/// A live owner counts as activity for the rows that need quiet: a claim to be
/// done is only final when its gates and children are. One that the gates have not
/// judged is none, and whoever should have asked them is gone: that is a failure, unless
/// `recover` asks them again. What a task waited for when its owner died it still waits for,
/// and one that `recover` goes on with is between two attempts, not at its end.
pub fn task_status(facts: &TaskFacts) -> TaskStatus {
    let is_active = facts.has_active_run || facts.has_active_child;
    let is_quiet = !is_active && !facts.has_live_owner;
    let claim = facts.claim();
    let has_failed = facts.latest_run_succeeded == Some(false) || facts.has_failed_result;
    match () {
        () if facts.is_cancelled && is_quiet => TaskStatus::Cancelled,
        () if facts.has_active_run && facts.has_unreplaced_failure => TaskStatus::PartialFailure,
        () if is_active => TaskStatus::Running,
        () if claim == Claim::Stands && is_quiet => TaskStatus::AllFinished,
        () if facts.is_queued => TaskStatus::Queued,
        () if facts.is_blocked => TaskStatus::Blocked,
        () if (facts.has_live_owner || facts.goes_on) && facts.is_waiting => TaskStatus::Waiting,
        () if facts.has_live_owner => TaskStatus::Running,
        () if facts.goes_on && (facts.has_begun || claim == Claim::Unjudged) => TaskStatus::Running,
        () if facts.is_stopped => TaskStatus::Stopped,
        () if has_failed || claim == Claim::Unjudged => TaskStatus::Failed,
        () if facts.latest_run_succeeded == Some(true) || facts.has_completed_result => {
            TaskStatus::Completed
        }
        () if facts.exists && !facts.has_runs => TaskStatus::Idle,
        () => TaskStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(facts: TaskFacts, expected: TaskStatus) {
        assert_eq!(task_status(&facts), expected, "{facts:?}");
    }

    fn ended(succeeded: bool) -> TaskFacts {
        TaskFacts {
            exists: true,
            has_runs: true,
            latest_run_succeeded: Some(succeeded),
            ..TaskFacts::default()
        }
    }

    #[test]
    fn every_row() {
        check(
            TaskFacts {
                is_cancelled: true,
                is_done: true,
                ..ended(false)
            },
            TaskStatus::Cancelled,
        );
        check(
            TaskFacts {
                is_cancelled: true,
                has_active_run: true,
                ..ended(false)
            },
            TaskStatus::Running,
        );
        let failing = TaskFacts {
            has_active_run: true,
            has_unreplaced_failure: true,
            ..ended(false)
        };
        check(failing, TaskStatus::PartialFailure);
        check(
            TaskFacts {
                has_active_run: true,
                ..ended(false)
            },
            TaskStatus::Running,
        );
        check(
            TaskFacts {
                is_done: true,
                ..ended(false)
            },
            TaskStatus::AllFinished,
        );
        check(
            TaskFacts {
                is_done: true,
                has_active_child: true,
                ..ended(true)
            },
            TaskStatus::Running,
        );
        check(
            TaskFacts {
                is_done: true,
                has_live_owner: true,
                ..ended(true)
            },
            TaskStatus::Running,
        );
        check(
            TaskFacts {
                is_queued: true,
                has_live_owner: true,
                ..ended(true)
            },
            TaskStatus::Queued,
        );
        check(
            TaskFacts {
                is_blocked: true,
                has_live_owner: true,
                ..ended(true)
            },
            TaskStatus::Blocked,
        );
        check(
            TaskFacts {
                is_waiting: true,
                has_live_owner: true,
                ..ended(false)
            },
            TaskStatus::Waiting,
        );
        check(
            TaskFacts {
                is_waiting: true,
                ..ended(false)
            },
            TaskStatus::Failed,
        );
        check(
            TaskFacts {
                is_waiting: true,
                goes_on: true,
                ..ended(false)
            },
            TaskStatus::Waiting,
        );
        let taken_up = TaskFacts {
            goes_on: true,
            ..ended(false)
        };
        check(taken_up, TaskStatus::Failed);
        let begun = TaskFacts {
            has_begun: true,
            ..taken_up
        };
        check(begun, TaskStatus::Running);
        let before_its_run = TaskFacts {
            has_runs: false,
            latest_run_succeeded: None,
            ..begun
        };
        check(before_its_run, TaskStatus::Running);
        let marked = TaskFacts {
            goes_on: false,
            ..begun
        };
        check(marked, TaskStatus::Failed);
        check(
            TaskFacts {
                has_live_owner: true,
                ..ended(false)
            },
            TaskStatus::Running,
        );
        check(
            TaskFacts {
                is_stopped: true,
                ..ended(false)
            },
            TaskStatus::Stopped,
        );
        check(
            TaskFacts {
                is_stopped: true,
                is_done: true,
                ..ended(false)
            },
            TaskStatus::AllFinished,
        );
        check(ended(false), TaskStatus::Failed);
        check(
            TaskFacts {
                has_failed_result: true,
                ..ended(true)
            },
            TaskStatus::Failed,
        );
        check(ended(true), TaskStatus::Completed);
        check(
            TaskFacts {
                exists: true,
                ..TaskFacts::default()
            },
            TaskStatus::Idle,
        );
        check(
            TaskFacts {
                exists: true,
                has_runs: true,
                ..TaskFacts::default()
            },
            TaskStatus::Unknown,
        );
    }

    #[test]
    fn an_end_that_was_recorded_outlives_the_runs() {
        let deleted = TaskFacts {
            exists: true,
            has_completed_result: true,
            ..TaskFacts::default()
        };
        check(deleted, TaskStatus::Completed);
        let failed_since = TaskFacts {
            has_completed_result: true,
            ..ended(false)
        };
        check(failed_since, TaskStatus::Failed);
    }

    #[test]
    fn a_claim_that_no_gate_has_judged_is_none() {
        let unjudged = TaskFacts {
            is_done: true,
            has_gates: true,
            ..ended(true)
        };
        assert_eq!(unjudged.claim(), Claim::Unjudged);
        check(unjudged, TaskStatus::Failed);
        let stopped = TaskFacts {
            is_stopped: true,
            ..unjudged
        };
        check(stopped, TaskStatus::Stopped);
        let asked = TaskFacts {
            has_live_owner: true,
            ..unjudged
        };
        check(asked, TaskStatus::Running);
        let asked_again = TaskFacts {
            goes_on: true,
            ..unjudged
        };
        check(asked_again, TaskStatus::Running);
        let judged = TaskFacts {
            has_verdict: true,
            ..unjudged
        };
        assert_eq!(judged.claim(), Claim::Stands);
        check(judged, TaskStatus::AllFinished);
        let gateless = TaskFacts {
            has_gates: false,
            ..stopped
        };
        check(gateless, TaskStatus::AllFinished);
        assert_eq!(ended(true).claim(), Claim::None);
    }

    #[test]
    fn every_word_is_a_filter() {
        for status in TaskStatus::ALL {
            assert_eq!(
                TaskStatus::parse_filter(status.as_str()),
                Some([status].as_slice())
            );
        }
        assert_eq!(TaskStatus::parse_filter("nonsense"), None);
    }
}
