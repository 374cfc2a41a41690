//! How many connections each other machine has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections each other machine has.
#[derive(Debug)]
pub(super) struct Crowd {
    most: u32,
    /// As many entries as there are connections, at the most.
    inside: Mutex<HashMap<IpAddr, u32>>,
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    from: IpAddr,
}

impl Crowd {
    /// Lets `most` connections of one address in.
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self {
            most,
            inside: Mutex::default(),
        })
    }

    /// Takes a place for a connection; none if its address has enough.
    ///
    /// All programs of this machine have one address, so they are bounded together only.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        if !from.is_loopback() {
            let mut inside = self.inside();
            let count = inside.entry(from).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(Place {
            crowd: Arc::clone(self),
            from,
        })
    }

    fn inside(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside();
        if let Some(count) = inside.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_for_each_other_machine() {
        let crowd = Crowd::new(2);
        let enter = |from: &str| crowd.enter(from.parse().unwrap());
        let first = enter("10.0.0.1").unwrap();
        let second = enter("10.0.0.1").unwrap();
        assert!(enter("10.0.0.1").is_none());
        assert!(enter("10.0.0.2").is_some());
        drop(first);
        assert!(enter("10.0.0.1").is_some());
        drop(second);
        assert!(crowd.inside().is_empty());
    }

    #[test]
    fn this_machine_is_bounded_as_a_whole_only() {
        let crowd = Crowd::new(1);
        let places: Vec<_> = (0..9).map(|_| crowd.enter([127, 0, 0, 1].into())).collect();
        assert!(places.iter().all(Option::is_some));
    }
}
