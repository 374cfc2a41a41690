//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// How long tests wait for what must happen soon. Long, because a loaded
/// machine is slow; a test that passes never waits so long.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks: a tenth of the time that was waited already, within these bounds.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Waits until `look` returns something; panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let found = within(PATIENCE, look);
    found.unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Waits until `condition` holds; panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// Looks until `look` returns something, for `limit` at the most.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        let waited = started.elapsed();
        if waited > limit {
            return None;
        }
        std::thread::sleep((waited / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }
}
