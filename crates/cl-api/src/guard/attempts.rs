//! How often an address has shown wrong credentials lately.
//!
//! On this machine everybody has the same address, so whoever shows the right ones there is
//! never kept waiting. Another machine that has only shown wrong ones is: its owner could be
//! guessing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How long wrong credentials are remembered.
const WINDOW: Duration = Duration::from_mins(1);
/// How many there may be in that time.
const ALLOWED: u32 = 20;
/// How many addresses are remembered.
const ADDRESSES: usize = 1024;

/// How often each address has shown wrong credentials lately.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<IpAddr, Record>);

#[derive(Debug)]
struct Record {
    since: Instant,
    failures: u32,
    /// It has shown right ones, too.
    has_succeeded: bool,
}

impl Record {
    /// Returns how long the address has to wait.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let left = (self.since + WINDOW).checked_duration_since(now)?;
        (self.failures > ALLOWED && !left.is_zero()).then_some(left)
    }
}

impl Attempts {
    /// Counts wrong credentials; returns how long to wait if there were too many.
    pub(super) fn failed(&mut self, from: IpAddr, now: Instant) -> Option<Duration> {
        let record = self.record(from, now);
        record.failures = record.failures.saturating_add(1);
        record.wait(now)
    }

    /// Takes right credentials; returns how long to wait where they do not count for now.
    pub(super) fn succeeded(&mut self, from: IpAddr, now: Instant) -> Option<Duration> {
        if from.is_loopback() {
            return None;
        }
        let record = self.record(from, now);
        if !record.has_succeeded
            && let Some(wait) = record.wait(now)
        {
            return Some(wait);
        }
        record.has_succeeded = true;
        None
    }

    fn record(&mut self, from: IpAddr, now: Instant) -> &mut Record {
        let from = neighbourhood(from);
        if self.0.len() >= ADDRESSES && !self.0.contains_key(&from) {
            let oldest = self.0.iter().min_by_key(|(_, record)| record.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.0.remove(&oldest);
            }
        }
        let new = Record {
            since: now,
            failures: 0,
            has_succeeded: false,
        };
        let record = self.0.entry(from).or_insert(new);
        if now.saturating_duration_since(record.since) >= WINDOW {
            record.since = now;
            record.failures = 0;
        }
        record
    }
}

/// Returns the address that stands for all that one network has at will.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhaust(attempts: &mut Attempts, from: &str, now: Instant) {
        for _ in 0..ALLOWED {
            assert_eq!(attempts.failed(from.parse().unwrap(), now), None);
        }
        let wait = attempts.failed(from.parse().unwrap(), now);
        assert_eq!(wait, Some(WINDOW));
    }

    #[test]
    fn too_many_have_to_wait_and_then_begin_anew() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        exhaust(&mut attempts, "10.0.0.1", now);
        let later = now + WINDOW / 2;
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(attempts.succeeded(address, later), Some(WINDOW / 2));
        assert_eq!(attempts.succeeded(address, now + WINDOW), None);
        exhaust(&mut attempts, "10.0.0.1", now + WINDOW * 2);
    }

    #[test]
    fn whoever_was_right_is_not_locked_out() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(attempts.succeeded(address, now), None);
        exhaust(&mut attempts, "10.0.0.1", now);
        assert_eq!(attempts.succeeded(address, now), None);
        exhaust(&mut attempts, "127.0.0.1", now);
        assert_eq!(attempts.succeeded("127.0.0.1".parse().unwrap(), now), None);
    }

    #[test]
    fn addresses_do_not_answer_for_each_other_but_networks_do() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        exhaust(&mut attempts, "10.0.0.1", now);
        exhaust(&mut attempts, "10.0.0.2", now);
        exhaust(&mut attempts, "2001:db8::1", now);
        let neighbour = attempts.failed("2001:db8::2".parse().unwrap(), now);
        assert_eq!(neighbour, Some(WINDOW));
        let mapped = attempts.failed("::ffff:10.0.0.1".parse().unwrap(), now);
        assert_eq!(mapped, Some(WINDOW));
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        for n in 0..(u32::try_from(ADDRESSES).unwrap() * 2) {
            attempts.failed(IpAddr::V4(n.into()), now + Duration::from_nanos(n.into()));
        }
        assert_eq!(attempts.0.len(), ADDRESSES);
    }
}
