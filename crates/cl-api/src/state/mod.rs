//! What is below the root, in memory.
//!
//! Files are the only truth; the index follows them. A [`View`] is one moment of it and never
//! changes; readers take one and work on it without locks.
//!
//! ```text
//!  files ──notify──► keeper ──► Truth (one lock) ──publishes──► View ──► readers
//!    ▲  glances, strolls │          ▲                  └─ then ──► changes
//!    └───────────────────┘          └── look_again, reading on demand at the start
//! ```
//!
//! - Whoever has the lock reads files and publishes, so no earlier reading replaces a later one.
//! - A task that has ended is known by its row, taken from the index on disk where possible;
//!   its runs are read when somebody asks for them. A task that has not is followed.
//! - What a row says of other tasks is looked at again when those change: blockers, children,
//!   the way to a deadlock, the place in the queue.
//! - Until everything was read once, readers wait, or read what they want themselves: they never
//!   see less than there is.

mod cache;
mod ears;
mod index;
mod keeper;
mod loading;
mod old;
mod project;
mod reading;
mod tasks;
#[cfg(test)]
mod tests;
mod truth;
mod view;
mod watches;

pub(crate) use ears::Ear;
pub(crate) use index::{Following, Index, Mode};
pub(crate) use view::{Change, ProjectView, RunFacts, TaskEntry, View};
