//! Lets the threads of a process share one commit.
//!
//! A thread that appends adds its record to the batch that is open. The first
//! one of a batch leads it: it waits until the commit before is over, closes the
//! batch, writes all of its records at once and syncs once, and tells every
//! member its outcome. The others only wait. Records thus gather while the disk
//! is busy, and a lone thread waits for nobody.
//!
//! ```text
//! append ─ first ──→ wait for the turn → gather → close → commit → tell all
//!        └ others ─→ wait for the outcome
//! ```
//!
//! When the threads of the last batch come back with their next message, they
//! come one after another; a leader that closed at once would commit one record
//! and keep the rest waiting. It therefore gathers as many as the last batch had,
//! but for [`GATHER_AT_MOST`] only.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::append::{AppendError, Appended};
use crate::record::Prepared;
use crate::writer::Writer;

/// How long a leader waits for the threads of the last batch; about one sync.
const GATHER_AT_MOST: Duration = Duration::from_micros(200);
/// How many records one commit takes.
const BATCH_RECORDS: usize = 1024;
/// How many bytes a batch may have before it takes no more records.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The queue of those who append to one bus.
#[derive(Debug)]
pub(crate) struct Commits {
    state: Mutex<State>,
    /// Tells leaders that a commit is over.
    turn: Condvar,
    /// Tells the leader who gathers that the open batch has grown enough.
    gathered: Condvar,
    /// Used by the leader whose turn it is, and by nobody else.
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct State {
    open: Arc<Batch>,
    records: Vec<Prepared>,
    bytes: usize,
    is_committing: bool,
    /// How many records the last commit had.
    last_count: usize,
    /// At how many records the leader of the open batch wants to be woken.
    wanted: usize,
}

/// The records that travel together.
#[derive(Debug, Default)]
struct Batch {
    outcome: Mutex<Option<Vec<Fate>>>,
    told: Condvar,
}

/// What became of one record.
#[derive(Debug)]
enum Fate {
    Told(Result<Appended, AppendError>),
    /// The commit failed for a reason that may not concern this record.
    TryAgain,
    /// Its owner has fetched it.
    Fetched,
}

impl Commits {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            state: Mutex::new(State {
                open: Arc::default(),
                records: Vec::new(),
                bytes: 0,
                is_committing: false,
                last_count: 0,
                wanted: usize::MAX,
            }),
            turn: Condvar::new(),
            gathered: Condvar::new(),
            writer: Mutex::new(writer),
        }
    }

    /// Appends the record that `prepare` makes, together with those of other threads.
    pub(crate) fn append(&self, prepare: impl Fn() -> Prepared) -> Result<Appended, AppendError> {
        // Each further turn means that a commit led by somebody else failed; who
        // leads is told the reason, so everyone is told in the end.
        loop {
            match self.append_once(prepare()) {
                Fate::Told(outcome) => return outcome,
                Fate::TryAgain | Fate::Fetched => {}
            }
        }
    }

    /// Runs `operation` on the writer, between two commits.
    pub(crate) fn with_writer<T>(&self, operation: impl FnOnce(&mut Writer) -> T) -> T {
        operation(&mut locked(&self.writer))
    }

    fn append_once(&self, record: Prepared) -> Fate {
        let mut state = locked(&self.state);
        if state.records.len() >= BATCH_RECORDS || state.bytes >= BATCH_BYTES {
            // Full, and its leader has not had its turn: wait for the next batch.
            state = wait(&self.turn, state, |state| {
                state.records.len() >= BATCH_RECORDS || state.bytes >= BATCH_BYTES
            });
        }
        let place = state.records.len();
        state.bytes += record.bytes_at_most();
        state.records.push(record);
        let batch = Arc::clone(&state.open);
        if place == 0 {
            return self.lead(state, &batch);
        }
        if state.records.len() >= state.wanted {
            self.gathered.notify_one();
        }
        drop(state);
        batch.wait_for(place)
    }

    /// Commits the open batch when its turn has come; returns the fate of its first record.
    fn lead(&self, state: MutexGuard<'_, State>, batch: &Batch) -> Fate {
        let mut state = wait(&self.turn, state, |state| state.is_committing);
        state.is_committing = true;
        if state.last_count > 1 {
            state = self.gather(state);
        }
        let records = std::mem::take(&mut state.records);
        state.open = Arc::default();
        state.bytes = 0;
        state.last_count = records.len();
        drop(state);
        // A panic on the way would leave the others waiting for ever.
        let mut leading = Leading {
            commits: self,
            batch,
            count: records.len(),
        };
        let outcome = locked(&self.writer).commit(&records);
        leading.tell(outcome)
    }

    /// Waits until the threads of the last batch are here, but not for long.
    fn gather<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + GATHER_AT_MOST;
        state.wanted = state.last_count;
        while state.records.len() < state.wanted {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .gathered
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.wanted = usize::MAX;
        state
    }
}

/// Ends a commit however it ends.
struct Leading<'a> {
    commits: &'a Commits,
    batch: &'a Batch,
    count: usize,
}

impl Leading<'_> {
    /// Tells the members their fates; returns the first one's, which is the leader's.
    fn tell(&mut self, outcome: Result<Vec<Result<Appended, AppendError>>, AppendError>) -> Fate {
        let mut fates: Vec<Fate> = match outcome {
            Ok(told) => told.into_iter().map(Fate::Told).collect(),
            Err(error) => {
                let repeated = || {
                    error
                        .repeat()
                        .map_or(Fate::TryAgain, |e| Fate::Told(Err(e)))
                };
                let mut fates: Vec<Fate> = (1..self.count).map(|_| repeated()).collect();
                fates.insert(0, Fate::Told(Err(error)));
                fates
            }
        };
        let own = std::mem::replace(&mut fates[0], Fate::Fetched);
        self.count = 0;
        self.batch.publish(fates);
        own
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        locked(&self.commits.state).is_committing = false;
        // Leaders of later batches and those who found a full one wait here; all
        // look for themselves whose turn it is.
        self.commits.turn.notify_all();
        if self.count > 0 {
            // The leader panicked. Its write may have been made, so trying again could
            // double messages.
            let path = locked(&self.commits.writer).settings.path.clone();
            let lost = || {
                let panicked = io::Error::other("the thread that wrote it panicked");
                Fate::Told(Err(AppendError::write(&path, panicked)))
            };
            self.batch
                .publish((0..self.count).map(|_| lost()).collect());
        }
    }
}

impl Batch {
    fn publish(&self, fates: Vec<Fate>) {
        *locked(&self.outcome) = Some(fates);
        self.told.notify_all();
    }

    /// Waits for the outcome and returns the fate of the record at `place`.
    fn wait_for(&self, place: usize) -> Fate {
        let mut outcome = wait(&self.told, locked(&self.outcome), Option::is_none);
        let fate = outcome.as_mut().and_then(|fates| fates.get_mut(place));
        fate.map_or(Fate::TryAgain, |fate| {
            std::mem::replace(fate, Fate::Fetched)
        })
    }
}

/// Locks `mutex`; what it guards is whole even if a thread panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    goes_on: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    changed
        .wait_while(guard, |value| goes_on(value))
        .unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use cl_storage::SystemClock;

    use super::*;
    use crate::append::{Durability, LockPolicy};
    use crate::writer::Settings;

    #[test]
    fn whoever_travels_with_a_leader_that_panics_is_told() {
        let commits = Commits::new(Writer::new(Settings {
            path: "/bus.md".into(),
            clock: Arc::new(SystemClock),
            durability: Durability::Os,
            lock_policy: LockPolicy::default(),
            rotate_at: None,
        }));
        locked(&commits.state).is_committing = true;
        let batch = Batch::default();
        drop(Leading {
            commits: &commits,
            batch: &batch,
            count: 2,
        });
        let told = batch.wait_for(1);
        assert!(
            matches!(&told, Fate::Told(Err(AppendError::Write { .. }))),
            "{told:?}"
        );
        assert!(!locked(&commits.state).is_committing, "others go on");
    }
}
