//! Views over several buses: those of a project and of its tasks, read as one.
//!
//! # Order
//!
//! The order of one bus is that of its file, and no view changes it. Buses are
//! merged by their *heads*: towards the end, the earliest of the messages that come
//! next on each bus is taken; from the end, the latest of those that come last.
//! Earlier and later are told by time, then id, then the order of the buses. Where
//! the times grow along every bus, as our writers make them, the view is thus
//! sorted by time and id, and both directions agree. A message whose time is
//! earlier than that of its predecessor comes right behind it on the way to the end,
//! and a message whose time is later than that of its successor right before that
//! one on the way back; each message comes exactly once either way.
//!
//! # Cursors
//!
//! A [`Cut`] says for each bus behind which message it goes through it. It is exact
//! whatever clocks do: a message that arrives late on one bus stands behind the cut
//! even if its time lies before it.
//!
//! # Bounds
//!
//! Each bus is read in bites of [`BITE_BYTES`] and at least one message, so memory
//! is bounded by the number of buses and the limit, not by the size of the buses.
//! No file stays open between two bites.

mod cut;
mod follow;
mod page;
mod stream;
mod thread;

use std::path::PathBuf;

use crate::damage::Damage;
use crate::filter::Filter;
use crate::read::{Edge, Entry, ReadError};

pub use cut::Cut;
pub use follow::{ViewEvent, ViewFollower};
pub use page::page;
pub use thread::{MAX_REFERENCES, Thread, thread};

/// How much of one bus is held in memory, beyond the messages handed out; one
/// message may exceed it.
pub const BITE_BYTES: usize = 64 * 1024;

/// How many messages of a bus are read whose place in a cut is not known any more.
pub const RESET_TAIL: usize = 20;

/// One of the buses of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBus {
    /// What the view calls it; unique among its buses, and lasting, because cursors hold it.
    pub name: String,
    /// The path of its file.
    pub path: PathBuf,
}

/// A message of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The name of its bus.
    pub source: String,
    /// The message and its place there.
    pub entry: Entry,
}

/// Which messages of a view are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewQuery {
    /// Only messages behind this cut.
    pub after: Option<Cut>,
    /// Only messages before this cut.
    pub before: Option<Cut>,
    /// Only messages that this lets through. A cut belongs to its filter.
    pub filter: Filter,
    /// How many messages at the most; `None` for all.
    pub limit: Option<usize>,
    /// Which ones, if there are more.
    pub keep: Edge,
}

/// The answer to a [`ViewQuery`].
#[derive(Debug, Default)]
pub struct ViewPage {
    /// The messages, in the order of the view.
    pub items: Vec<Item>,
    /// The cut behind the last one: reading on starts here.
    pub next: Cut,
    /// The cut before the first one: reading back ends here.
    pub previous: Cut,
    /// Whether the limit left messages out: later ones if the oldest were kept, else
    /// earlier ones.
    pub has_more: bool,
    /// The damage met on the way, and on which bus.
    pub damage: Vec<(String, Damage)>,
    /// The buses whose place in the cuts that were asked for is gone: a bus that is no
    /// more, or one that does not have the message any more. Of the latter the last
    /// [`RESET_TAIL`] messages are taken for new; read back, all of it is old.
    pub reset: Vec<String>,
    /// The buses that could not be read; the others were.
    pub failed: Vec<(String, ReadError)>,
}
