//! What was made not long ago, within a bound.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// So many things are kept at the most, however small: looking for the oldest takes a moment.
const MOST: usize = 256;

/// What was made of a key at a version; the least lately used goes first.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    kept: HashMap<K, Kept<V>>,
    /// The weight of all that is kept, and its bound.
    weight: usize,
    limit: usize,
    uses: u64,
}

#[derive(Debug)]
struct Kept<V> {
    version: u64,
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Returns an empty one that holds up to `limit` of weight, and half of it in one thing.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            kept: HashMap::new(),
            weight: 0,
            limit,
            uses: 0,
        }
    }

    /// Returns what was made of `key` at `version`.
    pub(super) fn get<Q>(&mut self, key: &Q, version: u64) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.uses += 1;
        let kept = self.kept.get_mut(key)?;
        kept.used = self.uses;
        (kept.version == version).then(|| kept.value.clone())
    }

    /// Keeps what was made of `key` at `version`, in place of what was there.
    ///
    /// What is older than what is there, or too large, is not kept.
    pub(super) fn put(&mut self, key: K, version: u64, value: V, weight: usize) {
        let is_newer = |kept: &Kept<V>| kept.version > version;
        if self.kept.get(&key).is_some_and(is_newer) {
            return;
        }
        self.remove(&key);
        if weight > self.limit / 2 {
            return;
        }
        while self.weight + weight > self.limit || self.kept.len() >= MOST {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.weight += weight;
        let kept = Kept {
            version,
            value,
            weight,
            used: self.uses,
        };
        self.kept.insert(key, kept);
    }

    fn remove(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.weight -= kept.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_bound_and_forgets_the_least_lately_used() {
        let mut cache = Cache::<String, u32>::new(10);
        cache.put("a".to_owned(), 1, 1, 4);
        cache.put("b".to_owned(), 1, 2, 4);
        assert_eq!(cache.get("a", 1), Some(1));
        cache.put("c".to_owned(), 1, 3, 4);
        let found = ["a", "b", "c"].map(|key| cache.get(key, 1));
        assert_eq!(found, [Some(1), None, Some(3)]);
        cache.put("d".to_owned(), 1, 4, 6);
        assert_eq!(cache.get("d", 1), None, "too large");
        assert_eq!(cache.weight, 8);
    }

    #[test]
    fn another_version_is_another_thing_and_the_newer_one_stays() {
        let mut cache = Cache::<String, u32>::new(10);
        cache.put("a".to_owned(), 2, 2, 1);
        assert_eq!(cache.get("a", 1), None);
        cache.put("a".to_owned(), 1, 1, 1);
        assert_eq!(cache.get("a", 2), Some(2));
        cache.put("a".to_owned(), 3, 3, 1);
        assert_eq!((cache.get("a", 2), cache.get("a", 3)), (None, Some(3)));
        assert_eq!((cache.weight, cache.kept.len()), (1, 1));
    }

    #[test]
    fn small_things_are_bounded_too() {
        let mut cache = Cache::<usize, usize>::new(usize::MAX);
        for number in 0..2 * MOST {
            cache.put(number, 1, number, 0);
        }
        assert_eq!(cache.kept.len(), MOST);
        assert_eq!(cache.get(&(2 * MOST - 1), 1), Some(2 * MOST - 1));
    }
}
