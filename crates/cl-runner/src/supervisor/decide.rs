//! What the supervisor does next: a pure function over a view of the task.

pub(super) mod agents;

use std::time::Duration;

use cl_storage::marker::Presence;
use cl_storage::task_state::LimitWait;
use cl_storage::{Failure, FailureKind};
use jiff::Timestamp;

use crate::launch::{Kind, Policy, RetryAction, RetryRule};

/// Attempts shorter than this that failed count as fast failures.
pub(crate) const FAST: Duration = Duration::from_secs(5);

/// So many fast failures in a row that look alike end the loop.
const FAST_FAILURES: u32 = 5;

/// So many refusals in a row by the same gate with the same output are a stalemate.
const STALEMATE: u32 = 3;

/// How the last attempt ended.
#[derive(Debug, Clone)]
pub(crate) struct LastAttempt {
    /// Whether the agent did what it set out to do.
    pub(crate) success: bool,
    /// Why not.
    pub(crate) failure: Option<Failure>,
    /// Fast failures in a row that look like this one, itself included.
    pub(crate) alike_fast_failures: u32,
    /// Failures of this kind in a row, itself included.
    pub(crate) alike_failures: u32,
}

/// Why no attempt is to be made with an agent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    /// When to try again.
    pub(crate) until: Timestamp,
    /// Whose limit it is.
    pub(crate) limit: LimitWait,
}

/// What is known of the agents before an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agents {
    /// Why the one whose turn it is must not be started; ends as soon as any may be.
    pub(crate) closed: Option<Closed>,
    /// A usable one that goes on meanwhile.
    pub(crate) instead: Option<String>,
    /// The one that a limit took out of its turn, if it is usable again.
    pub(crate) back: Option<String>,
    /// A usable one that has not failed since the last success.
    pub(crate) untried: Option<String>,
    /// A failed attempt was repeated with another agent since the last success.
    pub(crate) has_fallen_back: bool,
    /// Another agent was chosen since the last attempt.
    pub(crate) has_switched: bool,
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

/// What the tasks that must be done first are up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// They are done, or there are none.
    #[default]
    Clear,
    /// They are not done.
    Blocked,
    /// They can make no progress, for so long that the wait is given up.
    Hopeless(String),
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
    /// Attempts of this day, over all launches.
    pub(crate) attempts_today: u32,
    pub(crate) last: Option<&'a LastAttempt>,
    pub(crate) agents: &'a Agents,
    pub(crate) active_children: usize,
    /// The wait for children is over, by their end or by its limit.
    pub(crate) children_waited: bool,
    pub(crate) gates: GateVerdict,
    pub(crate) gate_failures: u32,
    /// Refusals in a row by the same gate with the same output.
    pub(crate) alike_refusals: u32,
    /// That gate.
    pub(crate) refused_by: &'a str,
    /// A limit on money or time is used up.
    pub(crate) over: Option<&'a Failure>,
    /// The pause that the last attempt calls for has passed.
    pub(crate) paused: bool,
    pub(crate) dependencies: Outlook,
}

/// Why another agent goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Because {
    /// A usage limit, which the text describes.
    Limit(String),
    /// The attempt failed.
    Failure(FailureKind),
    /// The limit of the agent whose turn it is has ended.
    LimitOver,
}

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Limit(text) => f.write_str(text),
            Self::Failure(kind) => write!(f, "its attempt failed ({kind})"),
            Self::LimitOver => f.write_str("its usage limit is over"),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start an agent.
    Attempt,
    /// Pause, then decide again.
    Pause(Duration),
    /// Wait for the end of a usage limit, then decide again.
    AwaitLimit(Closed),
    /// Go on with another agent.
    Switch {
        /// Its name.
        to: String,
        /// Why.
        because: Because,
    },
    /// Wait for the tasks that must be done first, then decide again.
    AwaitDependencies,
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
    if let Some(failure) = view.over {
        return Step::Fail(failure.clone());
    }
    // Only the first attempt waits: what was begun goes on, whatever becomes of the others.
    if view.attempts == 0 && view.last.is_none() {
        match &view.dependencies {
            Outlook::Clear => {}
            Outlook::Blocked => return Step::AwaitDependencies,
            Outlook::Hopeless(why) => {
                return Step::Fail(Failure::new(FailureKind::Deadlock, why.clone()));
            }
        }
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
    if !view.policy.judges_claims() {
        return Step::Complete;
    }
    // Gates cost no money, but time: a claim that none has judged in time is no claim.
    let overtime = view.over.filter(|over| over.kind == FailureKind::Timeout);
    match view.gates {
        GateVerdict::Pending => overtime.map_or(Step::RunGates, |over| Step::Fail(over.clone())),
        GateVerdict::Passed => Step::Complete,
        GateVerdict::Refused => Step::RejectDone,
    }
}

fn job_step(view: &View<'_>) -> Step {
    if view.gate_failures > 0 {
        return Step::Fail(Failure::new(FailureKind::GateFailed, "a gate refused DONE"));
    }
    match view.last {
        Some(last) if last.success => Step::Complete,
        Some(last) if !view.agents.has_switched => match after_failure(view, last) {
            After::Step(step) => step,
            After::Admission => admission(view),
            After::Pause(_) => Step::Fail(failure_of(last)),
        },
        _ => admission(view),
    }
}

fn task_step(view: &View<'_>) -> Step {
    if view.gate_failures > 0 && view.gate_failures >= view.policy.max_gate_failures {
        let text = format!("gates refused {} times", view.gate_failures);
        return Step::Fail(Failure::new(FailureKind::GateFailed, text));
    }
    if view.alike_refusals >= STALEMATE {
        let text = format!(
            "stalemate: {} refused {} times in a row with the same output",
            view.refused_by, view.alike_refusals
        );
        return Step::Fail(Failure::new(FailureKind::GateFailed, text));
    }
    let last = view.last.filter(|_| !view.agents.has_switched);
    let after = match last {
        None => After::Admission,
        Some(last) if last.success => After::Pause(view.policy.restart_delay),
        Some(last) => after_failure(view, last),
    };
    if let After::Step(step) = after {
        return step;
    }
    if view.attempts >= view.policy.max_attempts {
        return Step::Fail(attempts_used_up(view));
    }
    match after {
        After::Pause(pause) if !view.paused => Step::Pause(pause),
        _ => admission(view),
    }
}

/// What follows a failed attempt.
enum After {
    /// This.
    Step(Step),
    /// Another attempt, after a pause.
    Pause(Duration),
    /// Another attempt, as soon as an agent may be started.
    Admission,
}

/// Reads the policy's line about the kind of the failure.
fn after_failure(view: &View<'_>, last: &LastAttempt) -> After {
    let failure = failure_of(last);
    let rule = view.policy.retry.rule(failure.kind);
    let is_limit = failure.kind == FailureKind::LimitWindow;
    let agents = view.agents;
    let falls_back = view.policy.turns.fallback_on_failure && !agents.has_fallen_back;
    let is_passed_on = match rule.action {
        RetryAction::Switch => true,
        _ => falls_back && !is_limit && failure.kind != FailureKind::Cancelled,
    };
    if let Some(to) = agents.untried.clone().filter(|_| is_passed_on) {
        let because = Because::Failure(failure.kind);
        return After::Step(Step::Switch { to, because });
    }
    let fail = |failure| After::Step(Step::Fail(failure));
    match rule.action {
        RetryAction::Stop | RetryAction::Switch => fail(failure),
        RetryAction::Wait => After::Admission,
        RetryAction::Retry => {
            if let Some(most) = rule.attempts.filter(|most| last.alike_failures >= *most) {
                let detail = format!("{most} attempts in a row failed alike ({failure})");
                return fail(Failure::new(failure.kind, detail));
            }
            if rule.attempts.is_none() && last.alike_fast_failures >= FAST_FAILURES {
                let detail = format!(
                    "failing fast: {FAST_FAILURES} attempts in a row ended within {FAST:?} ({failure})"
                );
                return fail(Failure::new(failure.kind, detail));
            }
            After::Pause(pause_after(last, &rule, view.policy.restart_delay))
        }
    }
}

/// Starts an attempt, if the day's ceiling and the limits of the agents let it.
fn admission(view: &View<'_>) -> Step {
    if let Some(most) = view.policy.max_attempts_total
        && view.attempts_today >= most
    {
        let kind = match view.last {
            // Nothing was tried: the ceiling alone is in the way.
            None => FailureKind::MaxBudget,
            Some(last) => (last.failure.as_ref())
                .map_or(FailureKind::CleanExitNotDone, |failure| failure.kind),
        };
        let made = view.attempts_today;
        let text = format!(
            "no DONE after {made} attempts today, and defaults.max_attempts_total allows {most} a day"
        );
        return Step::Fail(Failure::new(kind, text));
    }
    let agents = view.agents;
    let Some(closed) = &agents.closed else {
        return match &agents.back {
            Some(to) => Step::Switch {
                to: to.clone(),
                because: Because::LimitOver,
            },
            None => Step::Attempt,
        };
    };
    if let Some(to) = agents.instead.clone() {
        let because = Because::Limit(closed.limit.reason.clone());
        return Step::Switch { to, because };
    }
    if view.policy.limits.auto_resume {
        return Step::AwaitLimit(closed.clone());
    }
    let text = format!(
        "{}; `run-agent task resume` takes the task up again after that (limits.auto_resume is false)",
        closed.limit.reason
    );
    let mut failure = Failure::new(FailureKind::LimitWindow, text);
    failure.retry_at = Some(closed.until);
    Step::Fail(failure)
}

fn attempts_used_up(view: &View<'_>) -> Failure {
    let attempts = match view.attempts {
        1 => "1 attempt".to_owned(),
        made => format!("{made} attempts"),
    };
    // A claim that was refused is not one that was never made.
    let mut text = match view.gate_failures {
        0 => format!("no DONE after {attempts}"),
        _ => format!(
            "no DONE that stood after {attempts}; the last one refused was refused by {}",
            view.refused_by
        ),
    };
    let last_failure = view.last.filter(|last| !last.success);
    let Some(failure) = last_failure.map(failure_of) else {
        let kind = match view.gate_failures {
            0 => FailureKind::CleanExitNotDone,
            _ => FailureKind::GateFailed,
        };
        return Failure::new(kind, text);
    };
    if !failure.detail.is_empty() {
        text = format!("{text}; the last attempt failed: {}", failure.detail);
    }
    Failure::new(failure.kind, text)
}

fn failure_of(last: &LastAttempt) -> Failure {
    last.failure
        .clone()
        .unwrap_or_else(|| Failure::new(FailureKind::Unknown, ""))
}

/// The pause doubles with each fast failure; a failing service gets more time.
fn pause_after(last: &LastAttempt, rule: &RetryRule, delay: Duration) -> Duration {
    let repeats = if rule.doubles_always {
        last.alike_failures
    } else {
        last.alike_fast_failures
    };
    let delay = rule.backoff.unwrap_or(delay);
    delay
        .saturating_mul(2_u32.saturating_pow(repeats.saturating_sub(1).min(16)))
        .min(rule.max_backoff.max(delay))
}

#[cfg(test)]
mod tests;
