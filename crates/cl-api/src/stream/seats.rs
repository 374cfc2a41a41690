//! How many clients may follow what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cl_wire::ProblemCode;

use crate::answer::{Answer, Refusal};

/// When a client that found no seat should try again.
const TRY_AGAIN_SECONDS: u64 = 5;

/// The seats of all streams.
#[derive(Debug, Clone)]
pub(crate) struct Seats(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    taken: Mutex<Taken>,
    most: u32,
    most_of_one: u32,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    of: HashMap<String, u32>,
}

/// A client's seat; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    stream: String,
}

impl Seats {
    /// Makes seats for `most` clients, `most_of_one` on each stream.
    pub(crate) fn new(most: u32, most_of_one: u32) -> Self {
        Self(Arc::new(Shared {
            taken: Mutex::default(),
            most: most.max(1),
            most_of_one: most_of_one.max(1),
        }))
    }

    /// Takes a seat on `stream`, or refuses for a while.
    pub(crate) fn take(&self, stream: String) -> Answer<Seat> {
        let mut taken = self.taken();
        let of_one = taken.of.get(&stream).copied().unwrap_or_default();
        let refusal = if of_one >= self.0.most_of_one {
            Some(if stream.starts_with("run ") {
                "max clients reached for run"
            } else {
                "max clients reached for stream"
            })
        } else if taken.all >= self.0.most {
            Some("max clients reached for streams")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Err(Refusal::new(ProblemCode::TooManyRequests, refusal)
                .hint("close a stream, or raise api.sse.max_clients_per_run")
                .retry_after(TRY_AGAIN_SECONDS));
        }
        taken.all += 1;
        *taken.of.entry(stream.clone()).or_default() += 1;
        drop(taken);
        Ok(Seat {
            seats: self.clone(),
            stream,
        })
    }

    /// Returns how many clients follow streams now.
    #[cfg(test)]
    fn clients(&self) -> u32 {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing in it is ever half changed.
        let taken = self.0.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.of.get_mut(&self.stream) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.of.remove(&self.stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_and_given_back() {
        let seats = Seats::new(3, 2);
        let first = seats.take("run a".into()).unwrap();
        let second = seats.take("run a".into()).unwrap();
        let refused = seats.take("run a".into()).unwrap_err().0;
        assert_eq!(refused.code(), ProblemCode::TooManyRequests);
        assert_eq!(refused.message, "max clients reached for run");
        let third = seats.take("run b".into()).unwrap();
        assert!(seats.take("run c".into()).is_err());
        assert_eq!(seats.clients(), 3);
        drop(first);
        assert!(seats.take("run c".into()).is_ok());
        drop((second, third));
        assert_eq!(seats.clients(), 0);
        assert!(seats.taken().of.is_empty());
    }
}
