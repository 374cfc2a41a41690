//! The limits of one attempt: silence, time, size.

use std::time::Duration;

use cl_storage::FailureKind;

use crate::launch::Policy;

/// What a look at a running agent shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Since the agent was started.
    pub(super) elapsed: Duration,
    /// Since its streams last grew.
    pub(super) silent: Duration,
    /// Bytes in both streams.
    pub(super) output_bytes: u64,
}

/// Returns the limit that is reached, and a line about it.
pub(super) fn exceeded(
    policy: &Policy,
    idle: Option<Duration>,
    progress: &Progress,
) -> Option<(FailureKind, String)> {
    if progress.output_bytes > policy.max_output_bytes {
        let text = format!("wrote more than {} bytes", policy.max_output_bytes);
        return Some((FailureKind::OutputLimit, text));
    }
    if let Some(limit) = policy
        .max_duration
        .filter(|&limit| progress.elapsed >= limit)
    {
        return Some((FailureKind::Timeout, format!("took longer than {limit:?}")));
    }
    let limit = idle.filter(|&limit| progress.silent >= limit)?;
    Some((FailureKind::Stall, format!("no output for {limit:?}")))
}

/// Returns how often an agent must be looked at for its limits.
pub(super) fn look_every(idle: Option<Duration>, max_duration: Option<Duration>) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_millis(250);
    let tightest = idle.into_iter().chain(max_duration).min();
    tightest.map_or(LONGEST, |limit| (limit / 4).clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_kind() {
        let second = Duration::from_secs(1);
        let policy = Policy {
            max_duration: Some(10 * second),
            max_output_bytes: 100,
            ..Policy::default()
        };
        let calm = Progress {
            elapsed: second,
            silent: second,
            output_bytes: 100,
        };
        let kind = |progress: Progress| {
            exceeded(&policy, Some(5 * second), &progress).map(|(kind, _)| kind)
        };
        assert_eq!(kind(calm), None);
        assert_eq!(
            kind(Progress {
                output_bytes: 101,
                ..calm
            }),
            Some(FailureKind::OutputLimit)
        );
        assert_eq!(
            kind(Progress {
                elapsed: 10 * second,
                ..calm
            }),
            Some(FailureKind::Timeout)
        );
        assert_eq!(
            kind(Progress {
                silent: 5 * second,
                ..calm
            }),
            Some(FailureKind::Stall)
        );
        let forever = Progress {
            silent: 500 * second,
            ..calm
        };
        assert_eq!(
            exceeded(&policy, None, &forever),
            None,
            "no idle limit unless asked for"
        );
    }

    #[test]
    fn short_limits_are_looked_at_often() {
        let millis = Duration::from_millis;
        assert_eq!(look_every(None, None), millis(250));
        assert_eq!(look_every(Some(millis(100)), None), millis(50));
        assert_eq!(
            look_every(Some(millis(60_000)), Some(millis(400))),
            millis(100)
        );
    }
}
