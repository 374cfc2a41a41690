//! What was answered, and how long that took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cl_testkit::bench_rows::{figure, percentile};
use cl_testkit::served::{Caller, Reply};

/// So many faults are told in full.
const MOST_FAULTS: usize = 20;

/// What was answered, by kind of question; clients share it.
#[derive(Debug)]
pub(super) struct Tally {
    inside: Mutex<Inside>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Inside {
    /// Milliseconds of each answer.
    times: BTreeMap<&'static str, Vec<f64>>,
    counts: BTreeMap<&'static str, u64>,
    faults: Vec<String>,
    fault_count: usize,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            inside: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Asks, and takes note of the time and of whether one of the `expected` statuses came.
    pub(super) fn ask(
        &self,
        kind: &'static str,
        caller: &mut Caller,
        question: &Question<'_>,
        expected: &[u16],
    ) -> Option<Reply> {
        let asked = Instant::now();
        let &Question {
            method,
            path,
            headers,
            body,
        } = question;
        let reply = caller.ask(method, path, headers, body);
        let took = asked.elapsed();
        match reply {
            Ok(reply) => {
                self.took(kind, took);
                if expected.contains(&reply.status) {
                    return Some(reply);
                }
                let body = String::from_utf8_lossy(&reply.body);
                let body: String = body.chars().take(200).collect();
                self.fault(format!("{method} {path}: {} {body}", reply.status));
            }
            Err(error) => self.fault(format!("{method} {path}: {error} after {took:?}")),
        }
        None
    }

    /// Takes note of how long something took.
    pub(super) fn took(&self, kind: &'static str, time: Duration) {
        let mut inside = self.inside();
        let times = inside.times.entry(kind).or_default();
        times.push(time.as_secs_f64() * 1e3);
    }

    /// Counts things that have no time.
    pub(super) fn count(&self, kind: &'static str, more: u64) {
        *self.inside().counts.entry(kind).or_default() += more;
    }

    /// Takes note of what must not be.
    pub(super) fn fault(&self, what: String) {
        let mut inside = self.inside();
        inside.fault_count += 1;
        if inside.faults.len() < MOST_FAULTS {
            inside.faults.push(what);
        }
    }

    /// Returns the first faults.
    pub(super) fn faults(&self) -> Vec<String> {
        self.inside().faults.clone()
    }

    /// Returns how many faults there were.
    pub(super) fn fault_count(&self) -> usize {
        self.inside().fault_count
    }

    /// Returns what was answered as a table for people.
    pub(super) fn table(&self) -> String {
        let inside = self.inside();
        let mut text = format!(
            "{:<24}{:>10}{:>12}{:>12}{:>12}\n",
            "what", "how often", "median ms", "p99 ms", "worst ms"
        );
        for (kind, times) in &inside.times {
            let part = |percent| figure(percentile(times.clone(), percent));
            writeln!(
                text,
                "{kind:<24}{:>10}{:>12}{:>12}{:>12}",
                times.len(),
                part(50),
                part(99),
                part(100)
            )
            .expect("writing to a string cannot fail");
        }
        for (kind, count) in &inside.counts {
            writeln!(text, "{kind:<24}{count:>10}").expect("writing to a string cannot fail");
        }
        text
    }

    /// Says in one line how much there was.
    pub(super) fn summary(&self) -> String {
        let inside = self.inside();
        let answers: usize = inside.times.values().map(Vec::len).sum();
        let seconds = self.started.elapsed().as_secs();
        format!(
            "{answers} answers in {seconds} s, {} faults",
            inside.fault_count
        )
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing in it is ever half changed.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Question<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: Option<&'a serde_json::Value>,
}

impl<'a> Question<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            ..Self::default()
        }
    }

    pub(super) fn post(path: &'a str, body: &'a serde_json::Value) -> Self {
        Self {
            method: "POST",
            path,
            body: Some(body),
            ..Self::default()
        }
    }

    pub(super) fn delete(path: &'a str) -> Self {
        Self {
            method: "DELETE",
            path,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_times_counts_and_the_first_faults() {
        let tally = Tally::new();
        for milliseconds in 1..=100 {
            tally.took("read", Duration::from_millis(milliseconds));
        }
        tally.count("lines", 7);
        for number in 0..MOST_FAULTS + 3 {
            tally.fault(format!("fault {number}"));
        }
        let table = tally.table();
        let read = table.lines().nth(1).unwrap();
        let cells: Vec<&str> = read.split_whitespace().collect();
        assert_eq!(cells, ["read", "100", "50.0", "99.0", "100"]);
        assert!(table.contains("lines"));
        assert_eq!(tally.faults().len(), MOST_FAULTS);
        assert_eq!(tally.fault_count(), MOST_FAULTS + 3);
    }
}
