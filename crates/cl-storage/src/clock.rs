//! The only source of wall-clock time for library code.

use jiff::Timestamp;

/// Something that knows the current time.
///
/// Library code never asks the system directly, so that tests can set the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The system's wall clock.
///
/// With the feature `test-hooks` it adds the whole number of milliseconds found
/// in the file that `CL_CLOCK_FILE` names, so that tests can move the time of
/// several processes at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        offset::apply(Timestamp::now())
    }
}

#[cfg(not(feature = "test-hooks"))]
mod offset {
    pub(super) fn apply(now: jiff::Timestamp) -> jiff::Timestamp {
        now
    }
}

#[cfg(feature = "test-hooks")]
mod offset {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test hook, absent from released binaries"
    )]
    pub(super) fn apply(now: jiff::Timestamp) -> jiff::Timestamp {
        let Ok(path) = std::env::var("CL_CLOCK_FILE") else {
            return now;
        };
        let millis = std::fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok())
            .unwrap_or(0);
        now.checked_add(jiff::SignedDuration::from_millis(millis))
            .unwrap_or(now)
    }
}

/// A clock that stands still until it is told otherwise; for tests.
#[derive(Debug)]
pub struct FixedClock(std::sync::Mutex<Timestamp>);

impl FixedClock {
    /// Returns a clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(std::sync::Mutex::new(now))
    }

    /// Moves the clock to `now`, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
