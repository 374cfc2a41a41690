//! What the monitor does about one task: a pure function.

use std::time::Duration;

use cl_storage::status::{Claim, TaskStatus};
use jiff::Timestamp;

/// The longest pause before a failed task is started again.
pub(super) const LONGEST_DELAY: Duration = Duration::from_mins(30);

/// What the decision weighs.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
pub(super) struct View {
    pub(super) status: TaskStatus,
    pub(super) claim: Claim,
    /// Something of it runs.
    pub(super) is_active: bool,
    /// Its supervisor died.
    pub(super) is_lost: bool,
    /// Its run has shown no sign of life for too long.
    pub(super) is_stale: bool,
    pub(super) is_cancelled: bool,
    /// A person has stopped it, and that still counts.
    pub(super) is_stopped: bool,
    /// The monitor stops it, or is about to.
    pub(super) is_being_stopped: bool,
    /// Files of it cannot be read.
    pub(super) is_damaged: bool,
    /// A single run has left an answer that may count as the end.
    pub(super) has_final_answer: bool,
    /// How often the monitor has started it in a row.
    pub(super) launches: u32,
    pub(super) max_launches: u32,
    /// Before this time it is not started again.
    pub(super) not_before: Option<Timestamp>,
    /// One more may run.
    pub(super) has_room: bool,
    pub(super) now: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing, and why.
    Skip(Skip),
    /// Start a task that never ran.
    Start,
    /// Start one again that has failed or was lost.
    Resume,
    /// Stop a run that shows no sign of life.
    Recover,
    /// Leave `DONE` on behalf of a run that ended well, and tick the box.
    Finalize,
    /// Tick the box of a task that is done.
    Tick,
    /// Call a person.
    GiveUp,
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    Damaged,
    Running,
    BeingStopped,
    Cancelled,
    Stopped,
    Blocked,
    Queued,
    Waiting,
    Unjudged,
    EndedWell,
    Unclear,
    NotBefore(Timestamp),
    NoRoom,
    GivenUp,
}

impl Action {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Skip(_) => "skip",
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Recover => "recover",
            Self::Finalize => "finalize",
            Self::Tick => "tick",
            Self::GiveUp => "give_up",
        }
    }

    pub(super) fn reason(self) -> String {
        let text = match self {
            Self::Skip(Skip::NotBefore(at)) => return format!("not before {at}"),
            Self::Skip(skip) => match skip {
                Skip::Damaged => "its files cannot be read",
                Skip::Running => "it is running",
                Skip::BeingStopped => "it is being stopped",
                Skip::Cancelled => "it was given up",
                Skip::Stopped => "skip restart: stop-requested within window",
                Skip::Blocked => "it waits for other tasks",
                Skip::Queued => "it waits for its turn",
                Skip::Waiting => "it waits for a usage limit to end",
                Skip::Unjudged => "its DONE was not judged by its gates",
                Skip::EndedWell => "its run ended well without DONE",
                Skip::Unclear => "its files do not tell where it stands",
                Skip::NoRoom => "as many run as may",
                Skip::GivenUp | Skip::NotBefore(_) => "it was started too often",
            },
            Self::Start => "it never ran",
            Self::Resume => "it ended without DONE",
            Self::Recover => "no output and no message for too long",
            Self::Finalize => "its run left an answer",
            Self::Tick => "it is done",
            Self::GiveUp => "it was started too often without getting done",
        };
        text.to_owned()
    }
}

/// Decides; the first row that fits wins.
pub(super) fn decide(view: &View, was_given_up: bool) -> Action {
    use Action::{Finalize, GiveUp, Recover, Resume, Skip as No, Start, Tick};
    let is_quiet = !view.is_active;
    match () {
        () if view.is_damaged => No(Skip::Damaged),
        () if view.is_being_stopped => No(Skip::BeingStopped),
        () if view.is_active && !view.is_lost && view.is_stale => Recover,
        () if view.is_active && !view.is_lost => No(Skip::Running),
        () if view.is_cancelled => No(Skip::Cancelled),
        () if view.claim == Claim::Stands && is_quiet => Tick,
        () if view.is_stopped => No(Skip::Stopped),
        () if view.claim == Claim::Unjudged && !view.is_lost => No(Skip::Unjudged),
        () if view.has_final_answer => Finalize,
        () => {
            let action = match view.status {
                _ if view.is_lost => Resume,
                TaskStatus::Completed => return No(Skip::EndedWell),
                TaskStatus::Blocked => return No(Skip::Blocked),
                TaskStatus::Queued => return No(Skip::Queued),
                TaskStatus::Waiting => return No(Skip::Waiting),
                TaskStatus::Failed | TaskStatus::Stopped => Resume,
                TaskStatus::Idle => Start,
                _ => return No(Skip::Unclear),
            };
            match () {
                () if view.launches >= view.max_launches && was_given_up => No(Skip::GivenUp),
                () if view.launches >= view.max_launches => GiveUp,
                () => match view.not_before.filter(|at| *at > view.now) {
                    Some(at) => No(Skip::NotBefore(at)),
                    None if !view.has_room => No(Skip::NoRoom),
                    None => action,
                },
            }
        }
    }
}

/// Returns how long a task rests that was started `launches` times in a row.
pub(super) fn delay(first: Duration, launches: u32) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(launches.saturating_sub(1).min(20)));
    doubled.min(LONGEST_DELAY.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(status: TaskStatus) -> View {
        View {
            status,
            claim: Claim::None,
            is_active: false,
            is_lost: false,
            is_stale: false,
            is_cancelled: false,
            is_stopped: false,
            is_being_stopped: false,
            is_damaged: false,
            has_final_answer: false,
            launches: 0,
            max_launches: 3,
            not_before: None,
            has_room: true,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    #[track_caller]
    fn check(view: &View, expected: Action) {
        assert_eq!(decide(view, false), expected, "{view:?}");
    }

    #[test]
    fn every_row() {
        use TaskStatus::{Blocked, Completed, Failed, Idle, Running, Stopped, Unknown};
        check(&view(Idle), Action::Start);
        check(&view(Failed), Action::Resume);
        check(&view(Stopped), Action::Resume);
        check(&view(Unknown), Action::Skip(Skip::Unclear));
        check(&view(Blocked), Action::Skip(Skip::Blocked));
        check(&view(TaskStatus::Queued), Action::Skip(Skip::Queued));
        check(&view(TaskStatus::Waiting), Action::Skip(Skip::Waiting));
        let reasons = [Skip::Blocked, Skip::Queued, Skip::Waiting];
        let [blocked, queued, waiting] = reasons.map(|skip| Action::Skip(skip).reason());
        assert!(blocked != queued && blocked != waiting && queued != waiting);
        check(&view(Completed), Action::Skip(Skip::EndedWell));
        let running = View {
            is_active: true,
            ..view(Running)
        };
        check(&running, Action::Skip(Skip::Running));
        let stale = View {
            is_stale: true,
            ..running.clone()
        };
        check(&stale, Action::Recover);
        let done = View {
            claim: Claim::Stands,
            ..running.clone()
        };
        check(&done, Action::Skip(Skip::Running));
        let done = View {
            claim: Claim::Stands,
            is_stopped: true,
            ..view(TaskStatus::AllFinished)
        };
        check(&done, Action::Tick);
        let lost = View {
            is_lost: true,
            is_stale: true,
            ..running
        };
        check(&lost, Action::Resume);
        let answered = View {
            has_final_answer: true,
            ..view(Completed)
        };
        check(&answered, Action::Finalize);
        let unjudged = View {
            claim: Claim::Unjudged,
            ..view(Failed)
        };
        check(&unjudged, Action::Skip(Skip::Unjudged));
    }

    #[test]
    fn wishes_of_people_come_first() {
        for status in [TaskStatus::Idle, TaskStatus::Failed, TaskStatus::Stopped] {
            let stopped = View {
                is_stopped: true,
                ..view(status)
            };
            check(&stopped, Action::Skip(Skip::Stopped));
            let cancelled = View {
                is_cancelled: true,
                ..stopped
            };
            check(&cancelled, Action::Skip(Skip::Cancelled));
            let lost = View {
                is_lost: true,
                is_active: true,
                ..cancelled
            };
            check(&lost, Action::Skip(Skip::Cancelled));
        }
    }

    #[test]
    fn a_crash_loop_ends() {
        let mut failed = View {
            launches: 3,
            ..view(TaskStatus::Failed)
        };
        check(&failed, Action::GiveUp);
        assert_eq!(decide(&failed, true), Action::Skip(Skip::GivenUp));
        failed.launches = 2;
        let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1);
        failed.not_before = Some(later);
        check(&failed, Action::Skip(Skip::NotBefore(later)));
        failed.now = later;
        check(&failed, Action::Resume);
        failed.has_room = false;
        check(&failed, Action::Skip(Skip::NoRoom));
    }

    #[test]
    fn delays_double_up_to_half_an_hour() {
        let seconds = Duration::from_secs;
        for (launches, expected) in [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1800), (99, 1800)] {
            assert_eq!(
                delay(seconds(30), launches),
                seconds(expected),
                "{launches}"
            );
        }
        assert_eq!(delay(Duration::ZERO, 9), Duration::ZERO);
        assert_eq!(delay(seconds(7200), 3), seconds(7200));
    }
}
