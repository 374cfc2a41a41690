//! What the supervisor does next: a pure function over a view of the task.

use std::time::Duration;

use cl_storage::marker::Presence;
use cl_storage::{Failure, FailureKind};

use crate::launch::{Kind, Policy};

/// Attempts shorter than this that failed count as fast failures.
pub(crate) const FAST: Duration = Duration::from_secs(5);

/// So many fast failures in a row that look alike end the loop.
const FAST_FAILURES: u32 = 5;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The longest pause after a failure of the model service.
const LONGEST_SERVICE_PAUSE: Duration = Duration::from_mins(5);

/// How the last attempt ended.
#[derive(Debug, Clone)]
pub(crate) struct LastAttempt {
    /// Whether the agent did what it set out to do.
    pub(crate) success: bool,
    /// Why not.
    pub(crate) failure: Option<Failure>,
    /// Fast failures in a row that look like this one, itself included.
    pub(crate) alike_fast_failures: u32,
    /// Failures in a row, itself included.
    pub(crate) failures: u32,
}

/// What the gates said of the present DONE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GateVerdict {
    /// They were not asked yet.
    Pending,
    /// All passed.
    Passed,
    /// One refused.
    Refused,
}

/// Everything the decision weighs.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each the answer to one question"
)]
pub(crate) struct View<'a> {
    pub(crate) kind: Kind,
    pub(crate) policy: &'a Policy,
    pub(crate) done: Presence,
    pub(crate) cancelled: bool,
    pub(crate) stopping: bool,
    pub(crate) attempts: u32,
    pub(crate) last: Option<&'a LastAttempt>,
    pub(crate) active_children: usize,
    /// The wait for children is over, by their end or by its limit.
    pub(crate) children_waited: bool,
    pub(crate) gates: GateVerdict,
    pub(crate) gate_failures: u32,
    /// The pause that the last attempt calls for has passed.
    pub(crate) paused: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start an agent.
    Attempt,
    /// Pause, then decide again.
    Pause(Duration),
    /// Wait until the children have ended, or for the limit.
    AwaitChildren,
    /// Ask the gates.
    RunGates,
    /// Take the claim back and go on.
    RejectDone,
    /// End well.
    Complete,
    /// End badly.
    Fail(Failure),
    /// End because somebody wants it.
    Stopped,
    /// End because the task was given up.
    Cancelled,
}

/// Decides the next step.
pub(crate) fn next_step(view: &View<'_>) -> Step {
    if view.stopping {
        return Step::Stopped;
    }
    if view.cancelled {
        return Step::Cancelled;
    }
    match view.done {
        Presence::NotAFile => {
            return Step::Fail(Failure::new(
                FailureKind::Unknown,
                "DONE is not a regular file; remove it and resume",
            ));
        }
        // A refusal is told and counted even if the claim has vanished.
        _ if view.gates == GateVerdict::Refused => return Step::RejectDone,
        Presence::Present => return claim_step(view),
        Presence::Absent => {}
    }
    match view.kind {
        Kind::Job => job_step(view),
        Kind::Task => task_step(view),
    }
}

/// The agent says that the task is done: children first, then gates, on a quiet tree.
fn claim_step(view: &View<'_>) -> Step {
    if view.active_children > 0 && !view.children_waited {
        return Step::AwaitChildren;
    }
    if view.policy.gates.is_empty() {
        return Step::Complete;
    }
    match view.gates {
        GateVerdict::Pending => Step::RunGates,
        GateVerdict::Passed => Step::Complete,
        GateVerdict::Refused => Step::RejectDone,
    }
}

fn job_step(view: &View<'_>) -> Step {
    if view.gate_failures > 0 {
        return Step::Fail(Failure::new(FailureKind::GateFailed, "a gate refused DONE"));
    }
    match view.last {
        None => Step::Attempt,
        Some(last) if last.success => Step::Complete,
        Some(last) => Step::Fail(failure_of(last)),
    }
}

fn task_step(view: &View<'_>) -> Step {
    if view.gate_failures > 0 && view.gate_failures >= view.policy.max_gate_failures {
        let text = format!("gates refused {} times", view.gate_failures);
        return Step::Fail(Failure::new(FailureKind::GateFailed, text));
    }
    let last_failure = view.last.filter(|last| !last.success);
    if let Some(last) = last_failure {
        let failure = failure_of(last);
        if stops_at_once(failure.kind) {
            return Step::Fail(failure);
        }
        if last.alike_fast_failures >= FAST_FAILURES {
            let detail = format!(
                "failing fast: {FAST_FAILURES} attempts in a row ended within {FAST:?} ({failure})"
            );
            return Step::Fail(Failure::new(failure.kind, detail));
        }
    }
    if view.attempts >= view.policy.max_attempts {
        return Step::Fail(attempts_used_up(view.attempts, last_failure));
    }
    match view.last {
        Some(last) if !view.paused => Step::Pause(pause_after(last, view.policy.restart_delay)),
        _ => Step::Attempt,
    }
}

fn attempts_used_up(made: u32, last_failure: Option<&LastAttempt>) -> Failure {
    let mut text = match made {
        1 => "no DONE after 1 attempt".to_owned(),
        made => format!("no DONE after {made} attempts"),
    };
    let Some(failure) = last_failure.map(failure_of) else {
        return Failure::new(FailureKind::CleanExitNotDone, text);
    };
    if !failure.detail.is_empty() {
        text = format!("{text}; the last one failed: {}", failure.detail);
    }
    Failure::new(failure.kind, text)
}

fn failure_of(last: &LastAttempt) -> Failure {
    last.failure
        .clone()
        .unwrap_or_else(|| Failure::new(FailureKind::Unknown, ""))
}

/// Failures that another attempt cannot mend.
fn stops_at_once(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Auth
            | FailureKind::LimitCredit
            | FailureKind::LimitAdmin
            | FailureKind::LimitWindow
            | FailureKind::PermissionBlocked
            | FailureKind::InputRequired
            | FailureKind::SpawnFailed
            | FailureKind::Cancelled
    )
}

/// The pause doubles with each fast failure; a failing service gets more time.
fn pause_after(last: &LastAttempt, delay: Duration) -> Duration {
    let kind = last.failure.as_ref().map(|failure| failure.kind);
    let is_service = matches!(
        kind,
        Some(FailureKind::Overloaded | FailureKind::ApiTransient)
    );
    let (repeats, longest) = if is_service {
        (last.failures.saturating_sub(1), LONGEST_SERVICE_PAUSE)
    } else {
        (last.alike_fast_failures.saturating_sub(1), LONGEST_PAUSE)
    };
    delay
        .saturating_mul(2_u32.saturating_pow(repeats.min(16)))
        .min(longest.max(delay))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Gate;

    fn policy() -> Policy {
        Policy {
            max_attempts: 3,
            ..Policy::default()
        }
    }

    fn view(policy: &Policy) -> View<'_> {
        View {
            kind: Kind::Task,
            policy,
            done: Presence::Absent,
            cancelled: false,
            stopping: false,
            attempts: 0,
            last: None,
            active_children: 0,
            children_waited: false,
            gates: GateVerdict::Pending,
            gate_failures: 0,
            paused: false,
        }
    }

    fn last(kind: Option<FailureKind>, alike: u32) -> LastAttempt {
        LastAttempt {
            success: kind.is_none(),
            failure: kind.map(|kind| Failure::new(kind, "")),
            alike_fast_failures: alike,
            failures: alike,
        }
    }

    #[track_caller]
    fn check_failure(step: Step, kind: FailureKind) {
        match step {
            Step::Fail(failure) => assert_eq!(failure.kind, kind, "{failure}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_done_before_the_first_attempt_completes_without_one() {
        let policy = policy();
        let view = View {
            done: Presence::Present,
            ..view(&policy)
        };
        assert_eq!(next_step(&view), Step::Complete);
    }

    #[test]
    fn an_exit_without_done_is_followed_by_pause_and_attempt() {
        let policy = policy();
        let clean = last(None, 0);
        let ended = View {
            attempts: 1,
            last: Some(&clean),
            ..view(&policy)
        };
        assert_eq!(next_step(&ended), Step::Pause(Duration::from_secs(1)));
        assert_eq!(
            next_step(&View {
                paused: true,
                ..ended
            }),
            Step::Attempt
        );
    }

    #[test]
    fn the_limit_counts_attempts_and_zero_means_none() {
        let policy = policy();
        let clean = last(None, 0);
        let spent = View {
            attempts: 3,
            last: Some(&clean),
            ..view(&policy)
        };
        check_failure(next_step(&spent), FailureKind::CleanExitNotDone);
        let none = Policy {
            max_attempts: 0,
            ..Policy::default()
        };
        check_failure(next_step(&view(&none)), FailureKind::CleanExitNotDone);
    }

    #[test]
    fn the_last_failure_is_told_when_the_attempts_are_used_up() {
        let mut failed = last(Some(FailureKind::Stall), 0);
        let text = |last: &LastAttempt| attempts_used_up(1, Some(last)).to_string();
        assert_eq!(text(&failed), "stall: no DONE after 1 attempt");
        failed.failure = Some(Failure::new(FailureKind::Stall, "no output for 8s"));
        assert_eq!(
            text(&failed),
            "stall: no DONE after 1 attempt; the last one failed: no output for 8s"
        );
    }

    #[test]
    fn done_waits_for_children_then_asks_the_gates() {
        let policy = Policy {
            gates: vec![Gate::from_command("true")],
            ..policy()
        };
        let claimed = View {
            done: Presence::Present,
            active_children: 1,
            ..view(&policy)
        };
        assert_eq!(next_step(&claimed), Step::AwaitChildren);
        let waited = View {
            children_waited: true,
            ..claimed.clone()
        };
        assert_eq!(next_step(&waited), Step::RunGates);
        let quiet = View {
            active_children: 0,
            ..claimed
        };
        assert_eq!(next_step(&quiet), Step::RunGates);
        assert_eq!(
            next_step(&View {
                gates: GateVerdict::Passed,
                ..quiet.clone()
            }),
            Step::Complete
        );
        assert_eq!(
            next_step(&View {
                gates: GateVerdict::Refused,
                ..quiet
            }),
            Step::RejectDone
        );
    }

    #[test]
    fn a_claim_that_vanished_under_its_gates_is_refused() {
        let policy = policy();
        let good = last(None, 0);
        let vanished = View {
            attempts: 1,
            last: Some(&good),
            gates: GateVerdict::Refused,
            ..view(&policy)
        };
        assert_eq!(next_step(&vanished), Step::RejectDone);
        let stopping = View {
            stopping: true,
            ..vanished
        };
        assert_eq!(next_step(&stopping), Step::Stopped);
    }

    #[test]
    fn gates_have_a_limit_of_their_own() {
        let policy = Policy {
            max_gate_failures: 2,
            ..policy()
        };
        let once = View {
            gate_failures: 1,
            ..view(&policy)
        };
        assert_eq!(next_step(&once), Step::Attempt);
        check_failure(
            next_step(&View {
                gate_failures: 2,
                ..once
            }),
            FailureKind::GateFailed,
        );
    }

    #[test]
    fn what_cannot_pass_by_itself_stops_at_once() {
        let policy = policy();
        for kind in [
            FailureKind::Auth,
            FailureKind::SpawnFailed,
            FailureKind::LimitCredit,
        ] {
            let failed = last(Some(kind), 1);
            check_failure(
                next_step(&View {
                    attempts: 1,
                    last: Some(&failed),
                    ..view(&policy)
                }),
                kind,
            );
        }
    }

    #[test]
    fn fast_failures_back_off_and_then_end_the_loop() {
        let policy = Policy {
            max_attempts: 100,
            ..Policy::default()
        };
        for (alike, pause) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            let failed = last(Some(FailureKind::AgentCrash), alike);
            let step = next_step(&View {
                attempts: alike,
                last: Some(&failed),
                ..view(&policy)
            });
            assert_eq!(step, Step::Pause(Duration::from_secs(pause)));
        }
        let failed = last(Some(FailureKind::AgentCrash), 5);
        check_failure(
            next_step(&View {
                attempts: 5,
                last: Some(&failed),
                ..view(&policy)
            }),
            FailureKind::AgentCrash,
        );
    }

    #[test]
    fn a_job_runs_once_and_its_run_is_its_result() {
        let policy = policy();
        let job = View {
            kind: Kind::Job,
            ..view(&policy)
        };
        assert_eq!(next_step(&job), Step::Attempt);
        let good = last(None, 0);
        assert_eq!(
            next_step(&View {
                last: Some(&good),
                ..job.clone()
            }),
            Step::Complete
        );
        let bad = last(Some(FailureKind::AgentCrash), 1);
        check_failure(
            next_step(&View {
                last: Some(&bad),
                ..job
            }),
            FailureKind::AgentCrash,
        );
    }

    #[test]
    fn a_job_whose_claim_was_refused_fails() {
        let policy = policy();
        let good = last(None, 0);
        let refused = View {
            kind: Kind::Job,
            attempts: 1,
            last: Some(&good),
            gate_failures: 1,
            ..view(&policy)
        };
        check_failure(next_step(&refused), FailureKind::GateFailed);
    }

    #[test]
    fn a_wish_to_stop_beats_everything() {
        let policy = policy();
        let view = View {
            done: Presence::Present,
            stopping: true,
            cancelled: true,
            ..view(&policy)
        };
        assert_eq!(next_step(&view), Step::Stopped);
    }

    #[test]
    fn a_folder_named_done_is_an_error() {
        let policy = policy();
        check_failure(
            next_step(&View {
                done: Presence::NotAFile,
                ..view(&policy)
            }),
            FailureKind::Unknown,
        );
    }
}
