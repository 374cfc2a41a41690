//! What a task uses, weighed against what it may use, while it uses it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cl_agent::StreamParser;
use cl_storage::budget::{self, Ceiling, Level};
use cl_storage::run_info::RunInfo;
use cl_storage::{Failure, FailureKind, ProjectDir, RunDir, RunId, Usage};
use jiff::Timestamp;

use super::Supervisor;

/// How often the records of a project's day are added up again while a run goes on or waits.
pub(super) const DAY_AGAIN: Duration = Duration::from_mins(1);

/// What was used before a run, so that only its own use must be looked at.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// By earlier runs of the task.
    task: Usage,
    /// By earlier runs of the task, for agents that count by session.
    sessions: HashMap<String, Usage>,
    /// By other runs of the project on this day.
    day: Usage,
    day_read: Option<Instant>,
    /// Why it is not known what all earlier runs of the task have used.
    unreadable: Option<String>,
    /// What the run itself had used at the last look.
    seen: Option<Usage>,
}

impl Supervisor {
    /// Returns a meter for `run`; it reads records only where there is a limit to hold.
    pub(super) fn meter(&self, run: &RunDir) -> Meter {
        self.meter_without(Some(run.id()))
    }

    fn meter_without(&self, run: Option<&RunId>) -> Meter {
        let mut meter = Meter::default();
        let budget = &self.record.policy.budget;
        if budget.task.is_unlimited() && budget.per_project_day.is_unlimited() {
            return meter;
        }
        for earlier in self.task.runs().unwrap_or_default() {
            if Some(earlier.id()) == run {
                continue;
            }
            let info = match RunInfo::read(&earlier) {
                Ok(Some(info)) => info,
                Ok(None) => continue,
                Err(error) => {
                    meter
                        .unreadable
                        .get_or_insert_with(|| crate::launch_error_text(&error));
                    continue;
                }
            };
            if let Some(used) = info.usage {
                budget::add(&mut meter.task, &used);
                let session = meter.sessions.entry(info.session_id).or_default();
                budget::add(session, &used);
            }
        }
        self.read_day(&mut meter, run);
        meter
    }

    fn read_day(&self, meter: &mut Meter, run: Option<&RunId>) {
        if self.record.policy.budget.per_project_day.is_unlimited() {
            return;
        }
        let project = self.root.project(self.task.project());
        meter.day = project.map_or_else(|_| Usage::default(), |p| day_of(&p, self.now(), run));
        meter.day_read = Some(Instant::now());
    }

    /// Weighs what is used so far; returns the limit that is reached.
    pub(super) fn spend(
        &mut self,
        meter: &mut Meter,
        run: &RunDir,
        parser: &StreamParser,
    ) -> Option<Failure> {
        self.note_overtime();
        if let Some(over) = &self.over {
            return Some(over.clone());
        }
        if meter.day_read.is_some_and(|at| at.elapsed() >= DAY_AGAIN) {
            self.read_day(meter, Some(run.id()));
            meter.seen = None;
        }
        let total = parser.usage()?;
        if meter.seen.as_ref() == Some(&total) {
            return None;
        }
        let mut used = total.clone();
        if parser.usage_is_cumulative_per_session()
            && let Some(earlier) = parser.session_id().and_then(|id| meter.sessions.get(id))
        {
            used = cl_agent::usage_since(&total, earlier);
        }
        meter.seen = Some(total);
        let over = self.weigh(meter, &used);
        self.over.clone_from(&over);
        over
    }

    /// Tells whether another attempt may be made at all.
    pub(super) fn may_spend(&mut self) -> bool {
        self.note_overtime();
        if self.over.is_none() {
            let meter = self.meter_without(None);
            self.over = self.weigh(&meter, &Usage::default()).or_else(|| {
                // Going on would spend again what nobody can count any more.
                let why = meter.unreadable.as_ref()?;
                let text = format!(
                    "it cannot be told what the task has used: {why}; restore the record, remove the \
                     folder of its run, or go on without a budget"
                );
                Some(Failure::new(FailureKind::MaxBudget, text))
            });
        }
        self.over.is_none()
    }

    /// Weighs a run's use on top of what the meter knows; warns once of each limit that is near.
    fn weigh(&mut self, meter: &Meter, used: &Usage) -> Option<Failure> {
        let limits = self.record.policy.budget;
        let mut near = Vec::new();
        for (scope, ceiling, before) in [
            ("this task", limits.task, &meter.task),
            (
                "the project today (UTC)",
                limits.per_project_day,
                &meter.day,
            ),
        ] {
            match level(&ceiling, before, used) {
                Level::Within => {}
                Level::Near(text) => near.push((scope, text)),
                Level::Reached(text) => {
                    let text = format!("the budget of {scope} is used up: {text}");
                    return Some(Failure::new(FailureKind::MaxBudget, text));
                }
            }
        }
        for (scope, text) in near {
            if !self.state.budget_told.iter().any(|told| told == scope) {
                // On disk with the next change of the state; a crash may repeat the warning.
                self.state.budget_told.push(scope.to_owned());
                let text = format!("80 % of the budget of {scope} are used: {text}");
                self.post("WARNING", &text, &[("budget", scope.to_owned())]);
            }
        }
        None
    }

    /// Returns how long the task may still take; `None` without a limit.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let limit = self.record.policy.max_task_duration?;
        let passed = self.now().duration_since(self.state.begun_at?);
        let passed = Duration::try_from(passed).unwrap_or(Duration::ZERO);
        Some(limit.saturating_sub(passed))
    }

    /// Remembers that the task has taken as long as it may, and tells whether it has.
    ///
    /// The time of a launch comes before its other limits: it also ends what they let go on.
    pub(super) fn note_overtime(&mut self) -> bool {
        self.note_overtime_of(None)
    }

    /// Like [`Supervisor::note_overtime`]; `gate` is what runs meanwhile, for the message.
    pub(super) fn note_overtime_of(&mut self, gate: Option<&str>) -> bool {
        if !self.time_left().is_some_and(|left| left.is_zero()) {
            return false;
        }
        let is_noted = |over: &Failure| over.kind == FailureKind::Timeout;
        if !self.over.as_ref().is_some_and(is_noted) {
            let limit = self.record.policy.max_task_duration.unwrap_or_default();
            let meanwhile = match (gate, self.state.waiting_for.as_deref()) {
                (Some(gate), _) => format!(": {gate} was running"),
                (None, Some("slot")) => ": it was waiting for a run slot".to_owned(),
                (None, Some("limit")) => ": it was waiting for a usage limit to end".to_owned(),
                (None, Some("delay")) => ": it was pausing before the next attempt".to_owned(),
                (None, Some(what)) => format!(": it was waiting for its {what}"),
                (None, None) => String::new(),
            };
            let text = format!("the task took longer than {limit:?}{meanwhile}");
            self.over = Some(Failure::new(FailureKind::Timeout, text));
        }
        true
    }

    /// Returns `wait`, or what the task may still take if that is less.
    pub(super) fn within_time(&self, wait: Duration) -> Duration {
        self.time_left().map_or(wait, |left| left.min(wait))
    }
}

fn level(ceiling: &Ceiling, before: &Usage, used: &Usage) -> Level {
    let mut all = before.clone();
    budget::add(&mut all, used);
    ceiling.level(&all)
}

/// Adds up what the runs of `project` used that began on the UTC day of `now`.
///
/// Ids of runs begin with their day, so the records of other days are not read.
fn day_of(project: &ProjectDir, now: Timestamp, without: Option<&RunId>) -> Usage {
    let day = now.strftime("%Y%m%d-").to_string();
    let mut used = Usage::default();
    for task in project.tasks().unwrap_or_default() {
        for run in task.runs().unwrap_or_default() {
            if !run.id().as_str().starts_with(&day) || Some(run.id()) == without {
                continue;
            }
            if let Ok(Some(RunInfo {
                usage: Some(usage), ..
            })) = RunInfo::read(&run)
            {
                budget::add(&mut used, &usage);
            }
        }
    }
    used
}
