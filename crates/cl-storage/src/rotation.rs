//! Whose turn it is, across processes: `.conductor/diversification.yaml`.
//!
//! A count per set of agents that take turns, advanced under a lock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// The file, in the folder of our own bookkeeping.
pub(crate) const FILE: &str = "diversification.yaml";

/// A turn that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// How many were taken before.
    pub before: u64,
    /// Where a damaged count is kept now, for which a new one was begun.
    pub set_aside: Option<PathBuf>,
}

/// Tells what is wrong with the file at `path`.
pub(crate) fn check_file(path: &Path) -> Result<(), RecordError> {
    record::read::<Positions>(path, KNOWN_VERSION).map(drop)
}

/// Takes the next turn among `agents` below `root`.
///
/// No two processes get the same one. Returns after it is on disk. A damaged file is
/// set aside and counting begins anew; one of a newer version is left alone and is an error.
pub fn next_turn(root: &Root, agents: &[String]) -> Result<Turn, LedgerError> {
    let folder = root.conductor_folder();
    let ready = root.ensure_conductor_folder();
    ready.map_err(|source| LedgerError::Folder {
        path: folder.clone(),
        source,
    })?;
    let path = folder.join(FILE);
    let lock = folder.join("diversification.lock");
    lock::with_private_lock_file(&lock, lock::SHORT_WAIT, || {
        let mut set_aside = None;
        let mut positions = match record::read::<Positions>(&path, KNOWN_VERSION) {
            Ok(known) => known.unwrap_or_default(),
            Err(RecordError::Malformed { .. }) => {
                set_aside = Some(record::set_damaged_aside(&path)?);
                Positions::default()
            }
            Err(error) => return Err(error.into()),
        };
        let set = agents.join(",");
        if positions.turns.len() >= MOST_SETS && !positions.turns.contains_key(&set) {
            positions.turns.clear();
        }
        let turn = positions.turns.entry(set).or_default();
        let before = *turn;
        *turn = turn.wrapping_add(1);
        positions.version = KNOWN_VERSION;
        record::write(&path, &positions, Mode::Private)?;
        Ok(Turn { before, set_aside })
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
                        (0..5)
                            .map(|_| next_turn(&root, &agents).unwrap().before)
                            .collect()
                    })
                })
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.flatten().collect()
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..20).collect::<Vec<u64>>());
        assert_eq!(
            next_turn(&root, &agents[..1]).unwrap().before,
            0,
            "a set of its own"
        );
        let file = root.conductor_folder().join(FILE);
        std::fs::write(&file, "turns: [").unwrap();
        let turn = next_turn(&root, &agents).unwrap();
        assert_eq!(turn.before, 0, "damage begins anew");
        let kept = std::fs::read_to_string(turn.set_aside.unwrap()).unwrap();
        assert_eq!(kept, "turns: [");
        let turn = next_turn(&root, &agents).unwrap();
        assert_eq!((turn.before, turn.set_aside), (1, None));
    }
}
