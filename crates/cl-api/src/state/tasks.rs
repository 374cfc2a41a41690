//! The tasks of a project, in order, so that a changed copy shares nearly all of it.

use std::ops::Bound;
use std::sync::Arc;

use cl_storage::TaskId;

use super::TaskEntry;

/// A block that grows beyond this is divided.
const MOST: usize = 128;

/// Tasks in the order of their ids.
///
/// A copy shares all blocks; changing one task copies the pointers of its block and those to
/// the blocks, which for 100 000 tasks are about a thousand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    /// None of them is empty.
    blocks: Vec<Arc<Vec<Arc<TaskEntry>>>>,
    len: usize,
}

impl Tasks {
    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the task `id`.
    pub(crate) fn get(&self, id: &TaskId) -> Option<&Arc<TaskEntry>> {
        let (block, place) = self.find(id);
        self.blocks.get(block)?.get(place.ok()?)
    }

    /// Tells whether there is a task `id`.
    pub(crate) fn contains_key(&self, id: &TaskId) -> bool {
        self.get(id).is_some()
    }

    /// Returns the tasks, in order.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskEntry>> {
        self.blocks.iter().flat_map(|block| block.iter())
    }

    /// Returns the tasks with their ids, in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&TaskId, &Arc<TaskEntry>)> {
        self.values().map(|entry| (&entry.row.task_id, entry))
    }

    /// Returns the tasks behind `id`, in order; all if there is none to be behind.
    pub(crate) fn after(&self, id: Option<&TaskId>) -> impl Iterator<Item = &Arc<TaskEntry>> {
        let (block, place) = match id.map(Bound::Excluded) {
            Some(Bound::Excluded(id)) => {
                let (block, place) = self.find(id);
                (block, place.map_or_else(|place| place, |place| place + 1))
            }
            _ => (0, 0),
        };
        let first = self.blocks.get(block).map(|block| &block[place..]);
        let rest = self.blocks.iter().skip(block + 1);
        let rest = rest.flat_map(|block| block.iter());
        first.into_iter().flatten().chain(rest)
    }

    /// Makes it of tasks that are in order already.
    pub(super) fn of_sorted(entries: &[Arc<TaskEntry>]) -> Self {
        let len = entries.len();
        // Half full, so that tasks find a place between others.
        let blocks = entries.chunks(MOST / 2).map(|part| Arc::new(part.to_vec()));
        Self {
            blocks: blocks.collect(),
            len,
        }
    }

    /// Puts a task in the place of the one with its id, or between its neighbours.
    pub(super) fn insert(&mut self, entry: Arc<TaskEntry>) {
        let (block, place) = self.find(&entry.row.task_id);
        let Some(shared) = self.blocks.get_mut(block) else {
            self.blocks.push(Arc::new(vec![entry]));
            self.len += 1;
            return;
        };
        let entries = Arc::make_mut(shared);
        match place {
            Ok(place) => entries[place] = entry,
            Err(place) => {
                entries.insert(place, entry);
                self.len += 1;
                if entries.len() > MOST {
                    let upper = entries.split_off(MOST / 2);
                    self.blocks.insert(block + 1, Arc::new(upper));
                }
            }
        }
    }

    /// Takes a task out; tells whether it was there.
    pub(super) fn remove(&mut self, id: &TaskId) -> bool {
        let (block, Ok(place)) = self.find(id) else {
            return false;
        };
        let entries = Arc::make_mut(&mut self.blocks[block]);
        entries.remove(place);
        if entries.is_empty() {
            self.blocks.remove(block);
        }
        self.len -= 1;
        true
    }

    /// Returns the block where `id` is or belongs, and its place in it.
    fn find(&self, id: &TaskId) -> (usize, Result<usize, usize>) {
        let ends_before = |block: &Arc<Vec<Arc<TaskEntry>>>| {
            block.last().is_some_and(|last| last.row.task_id < *id)
        };
        let mut block = self.blocks.partition_point(ends_before);
        if block > 0 && block == self.blocks.len() {
            // Behind all others: at the end of the last block.
            block -= 1;
        }
        let place = self.blocks.get(block).map_or(Err(0), |entries| {
            entries.binary_search_by(|entry| entry.row.task_id.cmp(id))
        });
        (block, place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cl_storage::ProjectId;

    use super::*;

    fn entry(number: u64) -> Arc<TaskEntry> {
        let id = TaskId::parse_existing(&format!("t{number:05}")).unwrap();
        Arc::new(TaskEntry::unreadable(&ProjectId::parse("p").unwrap(), &id))
    }

    #[test]
    fn it_is_a_sorted_map_and_copies_stay_as_they_were() {
        let mut tasks = Tasks::of_sorted(&(0..300).map(|n| entry(n * 2)).collect::<Vec<_>>());
        let mut expected: BTreeMap<TaskId, Arc<TaskEntry>> = tasks
            .iter()
            .map(|(id, entry)| (id.clone(), Arc::clone(entry)))
            .collect();
        let before = tasks.clone();
        let mut state = 7_u64;
        for _ in 0..5000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let one = entry((state >> 33) % 800);
            let id = one.row.task_id.clone();
            if state >> 63 == 0 {
                assert_eq!(tasks.remove(&id), expected.remove(&id).is_some());
            } else {
                expected.insert(id, Arc::clone(&one));
                tasks.insert(one);
            }
            assert_eq!(tasks.len(), expected.len());
        }
        let same = |(id, one): (&TaskId, &Arc<TaskEntry>)| Arc::ptr_eq(one, &expected[id]);
        assert!(tasks.iter().all(same));
        let order: Vec<&TaskId> = tasks.iter().map(|(id, _)| id).collect();
        assert!(order.is_sorted());
        for number in 0..801 {
            let id = &entry(number).row.task_id;
            let found = tasks.get(id).map(|found| &found.row.task_id);
            assert_eq!(found, expected.get_key_value(id).map(|(id, _)| id));
            let after = tasks.after(Some(id)).count();
            let behind = (Bound::Excluded(id), Bound::Unbounded);
            let behind = expected.range::<TaskId, _>(behind);
            assert_eq!(after, behind.count(), "{id}");
        }
        assert_eq!(tasks.after(None).count(), tasks.len());
        assert_eq!(before.len(), 300);
        assert_eq!(before.values().count(), 300);
        for id in expected.keys() {
            tasks.remove(id);
        }
        assert!(tasks.values().next().is_none());
    }
}
