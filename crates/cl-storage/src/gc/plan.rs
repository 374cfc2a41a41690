//! What may be deleted: a pure decision over what was seen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::id::RunId;
use crate::status::TaskStatus;

/// How young a run folder without a record is one that is just being made.
pub const STARTING: SignedDuration = SignedDuration::from_secs(5);

/// What is garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command, independent of each other"
)]
pub struct Policy {
    /// How long a run must have ended.
    pub older_than: Duration,
    /// Failed runs are kept.
    pub keep_failed: bool,
    /// Run folders without a record are garbage too.
    pub orphans: bool,
    /// Finished tasks without runs are garbage too.
    pub delete_done_tasks: bool,
    /// Nothing is changed.
    pub dry_run: bool,
}

impl Policy {
    /// Returns the latest end that is old enough.
    fn cutoff(&self, now: Timestamp) -> Timestamp {
        SignedDuration::try_from(self.older_than)
            .ok()
            .and_then(|age| now.checked_sub(age).ok())
            .unwrap_or(Timestamp::MIN)
    }
}

/// What was seen of one task.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
pub struct TaskFacts {
    /// Its status.
    pub status: TaskStatus,
    /// Its owner is alive.
    pub is_owned: bool,
    /// Its owner died without giving it up.
    pub is_lost: bool,
    /// A process of the task or of a child is alive.
    pub is_active: bool,
    /// The agent's claim to be done is there.
    pub is_done: bool,
    /// A parent or child of it is active.
    pub has_live_relative: bool,
    /// Its runs folder holds something that is neither a run nor left by a collection.
    pub has_strangers: bool,
    /// The newest change of its files, runs left out; `None` if that cannot be told.
    pub last_change: Option<Timestamp>,
    /// Its runs, oldest first.
    pub runs: Vec<RunFacts>,
}

/// What was seen of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The run.
    pub id: RunId,
    /// How it stands.
    pub condition: Condition,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It has ended; without a recorded end `at` is the last change of its files.
    Ended {
        /// It failed.
        is_failed: bool,
        /// When.
        at: Timestamp,
    },
    /// It is not over.
    Active,
    /// There is no record.
    Unrecorded {
        /// The last change of its files.
        at: Timestamp,
        /// A process of it is alive.
        is_live: bool,
    },
    /// The record cannot be read.
    Damaged,
    /// The record is of a newer format.
    Newer,
    /// The record does not say.
    Unknown,
}

/// Why something that looks like garbage is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The task's owner is alive.
    Owned,
    /// The owner's lock is held.
    Locked,
    /// There is no record.
    Unrecorded,
    /// There is no record, and a process of the run is alive.
    Alive,
    /// The record cannot be read.
    Damaged,
    /// The record is of a newer format.
    Newer,
    /// A parent or child of the task is active.
    LiveRelative,
    /// A symbolic link stands where a folder must be.
    Linked,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owned => "its owner is at work",
            Self::Locked => "its owner.lock is held by another process",
            Self::Unrecorded => "run-info.yaml is missing; --orphans deletes such folders",
            Self::Alive => "run-info.yaml is missing, but a process of the run is alive",
            Self::Damaged => "run-info.yaml cannot be read",
            Self::Newer => "run-info.yaml was written by a newer version",
            Self::LiveRelative => "a parent or child task is active",
            Self::Linked => "it is a symbolic link, and links are not followed",
        })
    }
}

/// What to do about one task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The runs to delete, oldest first.
    pub runs: Vec<RunId>,
    /// Delete the task itself, after its runs.
    pub deletes_task: bool,
    /// What is kept and worth a word; without a run it is about the task.
    pub kept: Vec<(Option<RunId>, Kept)>,
}

impl Plan {
    /// Tells whether there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && !self.deletes_task
    }
}

/// Decides what of a task may go.
///
/// Never a run that is not over, never the newest of a task that is not over or
/// not settled, and nothing at all of a task whose owner is alive.
pub fn plan(task: &TaskFacts, policy: &Policy, now: Timestamp) -> Plan {
    let cutoff = policy.cutoff(now);
    let mut plan = Plan::default();
    for (index, run) in task.runs.iter().enumerate() {
        match fate(run.condition, policy, cutoff, now) {
            Fate::Keep => {}
            Fate::Tell(why) => plan.kept.push((Some(run.id.clone()), why)),
            Fate::Delete if is_still_needed(task, index) => {}
            Fate::Delete => plan.runs.push(run.id.clone()),
        }
    }
    let is_left_alone = task.is_active || task.status != TaskStatus::AllFinished;
    let is_garbage = policy.delete_done_tasks
        && task.is_done
        && !task.has_strangers
        && plan.runs.len() == task.runs.len()
        && task.last_change.is_some_and(|at| at < cutoff);
    if is_garbage && task.has_live_relative {
        plan.kept.push((None, Kept::LiveRelative));
    }
    plan.deletes_task = is_garbage && !is_left_alone && !task.has_live_relative;
    if task.is_owned {
        let would_delete = !plan.is_empty();
        plan.runs.clear();
        plan.deletes_task = false;
        if would_delete {
            plan.kept.push((None, Kept::Owned));
        }
    }
    plan
}

enum Fate {
    Keep,
    Tell(Kept),
    Delete,
}

fn fate(condition: Condition, policy: &Policy, cutoff: Timestamp, now: Timestamp) -> Fate {
    match condition {
        Condition::Ended { is_failed, at } if at < cutoff && !(is_failed && policy.keep_failed) => {
            Fate::Delete
        }
        Condition::Unrecorded { is_live: true, .. } => Fate::Tell(Kept::Alive),
        Condition::Unrecorded { at, .. } if now.duration_since(at) < STARTING => Fate::Keep,
        Condition::Unrecorded { .. } if !policy.orphans => Fate::Tell(Kept::Unrecorded),
        Condition::Unrecorded { at, .. } if at < cutoff => Fate::Delete,
        Condition::Ended { .. }
        | Condition::Active
        | Condition::Unknown
        | Condition::Unrecorded { .. } => Fate::Keep,
        Condition::Damaged => Fate::Tell(Kept::Damaged),
        Condition::Newer => Fate::Tell(Kept::Newer),
    }
}

/// The newest run and the newest recorded one say where an unfinished task stands.
fn is_still_needed(task: &TaskFacts, index: usize) -> bool {
    let is_over = task.status.is_terminal() && !task.is_lost;
    let is_recorded = |run: &RunFacts| !matches!(run.condition, Condition::Unrecorded { .. });
    let newest_recorded = task.runs.iter().rposition(is_recorded);
    !is_over && (index + 1 == task.runs.len() || Some(index) == newest_recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24;

    fn now() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    fn hours_ago(hours: i64) -> Timestamp {
        now() - SignedDuration::from_hours(hours)
    }

    fn week() -> Policy {
        Policy {
            older_than: Duration::from_hours(168),
            keep_failed: false,
            orphans: false,
            delete_done_tasks: false,
            dry_run: false,
        }
    }

    fn completed(hours: i64) -> Condition {
        Condition::Ended {
            is_failed: false,
            at: hours_ago(hours),
        }
    }

    fn failed(hours: i64) -> Condition {
        Condition::Ended {
            is_failed: true,
            at: hours_ago(hours),
        }
    }

    fn unrecorded(hours: i64) -> Condition {
        Condition::Unrecorded {
            at: hours_ago(hours),
            is_live: false,
        }
    }

    fn task(status: TaskStatus, runs: &[Condition]) -> TaskFacts {
        let runs = runs.iter().enumerate().map(|(n, condition)| RunFacts {
            id: id(n),
            condition: *condition,
        });
        TaskFacts {
            status,
            is_owned: false,
            is_lost: false,
            is_active: false,
            is_done: status == TaskStatus::AllFinished,
            has_live_relative: false,
            has_strangers: false,
            last_change: Some(hours_ago(30 * DAY)),
            runs: runs.collect(),
        }
    }

    fn id(n: usize) -> RunId {
        RunId::parse(&format!("20260101-0000000000-1-{n}")).unwrap()
    }

    #[track_caller]
    fn check(task: &TaskFacts, policy: &Policy, runs: &[usize], kept: &[Kept]) {
        let plan = plan(task, policy, now());
        let expected: Vec<RunId> = runs.iter().map(|n| id(*n)).collect();
        assert_eq!(plan.runs, expected, "{plan:?}");
        let told: Vec<Kept> = plan.kept.iter().map(|(_, why)| *why).collect();
        assert_eq!(told, kept, "{plan:?}");
    }

    #[test]
    fn age_counts_from_the_end() {
        let old = [completed(169), failed(169), completed(168), completed(1)];
        check(&task(TaskStatus::AllFinished, &old), &week(), &[0, 1], &[]);
        let future = task(TaskStatus::Completed, &[completed(-10)]);
        check(&future, &week(), &[], &[]);
        let at_once = Policy {
            older_than: Duration::ZERO,
            ..week()
        };
        check(
            &task(TaskStatus::Completed, &old),
            &at_once,
            &[0, 1, 2, 3],
            &[],
        );
        let endless = Policy {
            older_than: Duration::MAX,
            ..week()
        };
        check(&task(TaskStatus::Completed, &old), &endless, &[], &[]);
    }

    #[test]
    fn failed_runs_are_kept_on_request() {
        let policy = Policy {
            keep_failed: true,
            ..week()
        };
        let runs = [failed(999), completed(999)];
        check(&task(TaskStatus::Completed, &runs), &policy, &[1], &[]);
    }

    #[test]
    fn what_is_not_over_stays() {
        let runs = [completed(999), Condition::Active, Condition::Unknown];
        check(&task(TaskStatus::Running, &runs), &week(), &[0], &[]);
    }

    #[test]
    fn an_unfinished_task_keeps_its_newest_run() {
        let runs = [failed(999), failed(999)];
        for status in [TaskStatus::Idle, TaskStatus::Unknown, TaskStatus::Waiting] {
            check(&task(status, &runs), &week(), &[0], &[]);
        }
        let mut lost = task(TaskStatus::Failed, &runs);
        lost.is_lost = true;
        check(&lost, &week(), &[0], &[]);
        check(&task(TaskStatus::Failed, &runs), &week(), &[0, 1], &[]);
        let orphans = Policy {
            orphans: true,
            ..week()
        };
        let runs = [failed(999), unrecorded(999), unrecorded(998)];
        check(&task(TaskStatus::Idle, &runs), &orphans, &[1], &[]);
    }

    #[test]
    fn nothing_of_an_owned_task_is_touched() {
        let mut owned = task(TaskStatus::Running, &[failed(999), Condition::Active]);
        owned.is_owned = true;
        check(&owned, &week(), &[], &[Kept::Owned]);
        owned.runs.remove(0);
        check(&owned, &week(), &[], &[]);
    }

    #[test]
    fn folders_without_record_go_only_on_request_and_when_nobody_lives() {
        let runs = [unrecorded(999), unrecorded(1)];
        let both = [Kept::Unrecorded, Kept::Unrecorded];
        check(&task(TaskStatus::AllFinished, &runs), &week(), &[], &both);
        let orphans = Policy {
            orphans: true,
            ..week()
        };
        check(&task(TaskStatus::AllFinished, &runs), &orphans, &[0], &[]);
        let live = Condition::Unrecorded {
            at: hours_ago(999),
            is_live: true,
        };
        check(
            &task(TaskStatus::AllFinished, &[live]),
            &orphans,
            &[],
            &[Kept::Alive],
        );
        let starting = Condition::Unrecorded {
            at: now() - SignedDuration::from_secs(4),
            is_live: false,
        };
        check(
            &task(TaskStatus::AllFinished, &[starting]),
            &week(),
            &[],
            &[],
        );
    }

    #[test]
    fn what_cannot_be_understood_stays() {
        let runs = [Condition::Damaged, Condition::Newer];
        let told = [Kept::Damaged, Kept::Newer];
        let policy = Policy {
            orphans: true,
            older_than: Duration::ZERO,
            ..week()
        };
        check(&task(TaskStatus::AllFinished, &runs), &policy, &[], &told);
    }

    #[test]
    fn a_task_goes_only_if_done_old_empty_and_alone() {
        let policy = Policy {
            delete_done_tasks: true,
            ..week()
        };
        let goes = |task: &TaskFacts| plan(task, &policy, now()).deletes_task;
        let done = task(TaskStatus::AllFinished, &[]);
        assert!(goes(&done));
        assert!(!plan(&done, &week(), now()).deletes_task, "only on request");
        assert!(goes(&task(TaskStatus::AllFinished, &[failed(999)])));
        assert!(!goes(&task(TaskStatus::AllFinished, &[failed(1)])));
        assert!(!goes(&task(TaskStatus::Completed, &[])));
        let spoil: [fn(&mut TaskFacts); 6] = [
            |task| task.is_active = true,
            |task| task.is_owned = true,
            |task| task.has_live_relative = true,
            |task| task.has_strangers = true,
            |task| task.last_change = None,
            |task| task.last_change = Some(hours_ago(1)),
        ];
        for change in spoil {
            let mut task = done.clone();
            change(&mut task);
            assert!(!goes(&task), "{task:?}");
        }
    }
}
