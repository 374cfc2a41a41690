//! What a task is doing and when it last said something that matters.

use std::time::Duration;

use cl_bus::Bus;
use cl_runner::activity::{self, Activity};
use cl_storage::Root;
use cl_storage::snapshot::TaskView;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::duration_text;

/// Messages of these types say something about the work itself.
const MEANINGFUL: [&str; 4] = ["FACT", "DECISION", "ERROR", "REVIEW"];

/// How many messages are looked through for one that matters.
const LOOKED_AT: usize = 500;

/// How much of a message is shown, in characters.
const PREVIEW: usize = 96;

/// What a task is doing; also its JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub struct ActivityFact {
    /// The word for it; none if it does nothing any more.
    pub state: Option<activity::State>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// For how long it has not written.
    pub silent_seconds: Option<u64>,
    /// Whether its processes compute.
    pub cpu: Option<activity::Cpu>,
    /// The newest message of its bus.
    pub latest_bus_message: Option<MessageFact>,
    /// When it wrote last.
    pub latest_output_activity_at: Option<Timestamp>,
    /// When it last said something that matters.
    pub last_meaningful_signal_at: Option<Timestamp>,
    /// How long ago that was.
    pub meaningful_signal_age_seconds: Option<i64>,
    /// It has not said anything that matters for too long.
    pub analysis_drift_risk: bool,
    /// What is too long.
    pub drift_threshold_seconds: u64,
    /// Why it counts as adrift.
    pub drift_reason: Option<String>,
}

/// The newest message of a bus.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageFact {
    /// When it was posted.
    pub timestamp: Timestamp,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How its body begins, on one line.
    pub body_preview: String,
}

impl ActivityFact {
    /// Looks at what each of `views` is doing; those that say nothing that matters for
    /// `drift_after` are adrift.
    pub fn of(root: &Root, views: &[TaskView], drift_after: Duration, now: Timestamp) -> Vec<Self> {
        let doing = activity::of(root, views, now);
        views
            .iter()
            .zip(&doing)
            .map(|(view, doing)| Self::new(view, doing.as_ref(), drift_after, now))
            .collect()
    }

    fn new(
        view: &TaskView,
        doing: Option<&Activity>,
        drift_after: Duration,
        now: Timestamp,
    ) -> Self {
        // What is wrong with a bus is told by `bus check`.
        let reading = Bus::new(view.task.bus()).tail(LOOKED_AT).ok();
        let messages = || reading.iter().flat_map(cl_bus::Reading::messages);
        let latest = messages().last().map(|message| MessageFact {
            timestamp: message.timestamp,
            kind: message.kind.clone(),
            body_preview: preview(&message.body),
        });
        let meaningful = messages()
            .filter(|message| MEANINGFUL.contains(&message.kind.as_str()))
            .map(|message| message.timestamp)
            .next_back();
        let since = view
            .shown_run()
            .map(cl_storage::snapshot::RunView::sort_time);
        let drift_reason = drift(doing.is_some(), meaningful, since, drift_after, now);
        let run = view.shown_run();
        Self {
            state: doing.map(|doing| doing.state),
            waiting_for: doing.and_then(|doing| doing.waiting_for.clone()),
            silent_seconds: doing.and_then(|doing| doing.silent_seconds),
            cpu: doing.map(|doing| doing.cpu),
            latest_bus_message: latest,
            latest_output_activity_at: run.and_then(|run| activity::latest_output(&run.run)),
            last_meaningful_signal_at: meaningful,
            meaningful_signal_age_seconds: meaningful.map(|at| now.duration_since(at).as_secs()),
            analysis_drift_risk: drift_reason.is_some(),
            drift_threshold_seconds: drift_after.as_secs(),
            drift_reason,
        }
    }

    /// Returns what it is doing, in one word or two.
    pub fn word(&self) -> String {
        match (self.state, &self.waiting_for) {
            (Some(state), Some(what)) => format!("{} ({what})", state.as_str()),
            (Some(state), None) => state.as_str().to_owned(),
            (None, _) => "-".to_owned(),
        }
    }

    /// Returns the cells of a table, as [`ACTIVITY_HEADINGS`] names them.
    pub fn cells(&self, now: Timestamp) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let age = |at: Timestamp| duration_text(now.duration_since(at).as_secs());
        let message = self.latest_bus_message.as_ref();
        vec![
            self.word(),
            or_dash(message.map(|it| format!("{} {}", it.kind, age(it.timestamp)))),
            or_dash(self.latest_output_activity_at.map(age)),
            or_dash(self.meaningful_signal_age_seconds.map(duration_text)),
            if self.analysis_drift_risk {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
            or_dash(self.drift_reason.clone()),
        ]
    }
}

/// What the columns of [`ActivityFact::cells`] are called.
pub const ACTIVITY_HEADINGS: [&str; 6] = [
    "ACTIVITY",
    "LAST_BUS",
    "LAST_OUTPUT",
    "MEANINGFUL_AGE",
    "DRIFT_RISK",
    "DRIFT_REASON",
];

/// Says why a task counts as adrift: it runs, and says nothing that matters.
fn drift(
    is_running: bool,
    meaningful: Option<Timestamp>,
    since: Option<Timestamp>,
    after: Duration,
    now: Timestamp,
) -> Option<String> {
    let from = if is_running {
        meaningful.max(since)?
    } else {
        return None;
    };
    let age = now.duration_since(from);
    let is_late = Duration::try_from(age).is_ok_and(|age| age > after);
    let what = if meaningful.is_some() {
        "since"
    } else {
        "ever"
    };
    is_late.then(|| match what {
        "ever" => "no FACT, DECISION, ERROR or REVIEW yet".to_owned(),
        _ => format!(
            "no FACT, DECISION, ERROR or REVIEW for {}",
            duration_text(age.as_secs())
        ),
    })
}

fn preview(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(PREVIEW).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_needs_a_running_task_that_says_nothing() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let after = Duration::from_mins(20);
        let check = |is_running, meaningful, since, now| {
            drift(is_running, meaningful, since, after, at(now)).is_some()
        };
        assert!(check(true, None, Some(at(0)), 1201));
        assert!(!check(true, None, Some(at(0)), 1200));
        assert!(!check(true, Some(at(1000)), Some(at(0)), 1500));
        assert!(check(true, Some(at(1000)), Some(at(0)), 2500));
        assert!(!check(true, Some(at(0)), Some(at(2000)), 2500), "a new run");
        assert!(!check(false, None, Some(at(0)), 9999), "it has ended");
        assert!(!check(true, None, None, 9999));
    }

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview("a\n\n  b\tc"), "a b c");
        assert_eq!(preview(&"ü".repeat(200)).chars().count(), PREVIEW);
    }
}
