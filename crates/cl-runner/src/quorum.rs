//! Whether enough independent reviewers approve, and none rejects.
//!
//! Pure: what counts as a vote and what it comes to. A run has one vote, its
//! latest; what is in doubt is not an approval; one rejection is a veto.

use std::collections::HashMap;

use cl_bus::Message;
use cl_storage::MessageId;
use jiff::Timestamp;

use crate::verdict::Verdict;

/// The meta entry that states a verdict outside of the body.
pub const VERDICT_META: &str = "verdict";

/// Types of messages that may hold a vote, in capitals.
const KINDS: [&str; 2] = ["DECISION", "REVIEW"];

/// The vote that a run has cast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// What it says.
    pub verdict: Verdict,
    /// The message.
    pub message: MessageId,
    /// When it was posted.
    pub at: Timestamp,
}

/// The votes of the reviewers that were asked.
#[derive(Debug, Clone)]
pub struct Ballot {
    /// The runs, each once, in the order in which they were named.
    runs: Vec<String>,
    votes: HashMap<String, Vote>,
}

/// What the votes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Runs that approve.
    pub approvals: usize,
    /// Runs that reject.
    pub rejections: usize,
    /// How many approvals are needed.
    pub required: usize,
}

impl Outcome {
    /// Tells whether the quorum is met: enough approvals and no rejection.
    pub fn is_met(self) -> bool {
        self.rejections == 0 && self.approvals >= self.required
    }

    /// Says why it is not met; none if it is.
    pub fn reason(self) -> Option<String> {
        let Self {
            approvals,
            rejections,
            required,
        } = self;
        match rejections {
            _ if self.is_met() => None,
            0 => Some(format!("{approvals} of {required} required approvals")),
            1 => Some("1 rejection".to_owned()),
            _ => Some(format!("{rejections} rejections")),
        }
    }
}

impl Ballot {
    /// Begins a ballot of `runs`; repeated ones count once.
    pub fn new(runs: impl IntoIterator<Item = String>) -> Self {
        let mut distinct: Vec<String> = Vec::new();
        for run in runs {
            if !distinct.contains(&run) {
                distinct.push(run);
            }
        }
        Self {
            runs: distinct,
            votes: HashMap::new(),
        }
    }

    /// Returns the runs that may vote.
    pub fn runs(&self) -> &[String] {
        &self.runs
    }

    /// Returns the vote of a run, if it has cast one.
    pub fn vote(&self, run: &str) -> Option<&Vote> {
        self.votes.get(run)
    }

    /// Takes note of a message; in any order.
    pub fn take(&mut self, message: &Message) {
        let is_asked = self.runs.contains(&message.run_id);
        let kind = message.kind.trim().to_ascii_uppercase();
        if !is_asked || !KINDS.contains(&kind.as_str()) {
            return;
        }
        let Some(verdict) = verdict_of(message) else {
            return;
        };
        let vote = Vote {
            verdict,
            message: message.id.clone(),
            at: message.timestamp,
        };
        self.cast(&message.run_id, vote);
    }

    /// The latest vote of a run counts; two of one moment that differ are no approval.
    fn cast(&mut self, run: &str, vote: Vote) {
        match self.votes.get_mut(run) {
            None => {
                self.votes.insert(run.to_owned(), vote);
            }
            Some(known) if vote.at > known.at => *known = vote,
            Some(known) if vote.at == known.at && vote.verdict != known.verdict => {
                let differs = [known.verdict, vote.verdict];
                // Within one bus the later id is the later message, but there are several buses.
                known.verdict = if differs.contains(&Verdict::Fail) {
                    Verdict::Fail
                } else {
                    Verdict::Unknown
                };
            }
            Some(_) => {}
        }
    }

    /// Counts the votes.
    pub fn count(&self, required: usize) -> Outcome {
        let count = |verdict| {
            let votes = self.votes.values();
            votes.filter(|vote| vote.verdict == verdict).count()
        };
        Outcome {
            approvals: count(Verdict::Pass),
            rejections: count(Verdict::Fail),
            required,
        }
    }
}

/// Reads the verdict of a message; none if it says nothing about one.
///
/// An explicit entry that cannot be read, and an approval in a body that is not
/// the one that was posted, are votes that approve of nothing.
fn verdict_of(message: &Message) -> Option<Verdict> {
    let stated = message
        .meta
        .get(VERDICT_META)
        .map(|word| Verdict::of_word(word));
    let body = match Verdict::of_review(&message.body) {
        Verdict::Pass if message.truncated || message.edited => Some(Verdict::Unknown),
        Verdict::Unknown => None,
        verdict => Some(verdict),
    };
    match (stated, body) {
        (Some(Verdict::Fail), _) | (_, Some(Verdict::Fail)) => Some(Verdict::Fail),
        (Some(stated), _) => Some(stated),
        (None, body) => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One message as `run kind second body`; `meta=` before the body states a verdict.
    fn message(index: usize, line: &str) -> Message {
        let mut parts = line.splitn(4, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (run, kind, second, body) = (next(), next(), next(), next());
        let (meta, body) = match body.strip_prefix("meta=") {
            Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
            None => ("", body),
        };
        let id = format!("MSG-20260101-000000-00000000{index}-PID00001-0001");
        let mut message: Message = serde_json::from_value(serde_json::json!({
            "msg_id": id,
            "timestamp": format!("2026-01-01T00:00:{second}Z"),
            "type": kind, "project_id": "p", "task_id": "", "run_id": run, "issue_id": "",
            "parents": [], "links": [], "meta": {}, "body": body,
        }))
        .unwrap();
        if !meta.is_empty() {
            message
                .meta
                .insert(VERDICT_META.to_owned(), meta.to_owned());
        }
        message
    }

    fn ballot(lines: &[&str]) -> Ballot {
        let mut ballot = Ballot::new(["r1", "r2", "r3", "r1"].map(str::to_owned));
        for (index, line) in lines.iter().enumerate() {
            ballot.take(&message(index, line));
        }
        ballot
    }

    #[track_caller]
    fn check(lines: &[&str], approvals: usize, rejections: usize) {
        let forwards = ballot(lines).count(2);
        let found = (forwards.approvals, forwards.rejections);
        assert_eq!(found, (approvals, rejections), "{lines:?}");
        // The order in which buses are read means nothing.
        let mut reversed = lines.to_vec();
        reversed.reverse();
        assert_eq!(ballot(&reversed).count(2), forwards, "{lines:?}");
        assert_eq!(forwards.is_met(), approvals >= 2 && rejections == 0);
        assert_eq!(forwards.reason().is_none(), forwards.is_met());
    }

    #[test]
    fn one_vote_for_each_run() {
        check(&["r1 REVIEW 01 LGTM", "r2 decision 02 approved"], 2, 0);
        check(
            &[
                "r1 REVIEW 01 LGTM",
                "r1 REVIEW 02 LGTM",
                "r1 DECISION 03 +1",
            ],
            1,
            0,
        );
        check(
            &[
                "r1 REVIEW 01 LGTM",
                "r2 REVIEW 02 LGTM",
                "r3 REVIEW 03 REJECTED",
            ],
            2,
            1,
        );
    }

    #[test]
    fn the_latest_vote_counts() {
        check(&["r1 REVIEW 01 REJECTED", "r1 REVIEW 02 LGTM"], 1, 0);
        check(
            &["r1 REVIEW 01 LGTM", "r1 REVIEW 02 CHANGES REQUESTED"],
            0,
            1,
        );
        check(&["r1 REVIEW 01 LGTM", "r1 REVIEW 02 see the notes"], 1, 0);
        check(&["r1 REVIEW 01 LGTM", "r1 REVIEW 02 meta=perhaps"], 0, 0);
    }

    #[test]
    fn contradictions_are_no_approval() {
        check(&["r1 REVIEW 01 LGTM", "r1 REVIEW 01 REJECTED"], 0, 1);
        check(&["r1 REVIEW 01 meta=pass REJECTED"], 0, 1);
        check(&["r1 REVIEW 01 meta=fail LGTM"], 0, 1);
        check(&["r1 REVIEW 01 LGTM", "r1 REVIEW 01 meta=perhaps"], 0, 0);
    }

    #[test]
    fn what_is_not_a_vote() {
        for line in [
            " REVIEW 01 LGTM",
            "r4 REVIEW 01 LGTM",
            "r1 INFO 01 LGTM",
            "r1 REVIEW 01 unblocked",
            "r1 REVIEW 01 I would say LGTM here",
            "r1 REVIEW 01 ",
        ] {
            check(&[line], 0, 0);
        }
        check(&["r1 REVIEW 01 not approved"], 0, 1);
        check(&["r1 review 01 meta=approved prose"], 1, 0);
    }

    #[test]
    fn a_body_that_somebody_changed_does_not_approve() {
        for (truncated, edited) in [(true, false), (false, true)] {
            let mut changed = message(1, "r1 REVIEW 02 LGTM");
            (changed.truncated, changed.edited) = (truncated, edited);
            let mut ballot = ballot(&["r1 REVIEW 01 LGTM"]);
            ballot.take(&changed);
            assert_eq!(ballot.count(1).approvals, 0);
        }
    }
}
