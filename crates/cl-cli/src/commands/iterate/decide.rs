//! What an iteration came to and whether there is another one: pure functions.

use cl_runner::verdict::Verdict;

/// What one iteration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IterationResult {
    /// It is under way, or its end was not seen.
    Running,
    /// Enough reviewers approve and nobody rejects.
    Pass,
    /// A reviewer rejects.
    Fail,
    /// Too few reviewers said anything that can be relied on.
    Unknown,
    /// The work or all of its reviews failed.
    Error,
    /// It was interrupted.
    Aborted,
}

impl IterationResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Error => "error",
            Self::Aborted => "aborted",
        }
    }

    /// Tells whether the iteration is over.
    pub(super) fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Aborted)
    }
}

/// What comes after the iterations so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another iteration.
    Iterate,
    /// The last one passed.
    Passed,
    /// There were as many as may be.
    Exhausted,
    /// Two in a row failed without a verdict.
    Error,
}

/// Counts votes: one rejection is a veto, and silence is no approval.
pub(super) fn count(votes: &[Verdict], required: usize) -> IterationResult {
    let approvals = votes.iter().filter(|vote| **vote == Verdict::Pass).count();
    match () {
        () if votes.contains(&Verdict::Fail) => IterationResult::Fail,
        () if approvals >= required.max(1) => IterationResult::Pass,
        () => IterationResult::Unknown,
    }
}

/// Decides what comes after iterations that are over.
pub(super) fn next(results: &[IterationResult], most: usize) -> Next {
    let is_error = |result: &IterationResult| *result == IterationResult::Error;
    match results {
        [.., IterationResult::Pass] => Next::Passed,
        [.., before, last] if is_error(before) && is_error(last) => Next::Error,
        _ if results.len() >= most => Next::Exhausted,
        _ => Next::Iterate,
    }
}

#[cfg(test)]
mod tests {
    use super::IterationResult::{Error, Fail, Pass, Unknown};
    use super::*;

    #[test]
    fn votes_are_counted() {
        use Verdict::{Fail as No, Pass as Yes, Unknown as Silent};
        for (votes, required, expected) in [
            (&[Yes][..], 1, Pass),
            (&[Silent], 1, Unknown),
            (&[No], 1, Fail),
            (&[], 1, Unknown),
            (&[], 0, Unknown),
            (&[Yes, Yes], 2, Pass),
            (&[Yes, Silent], 2, Unknown),
            (&[Yes, Silent], 1, Pass),
            (&[Yes, No], 1, Fail),
        ] {
            assert_eq!(count(votes, required), expected, "{votes:?} of {required}");
        }
    }

    #[test]
    fn what_follows() {
        for (results, most, expected) in [
            (&[][..], 3, Next::Iterate),
            (&[Fail, Pass], 3, Next::Passed),
            (&[Fail, Unknown], 3, Next::Iterate),
            (&[Fail, Unknown, Fail], 3, Next::Exhausted),
            (&[Pass], 1, Next::Passed),
            (&[Error], 3, Next::Iterate),
            (&[Error, Error], 3, Next::Error),
            (&[Error, Fail, Error], 9, Next::Iterate),
            (&[Error], 1, Next::Exhausted),
        ] {
            assert_eq!(next(results, most), expected, "{results:?} of {most}");
        }
    }
}
