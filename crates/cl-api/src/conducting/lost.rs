//! When a task that lost its supervisor is taken up, and when again if that did not help.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cl_storage::{ProjectId, TaskId};

/// The pause before the same task is taken up a second time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Whoever lived this long behind its last recovery begins anew.
const FORGET_AFTER: Duration = Duration::from_mins(15);

/// A task.
pub(super) type Key = (ProjectId, TaskId);

/// The tasks that lost their supervisors while the server lives.
///
/// The first loss of a task is mended at once. One that is lost again and again, because its
/// supervisor cannot live or it can be neither taken up nor settled, is tried ever more rarely.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// When each may be taken up.
    waiting: BTreeMap<Key, Instant>,
    /// How often each was taken up lately, and when last.
    before: BTreeMap<Key, (u32, Instant)>,
}

impl Lost {
    /// Takes down that a task is lost; one that waits already keeps its time.
    pub(super) fn found(&mut self, key: Key, now: Instant) {
        let due = match self.before.get(&key) {
            Some((times, last)) => (*last + pause_after(*times)).max(now),
            None => now,
        };
        self.waiting.entry(key).or_insert(due);
    }

    /// Returns the tasks that may be taken up now; they count as taken up.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Key> {
        self.before
            .retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGET_AFTER);
        let due = self.waiting.iter().filter(|(_, at)| **at <= now);
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in &due {
            self.waiting.remove(key);
            let (times, last) = self.before.entry(key.clone()).or_insert((0, now));
            *times = times.saturating_add(1);
            *last = now;
        }
        due
    }

    /// Returns how long it is until the next task may be taken up, if one waits.
    pub(super) fn next_in(&self, now: Instant) -> Option<Duration> {
        let next = self.waiting.values().min()?;
        Some(next.saturating_duration_since(now))
    }
}

/// Returns the pause behind so many recoveries of one task.
fn pause_after(times: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(times.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        let task = format!("task-20260101-000000-lost{number}");
        (
            ProjectId::parse("p").unwrap(),
            TaskId::parse(&task).unwrap(),
        )
    }

    #[test]
    fn the_first_loss_is_mended_at_once_and_each_further_one_later() {
        let mut lost = Lost::default();
        let mut now = Instant::now();
        assert_eq!(lost.next_in(now), None);
        lost.found(key(1), now);
        assert_eq!(lost.take_due(now), [key(1)]);
        for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
            let pause = Duration::from_secs(pause);
            lost.found(key(1), now);
            // Said twice, it is no other.
            lost.found(key(1), now + pause / 2);
            assert_eq!(lost.next_in(now), Some(pause));
            assert_eq!(lost.take_due(now + pause / 2), []);
            now += pause;
            assert_eq!(lost.take_due(now), [key(1)]);
        }
        now += FORGET_AFTER;
        assert_eq!(lost.take_due(now), []);
        lost.found(key(1), now);
        assert_eq!(lost.take_due(now), [key(1)]);
    }

    #[test]
    fn one_that_waits_delays_no_other() {
        let mut lost = Lost::default();
        let now = Instant::now();
        lost.found(key(1), now);
        lost.take_due(now);
        lost.found(key(1), now);
        lost.found(key(2), now);
        assert_eq!(lost.take_due(now), [key(2)]);
    }
}
