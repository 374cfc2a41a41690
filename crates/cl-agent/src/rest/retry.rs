//! What follows a failed try: another one after a pause, or the end.

use std::time::Duration;

use cl_storage::FailureKind;
use jiff::Timestamp;

/// How many times a question is asked.
pub const TRIES: u32 = 5;

/// The first pause; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause of our own choice.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// The longest pause that a service can ask for; beyond it the run ends and says
/// when trying again makes sense, because a waiting worker does nothing useful.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// A try that failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failed {
    pub(super) kind: FailureKind,
    pub(super) status: Option<u16>,
    pub(super) message: String,
    /// What the service asks for.
    pub(super) retry_after: Option<RetryAfter>,
    /// Whether asking again can help and does no harm.
    pub(super) can_repeat: bool,
}

impl Failed {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            message: message.into(),
            retry_after: None,
            can_repeat: false,
        }
    }

    /// A failure of the network, which passes.
    pub(super) fn passing(message: impl Into<String>) -> Self {
        Self {
            can_repeat: true,
            ..Self::new(FailureKind::ApiTransient, message)
        }
    }
}

/// The value of a `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    In(Duration),
    At(Timestamp),
}

impl RetryAfter {
    /// Reads seconds or a date.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            // More than a year is no answer.
            let seconds = seconds.min(366 * 24 * 3600);
            return Some(Self::In(Duration::from_secs(seconds)));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
        date.ok().map(Self::At)
    }

    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::In(pause) => now.checked_add(pause).unwrap_or(now),
            Self::At(moment) => moment,
        }
    }

    fn pause(self, now: Timestamp) -> Duration {
        match self {
            Self::In(pause) => pause,
            Self::At(moment) => Duration::try_from(moment.duration_since(now)).unwrap_or_default(),
        }
    }
}

/// What to do after try number `made` has failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// Ask again after this pause.
    Pause(Duration),
    /// Give up; the time is when trying again makes sense, if the service said so.
    GiveUp(Option<Timestamp>),
}

/// Decides what follows. `jitter` is a number from 0 to 1.
///
/// Pure: the time and the chance are arguments.
pub(super) fn next(failed: &Failed, made: u32, now: Timestamp, jitter: f64) -> Next {
    let retry_at = failed.retry_after.map(|after| after.moment(now));
    if !failed.can_repeat || made >= TRIES {
        return Next::GiveUp(retry_at);
    }
    match failed.retry_after.map(|after| after.pause(now)) {
        Some(pause) if pause > LONGEST_ASKED => Next::GiveUp(retry_at),
        Some(pause) => Next::Pause(pause),
        None => {
            let doubled = FIRST_PAUSE.saturating_mul(1 << made.saturating_sub(1).min(16));
            let pause = doubled.min(LONGEST_PAUSE);
            Next::Pause(pause + pause.mul_f64(jitter.clamp(0.0, 1.0) / 2.0))
        }
    }
}

/// Tells whether a status means that the same question may be answered later.
pub(super) fn is_passing(status: u16) -> bool {
    status == 429 || (500..=599).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn failed(after: Option<&str>) -> Failed {
        Failed {
            retry_after: after.and_then(RetryAfter::parse),
            ..Failed::passing("x")
        }
    }

    #[track_caller]
    fn check(after: Option<&str>, made: u32, jitter: f64, expected: Next) {
        assert_eq!(next(&failed(after), made, now(), jitter), expected);
    }

    #[test]
    fn pauses_double_with_jitter_and_end() {
        let pause = |millis| Next::Pause(Duration::from_millis(millis));
        check(None, 1, 0.0, pause(1000));
        check(None, 2, 0.0, pause(2000));
        check(None, 4, 0.0, pause(8000));
        check(None, 1, 1.0, pause(1500));
        check(None, 5, 0.0, Next::GiveUp(None));
        let refused = Failed::new(FailureKind::Auth, "x");
        assert_eq!(next(&refused, 1, now(), 0.0), Next::GiveUp(None));
    }

    #[test]
    fn what_the_service_asks_for_is_done_within_reason() {
        check(Some("0"), 1, 0.9, Next::Pause(Duration::ZERO));
        check(Some("60"), 1, 0.9, Next::Pause(Duration::from_mins(1)));
        let in_an_hour = "2026-01-01T01:00:00Z".parse().unwrap();
        check(Some("3600"), 1, 0.0, Next::GiveUp(Some(in_an_hour)));
        let date = "Thu, 01 Jan 2026 00:00:05 GMT";
        check(Some(date), 1, 0.0, Next::Pause(Duration::from_secs(5)));
        let date = "Thu, 01 Jan 2026 01:00:00 GMT";
        check(Some(date), 1, 0.0, Next::GiveUp(Some(in_an_hour)));
        let past = "Wed, 31 Dec 2025 00:00:00 GMT";
        check(Some(past), 1, 0.0, Next::Pause(Duration::ZERO));
        check(Some("soon"), 1, 0.0, Next::Pause(Duration::from_secs(1)));
    }

    #[test]
    fn statuses_that_pass() {
        for (status, passes) in [
            (429, true),
            (500, true),
            (529, true),
            (400, false),
            (404, false),
        ] {
            assert_eq!(is_passing(status), passes, "{status}");
        }
    }
}
