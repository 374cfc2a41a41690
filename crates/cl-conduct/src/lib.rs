//! What runs next below a root.
//!
//! A server accepts a [`Submission`] with [`submit()`]: it is in the queue and on disk before
//! anyone is told. A [`Planner`] launches what waits there, in order; each launch is a
//! supervisor of its own, as for every command. Lost tasks are taken up by [`recovery`].
//!
//! Invariants it upholds:
//!
//! - The queue on disk is the only truth; what a planner keeps in memory saves it from
//!   reading a file again.
//! - A submission names its launch before the launch is made, so that a planner that starts
//!   again sees which ones were: nothing is launched twice, and nothing is forgotten.
//! - Decisions are pure functions over what was read; carrying them out is left to `cl-runner`.
//!
//! Absent on purpose: HTTP, and everything about a single task's loop.

#![warn(missing_docs)]

mod imported;
mod judge;
mod planner;
pub mod policy;
pub mod recovery;
mod submission;
mod submit;
mod withdraw;

pub use imported::CONTINUE;
pub use planner::{Planner, Stepped};
pub use submission::{Attach, Submission};
pub use submit::{SubmitError, Submitted, submit};
pub use withdraw::withdraw;

use std::path::PathBuf;
use std::sync::Arc;

use cl_config::{Config, Environment};

/// What launches need besides their submission.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The settings of the server.
    pub config: Arc<Config>,
    /// Where they came from.
    pub source: cl_config::Source,
    /// Its environment.
    pub environment: Environment,
    /// This program, as agents call it.
    pub executable: PathBuf,
    /// Where the server can be reached; agents are told.
    pub url: Option<String>,
}
