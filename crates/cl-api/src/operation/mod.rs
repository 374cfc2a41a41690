//! How a server is operated: who it is, and whether it is well.
//!
//! [`claim`] makes it the one server of its root and says where it is; [`watchdog`] asks it
//! from outside whether it answers; [`update`] puts another build in its place.

mod claim;
mod update;
mod watchdog;
#[cfg(feature = "test-hooks")]
pub(crate) mod wedge;

pub(crate) use claim::Claim;
pub(crate) use update::{Updater, trial};
pub(crate) use watchdog::{Pulse, start as watch};
