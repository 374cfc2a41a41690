//! Asks after every operation what a restart would find.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::Path;

use super::disk::{self, Disk, Loss, Tree};
use super::recording::Operation;
use crate::durable::SyncPoint;

/// The value of a fact that nobody finds.
pub const ABSENT: &str = "absent";

/// How many losses by chance are tried after each operation.
const CHANCES: u64 = 4;

/// What a restart finds, by what it is about.
type Facts = BTreeMap<String, String>;

/// A recording and the way to look at what is left.
pub struct Examination<'a> {
    operations: &'a [Operation],
    look: &'a dyn Fn(&Path) -> Facts,
    seen: HashMap<Tree, Facts>,
}

/// What an examination has found.
#[derive(Debug)]
pub struct Findings {
    /// How many losses of power were looked at.
    pub losses: usize,
    /// The first thing that was not as it had to be.
    pub breach: Option<Breach>,
}

/// Something acknowledged that is gone, or something found that nobody wrote.
#[derive(Debug)]
pub struct Breach {
    /// How many operations came before the loss.
    pub after: usize,
    /// The last of them.
    pub operation: Operation,
    /// What was lost.
    pub loss: Loss,
    /// What it is about.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What might have been found.
    pub allowed: Vec<String>,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: found {:?}, not {:?}, losing {:?} after operation {}, {:?}",
            self.key, self.found, self.allowed, self.loss, self.after, self.operation
        )
    }
}

impl fmt::Debug for Examination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination")
            .field("operations", &self.operations.len())
            .field("states", &self.seen.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Examination<'a> {
    /// Examines `operations`; `look` restarts on a folder and tells what it finds.
    ///
    /// It may change the folder, which is a copy. It must not fail: what cannot
    /// be read is a value, too, and one that nobody has begun.
    pub fn new(operations: &'a [Operation], look: &'a dyn Fn(&Path) -> Facts) -> Self {
        Self {
            operations,
            look,
            seen: HashMap::new(),
        }
    }

    /// Returns the names below `path` that the recording does not lead to, or whose
    /// content differs: whatever was changed past the recording.
    pub fn unrecorded(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut disk = Disk::new();
        for operation in self.operations {
            disk.apply(operation);
        }
        let mut differing = BTreeSet::new();
        let found = disk::read_in(path)?;
        compare(&disk.after(Loss::Nothing), &found, "", &mut differing);
        Ok(differing.into_iter().collect())
    }

    /// Returns which sync points occur.
    pub fn points(&self) -> BTreeSet<SyncPoint> {
        let point = |operation: &Operation| match operation {
            Operation::Synced { point, .. } => Some(*point),
            _ => None,
        };
        self.operations.iter().filter_map(point).collect()
    }

    /// Loses power after every operation, as if the syncs of `without` were not
    /// in the code, up to the first breach.
    pub fn examine(&mut self, without: Option<SyncPoint>) -> io::Result<Findings> {
        let (mut disk, mut expected) = (Disk::new(), Expected::default());
        let mut losses = 0;
        let mut after = 0;
        for operation in self.operations {
            after += 1;
            match operation {
                Operation::Synced { point, .. } if Some(*point) == without => continue,
                _ => disk.apply(operation),
            }
            expected.note(operation);
            let seed = after as u64 * CHANCES;
            let chances = (seed..seed + CHANCES).map(Loss::Chance);
            for loss in [Loss::Everything, Loss::Nothing].into_iter().chain(chances) {
                losses += 1;
                let facts = self.restart(&disk.after(loss))?;
                if let Some((key, found, allowed)) = expected.breach(facts) {
                    let breach = Some(Breach {
                        after,
                        operation: operation.clone(),
                        loss,
                        key,
                        found,
                        allowed,
                    });
                    return Ok(Findings { losses, breach });
                }
            }
        }
        let breach = None;
        Ok(Findings { losses, breach })
    }

    fn restart(&mut self, tree: &Tree) -> io::Result<&Facts> {
        if !self.seen.contains_key(tree) {
            let folder = tempfile::tempdir()?;
            disk::write_out(tree, folder.path())?;
            let facts = (self.look)(folder.path());
            self.seen.insert(tree.clone(), facts);
        }
        Ok(&self.seen[tree])
    }
}

fn compare(expected: &Tree, found: &Tree, above: &str, differing: &mut BTreeSet<String>) {
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for name in names {
        let path = format!("{above}/{}", name.to_string_lossy());
        match (expected.get(name), found.get(name)) {
            (Some(disk::Item::Folder(expected)), Some(disk::Item::Folder(found))) => {
                compare(expected, found, &path, differing);
            }
            (expected, found) if expected == found => {}
            _ => {
                differing.insert(path);
            }
        }
    }
}

/// The values that each fact may have.
#[derive(Default)]
struct Expected {
    /// The last acknowledged value, and those begun after it.
    allowed: BTreeMap<String, Vec<String>>,
}

impl Expected {
    fn note(&mut self, operation: &Operation) {
        match operation {
            Operation::Began { key, value } => {
                let absent = || vec![ABSENT.to_owned()];
                let values = self.allowed.entry(key.clone()).or_insert_with(absent);
                values.push(value.clone());
            }
            Operation::Acknowledged { key, value } => {
                let values = self.allowed.entry(key.clone()).or_default();
                let at = values.iter().rposition(|begun| begun == value);
                values.drain(..at.unwrap_or(values.len()));
            }
            _ => {}
        }
    }

    fn breach(&self, facts: &Facts) -> Option<(String, String, Vec<String>)> {
        let keys: BTreeSet<&String> = self.allowed.keys().chain(facts.keys()).collect();
        keys.into_iter().find_map(|key| {
            let found = facts.get(key).map_or(ABSENT, String::as_str);
            let allowed = self.allowed.get(key).cloned();
            let allowed = allowed.unwrap_or_else(|| vec![ABSENT.to_owned()]);
            let is_allowed = allowed.iter().any(|value| value == found);
            (!is_allowed).then(|| (key.clone(), found.to_owned(), allowed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{self, Mode};
    use crate::power_loss::Recording;

    fn look(folder: &Path) -> Facts {
        let text = std::fs::read_to_string(folder.join("f")).ok();
        text.map(|text| ("f".to_owned(), text))
            .into_iter()
            .collect()
    }

    /// Does `action` as a step that makes the file `f` hold `one`.
    fn examine(action: impl FnOnce(&Path)) -> (Option<Breach>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let recording = Recording::start(folder.path()).unwrap();
        recording.step("f", "one", || action(&path));
        let operations = recording.finish();
        let mut examination = Examination::new(&operations, &look);
        let unrecorded = examination.unrecorded(folder.path()).unwrap();
        (examination.examine(None).unwrap().breach, unrecorded)
    }

    #[test]
    fn a_durable_step_is_no_breach() {
        let (breach, unrecorded) =
            examine(|path| durable::replace(path, b"one", Mode::Shared).unwrap());
        assert!(breach.is_none(), "{breach:?}");
        assert_eq!(unrecorded, [""; 0]);
    }

    #[test]
    fn what_was_promised_too_early_is_a_breach() {
        let (breach, unrecorded) = examine(|path| {
            let file = durable::open_append(path, Mode::Shared).unwrap();
            durable::append(&file, b"one").unwrap();
        });
        assert_eq!(unrecorded, [""; 0]);
        let breach = breach.unwrap();
        assert!(matches!(breach.found.as_str(), ABSENT | ""), "{breach}");
    }

    #[test]
    fn what_nobody_wrote_is_a_breach() {
        let (breach, _) = examine(|path| durable::replace(path, b"two", Mode::Shared).unwrap());
        assert_eq!(breach.unwrap().found, "two");
    }

    #[test]
    fn what_was_changed_past_the_recording_is_named() {
        let (_, unrecorded) = examine(|path| std::fs::write(path, "one").unwrap());
        assert_eq!(unrecorded, ["/f"]);
    }
}
