//! Places for connections, and who makes room when all of them are taken.
//!
//! Connections on which nothing goes on must not keep requests out. While somebody waits for a
//! place, the one that has waited longest for its client is asked to end: first those that never
//! asked for anything, then those between two requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::Pace;

/// How long a client must have been waited for before its connection has to make room: one that
/// was only just taken has had no chance to say what it wants.
const CHANCE: Duration = Duration::from_millis(100);
/// How soon the next one is asked to end if that helps nobody.
const PAUSE: Duration = Duration::from_millis(20);

/// The places for connections.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    /// As many as there are places, at the most.
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    by: HashMap<u64, Arc<Pace>>,
    next: u64,
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// Makes so many places.
    pub(super) fn new(most: u32) -> Arc<Self> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            taken: Mutex::default(),
        })
    }

    /// Tells whether all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Waits for a place for the connection with this `pace`, and has others make room.
    ///
    /// Giving it up in between takes no place.
    pub(super) async fn enter(self: &Arc<Self>, pace: &Arc<Pace>) -> Place {
        loop {
            if self.is_full() {
                self.make_room(Instant::now());
            }
            let place = Arc::clone(&self.places).acquire_owned();
            // The places are never closed, so what ends early is the pause.
            if let Ok(Ok(permit)) = tokio::time::timeout(PAUSE, place).await {
                return self.place(pace, permit);
            }
        }
    }

    fn place(self: &Arc<Self>, pace: &Arc<Pace>, permit: OwnedSemaphorePermit) -> Place {
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.by.insert(number, Arc::clone(pace));
        Place {
            room: Arc::clone(self),
            number,
            _permit: permit,
        }
    }

    fn make_room(&self, now: Instant) {
        let taken = self.taken();
        let idle = taken.by.values().filter_map(|pace| {
            let since = pace.waits_since()?;
            (now.saturating_duration_since(since) >= CHANCE).then_some((pace, since))
        });
        if let Some((pace, _)) = idle.min_by_key(|(pace, since)| (pace.has_asked(), *since)) {
            pace.make_room();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken().by.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the clock has moved by more than a chance.
    async fn later() {
        tokio::time::sleep(CHANCE + Duration::from_millis(5)).await;
    }

    #[tokio::test]
    async fn who_never_asked_makes_room_first_and_who_is_answered_never_does() {
        let room = Room::new(4);
        let paces: Vec<_> = (0..4).map(|_| Pace::new()).collect();
        let mut places = Vec::new();
        for pace in &paces {
            places.push(room.enter(pace).await);
        }
        assert!(room.is_full());
        let [answered, idle, silent, new] = &paces[..] else {
            unreachable!("there are four");
        };
        answered.begin_answer();
        idle.begin_answer();
        idle.end_answer();
        later().await;
        let is_asked = |pace: &Pace| pace.must_make_room().is_cancelled();
        new.wait_anew();
        room.make_room(Instant::now());
        assert!(is_asked(silent) && !is_asked(idle) && !is_asked(new));
        room.make_room(Instant::now());
        assert!(is_asked(idle) && !is_asked(new));
        room.make_room(Instant::now());
        assert!(!is_asked(answered) && !is_asked(new));
        places.truncate(3);
        assert!(!room.is_full());
        assert_eq!(room.taken().by.len(), 3);
    }
}
