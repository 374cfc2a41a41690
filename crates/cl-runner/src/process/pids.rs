//! Whether the numbers of processes have only grown since some moment.
//!
//! The kernel gives each new process, and each thread, the next free number, up to a
//! largest one, and then begins again with the smallest (`proc_sys_kernel(5)`, `pid_max`).
//! It counts what it has started since the boot (`proc_stat(5)`, `processes`). As long as
//! fewer were started than there are numbers left, a younger process has a higher number.

use std::fs;

/// Numbers that go without being counted: a fork that fails late has had one, and those
/// that are taken are passed over.
const UNCOUNTED: u64 = 4096;

/// How many processes were started up to a moment, and how many numbers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PidSpan {
    started: u64,
    largest: u64,
}

impl PidSpan {
    /// Reads the counters; `None` where the system does not tell.
    pub(crate) fn now() -> Option<Self> {
        let largest = fs::read_to_string("/proc/sys/kernel/pid_max").ok()?;
        Some(Self {
            started: started()?,
            largest: largest.trim().parse().ok()?,
        })
    }

    /// Tells whether every process that was started after `first`, itself started after this
    /// moment, has a higher number. False where that is not certain.
    pub(crate) fn has_grown_from(&self, first: i32) -> bool {
        started().is_some_and(|now| self.allows(first, now))
    }

    fn allows(&self, first: i32, started_now: u64) -> bool {
        let (Ok(first), Some(count)) =
            (u64::try_from(first), started_now.checked_sub(self.started))
        else {
            return false;
        };
        // Twice, because as many numbers as were given may be taken and be passed over.
        first.saturating_add(count.saturating_mul(2)) < self.largest.saturating_sub(UNCOUNTED)
    }
}

fn started() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    started_in(&text)
}

fn started_in(stat: &str) -> Option<u64> {
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix("processes "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_grown_as_long_as_there_are_enough_left() {
        let before = PidSpan {
            started: 1000,
            largest: 32_768,
        };
        for (first, started, expected) in [
            (20_000, 1010, true),
            (20_000, 5000, true),
            (20_000, 6000, false),
            (28_000, 1010, true),
            (28_700, 1010, false),
            (-1, 1010, false),
            // Counted from another boot, or nonsense.
            (20_000, 999, false),
            (20_000, u64::MAX, false),
        ] {
            assert_eq!(before.allows(first, started), expected, "{first} {started}");
        }
    }

    #[test]
    fn the_counter_is_found() {
        assert_eq!(started_in("cpu  1 2\nctxt 5\nprocesses 77\n"), Some(77));
        assert_eq!(started_in("cpu  1 2\n"), None);
        assert!(PidSpan::now().is_some_and(|now| now.largest > 300));
    }
}
