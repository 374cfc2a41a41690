//! Remembers which ids there were.

use std::hash::{BuildHasher, RandomState};

use std::collections::HashSet;

/// A set of ids of which only hashes are kept.
///
/// Sixteen bytes for each, however long the id: a reader of a million messages
/// needs no more memory than the messages it holds. The hashes have 128 bits and
/// secret keys, so that two ids of the same hash are no event to plan for, not
/// even for somebody who tries.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    keys: (RandomState, RandomState),
    hashes: HashSet<u128>,
}

impl Seen {
    /// Adds `id`; false if it was there.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        let hash = self.hash(id);
        self.hashes.insert(hash)
    }

    /// Tells whether `id` was added.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.hashes.contains(&self.hash(id))
    }

    fn hash(&self, id: &str) -> u128 {
        let (high, low) = (self.keys.0.hash_one(id), self.keys.1.hash_one(id));
        u128::from(high) << 64 | u128::from(low)
    }
}
