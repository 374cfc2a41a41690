//! The decision, as rows.

use super::*;
use crate::launch::Gate;

fn policy() -> Policy {
    Policy {
        max_attempts: 3,
        ..Policy::default()
    }
}

const OPEN: Agents = Agents {
    closed: None,
    instead: None,
    back: None,
    untried: None,
    has_fallen_back: false,
    has_switched: false,
};

fn view(policy: &Policy) -> View<'_> {
    View {
        attempts_today: 0,
        agents: &OPEN,
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
        alike_refusals: 0,
        refused_by: "lint (exit 1)",
        over: None,
        paused: false,
        dependencies: Outlook::Clear,
    }
}

fn last(kind: Option<FailureKind>, alike: u32) -> LastAttempt {
    LastAttempt {
        success: kind.is_none(),
        failure: kind.map(|kind| Failure::new(kind, "")),
        alike_fast_failures: alike,
        alike_failures: alike,
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
    let policy = policy();
    let mut failed = last(Some(FailureKind::Stall), 0);
    let text = |last: &LastAttempt| {
        let spent = View {
            attempts: 1,
            last: Some(last),
            ..view(&policy)
        };
        attempts_used_up(&spent).to_string()
    };
    assert_eq!(text(&failed), "stall: no DONE after 1 attempt");
    failed.failure = Some(Failure::new(FailureKind::Stall, "no output for 8s"));
    assert_eq!(
        text(&failed),
        "stall: no DONE after 1 attempt; the last attempt failed: no output for 8s"
    );
}

#[test]
fn refused_claims_are_told_when_the_attempts_are_used_up() {
    let policy = policy();
    let clean = last(None, 0);
    let spent = View {
        attempts: 3,
        last: Some(&clean),
        gate_failures: 2,
        alike_refusals: 2,
        ..view(&policy)
    };
    let Step::Fail(failure) = next_step(&spent) else {
        panic!("the attempts are used up");
    };
    assert_eq!(
        failure.to_string(),
        "gate_failed: no DONE that stood after 3 attempts; the last one refused was refused by lint (exit 1)"
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
fn refusals_that_are_all_alike_are_a_stalemate() {
    let policy = policy();
    let twice = View {
        gate_failures: 2,
        alike_refusals: 2,
        ..view(&policy)
    };
    assert_eq!(next_step(&twice), Step::Attempt);
    let thrice = View {
        gate_failures: 4,
        alike_refusals: 3,
        ..twice
    };
    match next_step(&thrice) {
        Step::Fail(failure) => {
            assert_eq!(failure.kind, FailureKind::GateFailed);
            assert!(failure.detail.starts_with("stalemate: lint"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn time_that_is_over_leaves_nothing_to_the_gates() {
    let policy = Policy {
        gates: vec![crate::launch::Gate::from_command("true")],
        ..Policy::default()
    };
    let failure = Failure::new(FailureKind::Timeout, "the task took longer than 2s");
    let claimed = |over, gates| {
        let view = View {
            done: Presence::Present,
            over,
            gates,
            ..view(&policy)
        };
        next_step(&view)
    };
    let money = Failure::new(FailureKind::MaxBudget, "");
    let pending = |over| claimed(Some(over), GateVerdict::Pending);
    assert_eq!(pending(&money), Step::RunGates, "gates cost none");
    check_failure(pending(&failure), FailureKind::Timeout);
    let passed = claimed(Some(&failure), GateVerdict::Passed);
    assert_eq!(passed, Step::Complete, "it was judged in time");
}

#[test]
fn a_used_up_budget_ends_the_task_but_not_a_claim() {
    let policy = Policy {
        require_change: true,
        ..policy()
    };
    let failure = Failure::new(FailureKind::MaxBudget, "$1.00 of $1.00");
    let over = View {
        over: Some(&failure),
        ..view(&policy)
    };
    check_failure(next_step(&over), FailureKind::MaxBudget);
    let job = View {
        kind: Kind::Job,
        ..over.clone()
    };
    check_failure(next_step(&job), FailureKind::MaxBudget);
    let claimed = View {
        done: Presence::Present,
        ..over
    };
    assert_eq!(next_step(&claimed), Step::RunGates);
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
fn the_first_attempt_waits_for_other_tasks() {
    let policy = policy();
    for kind in [Kind::Task, Kind::Job] {
        let blocked = View {
            kind,
            dependencies: Outlook::Blocked,
            ..view(&policy)
        };
        assert_eq!(next_step(&blocked), Step::AwaitDependencies);
        let clear = View {
            dependencies: Outlook::Clear,
            ..blocked.clone()
        };
        assert_eq!(next_step(&clear), Step::Attempt);
        let done = View {
            done: Presence::Present,
            ..blocked.clone()
        };
        assert_eq!(
            next_step(&done),
            Step::Complete,
            "its own claim ends the wait"
        );
        let cancelled = View {
            cancelled: true,
            ..blocked.clone()
        };
        assert_eq!(next_step(&cancelled), Step::Cancelled);
        let stopping = View {
            stopping: true,
            ..blocked.clone()
        };
        assert_eq!(next_step(&stopping), Step::Stopped);
        let hopeless = View {
            dependencies: Outlook::Hopeless("a -> b".into()),
            ..blocked
        };
        check_failure(next_step(&hopeless), FailureKind::Deadlock);
    }
}

#[test]
fn what_was_begun_does_not_wait_for_other_tasks() {
    let policy = policy();
    let begun = View {
        attempts: 1,
        dependencies: Outlook::Blocked,
        ..view(&policy)
    };
    assert_eq!(next_step(&begun), Step::Attempt, "after a recovery");
    let good = last(None, 0);
    let later = View {
        last: Some(&good),
        paused: true,
        ..begun
    };
    assert_eq!(next_step(&later), Step::Attempt);
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

fn closed() -> Agents {
    Agents {
        closed: Some(Closed {
            until: Timestamp::from_second(1_800_000_000).unwrap(),
            limit: LimitWait {
                agent: "claude".into(),
                reason: "five_hour is used up".into(),
                ..LimitWait::default()
            },
        }),
        ..OPEN
    }
}

#[test]
fn a_limit_is_waited_for_without_pause_whoever_met_it() {
    let policy = policy();
    let agents = closed();
    let limited = last(Some(FailureKind::LimitWindow), 0);
    for (kind, met) in [
        (Kind::Task, Some(&limited)),
        (Kind::Task, None),
        (Kind::Job, Some(&limited)),
        (Kind::Job, None),
    ] {
        let view = View {
            kind,
            last: met,
            agents: &agents,
            ..view(&policy)
        };
        let step = next_step(&view);
        assert_eq!(step, Step::AwaitLimit(agents.closed.clone().unwrap()));
        let over = View {
            agents: &OPEN,
            ..view
        };
        assert_eq!(next_step(&over), Step::Attempt);
        let stopping = View {
            stopping: true,
            ..over
        };
        assert_eq!(next_step(&stopping), Step::Stopped);
    }
}

#[test]
fn another_agent_goes_on_instead_and_hands_back() {
    let policy = policy();
    let limited = last(Some(FailureKind::LimitWindow), 0);
    let agents = Agents {
        instead: Some("codex".into()),
        ..closed()
    };
    let view = View {
        attempts: 1,
        last: Some(&limited),
        agents: &agents,
        ..view(&policy)
    };
    let Step::Switch { to, because } = next_step(&view) else {
        panic!("{:?}", next_step(&view));
    };
    assert_eq!(to, "codex");
    assert_eq!(because, Because::Limit("five_hour is used up".into()));
    let switched = Agents {
        has_switched: true,
        ..OPEN
    };
    let next = View {
        agents: &switched,
        ..view.clone()
    };
    assert_eq!(next_step(&next), Step::Attempt);
    let clean = last(None, 0);
    let back = Agents {
        back: Some("claude".into()),
        ..OPEN
    };
    let over = View {
        last: Some(&clean),
        paused: true,
        agents: &back,
        ..view
    };
    assert!(matches!(next_step(&over), Step::Switch { to, .. } if to == "claude"));
}

#[test]
fn without_auto_resume_the_limit_is_the_end_and_says_when() {
    let mut policy = policy();
    policy.limits.auto_resume = false;
    let agents = closed();
    let limited = last(Some(FailureKind::LimitWindow), 0);
    let view = View {
        last: Some(&limited),
        agents: &agents,
        ..view(&policy)
    };
    let Step::Fail(failure) = next_step(&view) else {
        panic!("{:?}", next_step(&view));
    };
    assert_eq!(failure.kind, FailureKind::LimitWindow);
    assert!(failure.retry_at.is_some());
    assert!(failure.detail.contains("task resume"), "{failure}");
}

#[test]
fn a_service_gets_eight_attempts_however_fast_they_fail() {
    let policy = Policy {
        max_attempts: 100,
        ..Policy::default()
    };
    for (alike, pause) in [(1, 1), (2, 2), (5, 16), (7, 64)] {
        let failed = last(Some(FailureKind::Overloaded), alike);
        let step = next_step(&View {
            attempts: alike,
            last: Some(&failed),
            ..view(&policy)
        });
        assert_eq!(step, Step::Pause(Duration::from_secs(pause)));
    }
    let failed = last(Some(FailureKind::Overloaded), 8);
    let view = View {
        attempts: 8,
        last: Some(&failed),
        ..view(&policy)
    };
    check_failure(next_step(&view), FailureKind::Overloaded);
}

#[test]
fn the_ceiling_of_the_day_holds_for_everything() {
    let policy = Policy {
        max_attempts_total: Some(4),
        ..policy()
    };
    for kind in [Kind::Task, Kind::Job] {
        let view = View {
            kind,
            attempts_today: 4,
            ..view(&policy)
        };
        check_failure(next_step(&view), FailureKind::MaxBudget);
        let tried = last(None, 1);
        let after_an_attempt = View {
            last: Some(&tried),
            attempts: 1,
            paused: true,
            ..view.clone()
        };
        if kind == Kind::Task {
            check_failure(next_step(&after_an_attempt), FailureKind::CleanExitNotDone);
        }
        let below = View {
            attempts_today: 3,
            ..view
        };
        assert_eq!(next_step(&below), Step::Attempt);
    }
}

#[test]
fn a_failed_attempt_is_repeated_once_with_another_agent() {
    let mut policy = policy();
    policy.turns.fallback_on_failure = true;
    let failed = last(Some(FailureKind::Auth), 1);
    for kind in [Kind::Task, Kind::Job] {
        let agents = Agents {
            untried: Some("codex".into()),
            ..OPEN
        };
        let view = View {
            kind,
            attempts: 1,
            last: Some(&failed),
            agents: &agents,
            ..view(&policy)
        };
        assert!(matches!(next_step(&view), Step::Switch { to, .. } if to == "codex"));
        let repeated = Agents {
            has_fallen_back: true,
            ..agents.clone()
        };
        let again = View {
            agents: &repeated,
            ..view
        };
        check_failure(next_step(&again), FailureKind::Auth);
    }
}

#[test]
fn a_kind_can_be_told_to_switch_until_nobody_is_left() {
    let mut policy = policy();
    let switch = crate::launch::RetryOverride {
        action: Some(RetryAction::Switch),
        ..Default::default()
    };
    policy.retry.overrides.insert("auth".into(), switch);
    let failed = last(Some(FailureKind::Auth), 1);
    let agents = Agents {
        untried: Some("codex".into()),
        has_fallen_back: true,
        ..OPEN
    };
    let view = View {
        attempts: 1,
        last: Some(&failed),
        agents: &agents,
        ..view(&policy)
    };
    assert!(matches!(next_step(&view), Step::Switch { to, .. } if to == "codex"));
    let none = View {
        agents: &OPEN,
        ..view
    };
    check_failure(next_step(&none), FailureKind::Auth);
}
