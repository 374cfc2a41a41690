//! Processes: starting, watching, finding and ending them.
//!
//! Nothing outside this module starts or signals a process.

pub(crate) mod birth;
pub(crate) mod census;
pub(crate) mod descriptors;
pub mod end;
pub mod leaf;
pub(crate) mod pids;
pub(crate) mod reaper;
pub(crate) mod spawn;
pub mod tree;
