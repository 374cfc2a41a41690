//! How long to wait before connecting again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first wait, unless the server asks for another one.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a server can ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// How long to wait: twice as long after each failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: FIRST,
            failures: 0,
        }
    }
}

impl Backoff {
    /// The server asks for another first wait; nonsense is bounded.
    pub(crate) fn ask_first(&mut self, wait: Duration) {
        self.first = wait.clamp(Duration::from_millis(10), LONGEST);
    }

    /// Something came: the next wait is the first one again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns how long to wait after one more failure, a fraction more than its share so
    /// that many clients do not come back at once.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.plain(self.failures);
        self.failures = self.failures.saturating_add(1);
        let chance = u32::try_from(RandomState::new().hash_one(()) % 256).unwrap_or(0);
        let wait = (wait + wait * chance / 1024).min(LONGEST);
        wait.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }

    fn plain(self, failures: u32) -> Duration {
        let factor = 2u32.saturating_pow(failures.min(16));
        self.first.saturating_mul(factor).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        for failures in 0..100 {
            let least = Backoff::default().plain(failures);
            let wait = backoff.next(None);
            assert!(
                least <= wait && wait <= least * 5 / 4,
                "{failures}: {wait:?}"
            );
            assert!(wait <= LONGEST);
        }
        backoff.reset();
        assert!(backoff.next(None) < FIRST * 2);
    }

    #[test]
    fn a_server_can_ask_for_more_within_bounds() {
        let mut backoff = Backoff::default();
        backoff.ask_first(Duration::from_secs(4));
        assert!(backoff.next(None) >= Duration::from_secs(4));
        backoff.ask_first(Duration::MAX);
        assert!(backoff.next(None) <= LONGEST);
        backoff.ask_first(Duration::ZERO);
        assert!(backoff.next(None) > Duration::ZERO);
        let asked = Duration::from_mins(1);
        assert_eq!(backoff.next(Some(asked)), asked);
        assert_eq!(backoff.next(Some(Duration::MAX)), LONGEST_ASKED);
    }
}
