//! Asks the server from outside whether it answers.
//!
//! A thread apart from the runtime, with a connection of its own, so that it also notices
//! when nothing in the runtime moves. A server that does not answer listens anew; one that
//! still does not ends with [`EXIT_CODE`], and whoever looks after it starts it again.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use cl_config::Operation;
use cl_runner::service;
use tokio::sync::mpsc;

/// What a server that does not answer any more ends with.
const EXIT_CODE: i32 = 70;
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How many failures in a row end the server, at least.
const END_AFTER: u32 = 10;
/// How often the runtime shows that it moves; less than an answer may take.
const BEAT: Duration = Duration::from_secs(1);

/// What the server itself shows of being well.
///
/// Where all places are taken, a question waits like any other connection, and no answer is
/// no failure as long as the runtime moves.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    is_full: AtomicBool,
    beats: AtomicU64,
}

impl Pulse {
    /// Says whether all places of connections are taken.
    pub(crate) fn is_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Beats as long as the threads that answer requests move. Ends with the runtime.
    pub(crate) async fn beat(self: Arc<Self>) {
        loop {
            self.beats.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(BEAT).await;
        }
    }

    fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

/// The watchdog's thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    ending: Arc<Ending>,
}

#[derive(Debug, Default)]
struct Ending {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    /// Waits for `time`; true if the server ends.
    fn comes_within(&self, time: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(is_over, time, |is_over| !*is_over);
        let (is_over, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *is_over
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *(self.ending.is_over.lock()).unwrap_or_else(PoisonError::into_inner) = true;
        self.ending.changed.notify_all();
    }
}

/// Begins to watch the server that listens on `bound`; `listen_anew` is told to do that.
///
/// None if it is not wanted.
pub(crate) fn start(
    operation: &Operation,
    bound: SocketAddr,
    listen_anew: mpsc::Sender<()>,
    pulse: Arc<Pulse>,
) -> io::Result<Option<Watchdog>> {
    let Some(interval) = operation.watchdog_interval else {
        return Ok(None);
    };
    let ending = Arc::new(Ending::default());
    let watchdog = Watchdog {
        ending: Arc::clone(&ending),
    };
    let address = service::reachable(bound);
    let mut count = Count::new(operation.watchdog_failures);
    std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            while !ending.comes_within(interval) {
                let beats = pulse.beats();
                let answer = service::probe(address, LIMIT);
                let is_busy = pulse.is_full.load(Ordering::Relaxed) && pulse.beats() > beats;
                // Whoever ends does not answer.
                if ending.comes_within(Duration::ZERO) {
                    break;
                }
                match answer {
                    Ok(()) => {
                        if count.answered() > 0 {
                            tracing::info!(%address, "the server answers again");
                        }
                    }
                    Err(error) if is_busy => {
                        tracing::warn!(%error, "all connections are taken");
                    }
                    Err(error) => act(&mut count, &error, &listen_anew),
                }
            }
        })?;
    Ok(Some(watchdog))
}

fn act(count: &mut Count, error: &service::ProbeError, listen_anew: &mpsc::Sender<()>) {
    let deed = count.failed();
    let failures = count.failures;
    match deed {
        Deed::Wait => tracing::warn!(%error, failures, "server health probe failed"),
        Deed::ListenAnew => {
            tracing::warn!(
                %error,
                "server health probe failed {failures} times; the server listens anew"
            );
            // One that waits there already will do.
            listen_anew.try_send(()).ok();
        }
        Deed::End => end(error, failures),
    }
}

/// Ends the process: nothing else can be relied on any more.
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the runtime does not move, so that nothing can return to main; what is on disk is \
              safe against any end, and what runs below the root goes on"
)]
fn end(error: &service::ProbeError, failures: u32) -> ! {
    tracing::error!(%error, "server health probe failed {failures} times; the server ends");
    std::process::exit(EXIT_CODE)
}

/// Failures in a row.
#[derive(Debug)]
struct Count {
    failures: u32,
    listen_anew_after: u32,
}

/// What is done about a failure.
#[derive(Debug, PartialEq, Eq)]
enum Deed {
    Wait,
    ListenAnew,
    End,
}

impl Count {
    fn new(listen_anew_after: u32) -> Self {
        Self {
            failures: 0,
            listen_anew_after: listen_anew_after.max(1),
        }
    }

    /// Forgets the failures; returns how many there were.
    fn answered(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }

    /// Counts a failure and decides what is done: every so many listen anew, the last ends.
    fn failed(&mut self) -> Deed {
        self.failures = self.failures.saturating_add(1);
        let end_after = END_AFTER.max(self.listen_anew_after.saturating_add(1));
        if self.failures >= end_after {
            Deed::End
        } else if self.failures.is_multiple_of(self.listen_anew_after) {
            Deed::ListenAnew
        } else {
            Deed::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_listen_anew_and_the_tenth_ends() {
        use Deed::{End, ListenAnew, Wait};
        let mut count = Count::new(3);
        let deeds: Vec<_> = (0..10).map(|_| count.failed()).collect();
        let expected = [
            Wait, Wait, ListenAnew, Wait, Wait, ListenAnew, Wait, Wait, ListenAnew, End,
        ];
        assert_eq!(deeds, expected);
    }

    #[test]
    fn an_answer_forgets_failures() {
        let mut count = Count::new(3);
        count.failed();
        count.failed();
        assert_eq!(count.answered(), 2);
        assert_eq!(count.failed(), Deed::Wait);
    }

    #[test]
    fn whoever_wants_many_failures_gets_them_before_the_end() {
        let mut count = Count::new(20);
        let deeds: Vec<_> = (0..21).map(|_| count.failed()).collect();
        assert_eq!(deeds[19], Deed::ListenAnew);
        assert_eq!(deeds[20], Deed::End);
    }
}
