//! Threads: messages that answer or depend on each other, on whatever buses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;

use cl_storage::MessageId;

use super::stream::Key;
use super::{Item, SourceBus};
use crate::damage::Damage;
use crate::forward;
use crate::message::Message;
use crate::read::{Found, Query, ReadError};

/// How many references between messages are held at the most.
pub const MAX_REFERENCES: usize = 200_000;

/// The messages around one message.
#[derive(Debug, Default)]
pub struct Thread {
    /// The messages, in the order of the view.
    pub items: Vec<Item>,
    /// Whether there are more: the ones that are nearest to the message were kept.
    pub has_more: bool,
    /// Ids that messages of the thread refer to and that are on none of the buses.
    pub missing: Vec<MessageId>,
    /// The damage met on the way, and on which bus.
    pub damage: Vec<(String, Damage)>,
    /// The buses that could not be read; the others were.
    pub failed: Vec<(String, ReadError)>,
}

/// Reads the thread of the message `id`: everything that is connected with it by
/// `parents`, upwards and downwards, at the most `limit` messages.
///
/// A message stands for all of its copies on several buses. The buses are read twice,
/// first for the references, then for the messages; between the two only ids are held,
/// for [`MAX_REFERENCES`] references at the most. Empty if the message is nowhere and
/// nothing refers to it.
pub fn thread(buses: &[SourceBus], id: &MessageId, limit: usize) -> Thread {
    let mut thread = Thread::default();
    let mut references = References::default();
    for bus in buses {
        let read = each(bus, &mut |found| {
            match found {
                Found::Entry(entry) => references.add(&entry.message),
                Found::Damage(damage) => thread.damage.push((bus.name.clone(), damage)),
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            thread.failed.push((bus.name.clone(), error));
        }
    }
    let (members, is_whole) = references.around(id, limit);
    thread.has_more = !is_whole || references.has_more;
    let mut missing: BTreeSet<&MessageId> = members.iter().collect();
    let mut keyed = Vec::new();
    for (at, bus) in buses.iter().enumerate() {
        let mut latest = None;
        let read = each(bus, &mut |found| {
            let Found::Entry(entry) = found else {
                return ControlFlow::Continue(());
            };
            if !members.contains(&entry.message.id) {
                return ControlFlow::Continue(());
            }
            missing.remove(&entry.message.id);
            if keyed.len() >= limit {
                // Copies may fill the thread before all members were met: go on looking.
                thread.has_more = true;
                return if missing.is_empty() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                };
            }
            // As merging by heads does: nothing overtakes a message of its own bus.
            let key = latest.take().map_or(Key::of(&entry, at), |latest: Key| {
                latest.max(Key::of(&entry, at))
            });
            latest = Some(key.clone());
            let source = bus.name.clone();
            keyed.push((key, Item { source, entry }));
            ControlFlow::Continue(())
        });
        // If it fails only now, the thread says so all the same.
        if let Err(error) = read
            && thread.failed.iter().all(|(name, _)| *name != bus.name)
        {
            thread.failed.push((bus.name.clone(), error));
        }
    }
    if !keyed.is_empty() {
        thread.missing = missing.into_iter().cloned().collect();
    }
    // Stable: messages of one key stay as they stand on their bus.
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    thread.items = keyed.into_iter().map(|(_, item)| item).collect();
    thread
}

fn each(bus: &SourceBus, sink: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<(), ReadError> {
    forward::stream(&bus.path, &Query::default(), sink)
}

/// Which message refers to which, both ways.
#[derive(Debug, Default)]
struct References {
    neighbours: BTreeMap<MessageId, Vec<MessageId>>,
    count: usize,
    has_more: bool,
}

impl References {
    fn add(&mut self, message: &Message) {
        for parent in &message.parents {
            if self.count == MAX_REFERENCES {
                self.has_more = true;
                return;
            }
            self.count += 1;
            for (from, to) in [(&message.id, &parent.msg_id), (&parent.msg_id, &message.id)] {
                self.neighbours
                    .entry(from.clone())
                    .or_default()
                    .push(to.clone());
            }
        }
    }

    /// Returns the `limit` messages nearest to `id`, itself first, and whether that is all.
    fn around(&self, id: &MessageId, limit: usize) -> (BTreeSet<MessageId>, bool) {
        let mut members = BTreeSet::from([id.clone()]);
        let mut next = VecDeque::from([id]);
        while let Some(id) = next.pop_front() {
            for neighbour in self.neighbours.get(id).into_iter().flatten() {
                if members.contains(neighbour) {
                    continue;
                }
                if members.len() >= limit {
                    return (members, false);
                }
                members.insert(neighbour.clone());
                next.push_back(neighbour);
            }
        }
        (members, true)
    }
}
