//! Whose turn it is, across processes: `.conductor/diversification.yaml`.
//!
//! A count per set of agents that take turns, advanced under a lock.

use std::collections::BTreeMap;

use crate::durable::Mode;
use crate::layout::Root;
use crate::ledger::LedgerError;
use crate::lock;
use crate::record::{self, RecordError};

const KNOWN_VERSION: u32 = 1;

/// More sets than anybody configures; beyond that all begin anew.
const MOST_SETS: usize = 64;

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Positions {
    version: u32,
    /// How many turns each set of agents has had, by their names.
    #[serde(default)]
    turns: BTreeMap<String, u64>,
}

/// Takes the next turn among `agents` below `root`; returns how many were taken before.
///
/// No two processes get the same one. Returns after it is on disk. A damaged file
/// begins anew; one of a newer version is left alone and is an error.
pub fn next_turn(root: &Root, agents: &[String]) -> Result<u64, LedgerError> {
    let folder = root.conductor_folder();
    let ready = root.ensure_conductor_folder();
    ready.map_err(|source| LedgerError::Folder {
        path: folder.clone(),
        source,
    })?;
    let path = folder.join("diversification.yaml");
    let lock = folder.join("diversification.lock");
    lock::with_lock_file(&lock, lock::SHORT_WAIT, || {
        let mut positions = match record::read::<Positions>(&path, KNOWN_VERSION) {
            Ok(known) => known.unwrap_or_default(),
            Err(RecordError::Malformed { .. }) => Positions::default(),
            Err(error) => return Err(error.into()),
        };
        let set = agents.join(",");
        if positions.turns.len() >= MOST_SETS && !positions.turns.contains_key(&set) {
            positions.turns.clear();
        }
        let turn = positions.turns.entry(set).or_default();
        let taken = *turn;
        *turn = turn.wrapping_add(1);
        positions.version = KNOWN_VERSION;
        record::write(&path, &positions, Mode::Private)?;
        Ok(taken)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_get_the_same_turn() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let agents = ["a".to_owned(), "b".to_owned()];
        let mut taken: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| -> Vec<u64> {
                        (0..5).map(|_| next_turn(&root, &agents).unwrap()).collect()
                    })
                })
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.flatten().collect()
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..20).collect::<Vec<u64>>());
        assert_eq!(
            next_turn(&root, &agents[..1]).unwrap(),
            0,
            "a set of its own"
        );
        let file = root.conductor_folder().join("diversification.yaml");
        std::fs::write(&file, "turns: [").unwrap();
        assert_eq!(next_turn(&root, &agents).unwrap(), 0, "damage begins anew");
    }
}
