//! What is below the root, in memory.
//!
//! Files are the only truth; the index follows them. A [`View`] is one moment of it and never
//! changes; readers take one and work on it without locks.

mod index;
mod view;

pub(crate) use index::Index;
pub(crate) use view::{Change, ProjectView, TaskEntry, View};
