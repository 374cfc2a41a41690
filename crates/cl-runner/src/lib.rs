//! How one task is kept going: supervisor, processes, restart loop, stop.
//!
//! Every task has one supervisor process, started by [`launch::launch`] from a
//! [`launch::LaunchRecord`]. It owns the task, runs the restart loop and is the
//! parent of the agents. Commands and servers only launch, watch ([`attach`])
//! and ask ([`stop`]); killing them never hurts a run. What a dead supervisor
//! left behind is settled by whoever owns the task next ([`settle`]) and taken
//! up again by [`recover`]; a task that nobody needs is given up
//! ([`cancel`]) or deleted ([`delete`]). What gates
//! found is checked again by [`verify`]. The end of a task is told to its project by
//! [`propagate`]. What a review says is read by [`verdict`]. Runs that no loop makes are adopted processes ([`adopt`])
//! and wrapped sessions ([`wrap`]). The server's own process is started in the background, kept
//! going, ended and replaced by [`service`].
//!
//! Invariants:
//!
//! - Only this crate starts or signals processes.
//! - A process is signalled only by identity: pid, kernel start time, boot.
//! - No descendant of an agent outlives its run; live owners of other tasks and
//!   the runs of other tasks are left alone.
//! - What is acted on was recorded before, and what is recorded as ended was
//!   verified to have ended.
//! - Decisions are pure functions; what performs them does not decide.

#[cfg(feature = "acp")]
pub mod acp_agent;
#[cfg(not(feature = "acp"))]
#[path = "acp_agent/left_out.rs"]
pub mod acp_agent;
pub mod activity;
pub mod adopt;
pub mod attach;
pub mod cancel;
mod claim;
pub mod decision;
pub mod delete;
mod evidence;
pub mod inspect;
pub mod launch;
mod notice;
pub mod notify;
mod output;
pub mod preamble;
pub mod process;
pub mod processes;
pub mod propagate;
pub mod quorum;
pub mod recover;
pub mod rest_agent;
mod run_end;
mod run_usage;
pub mod scripted;
pub mod service;
pub mod settle;
mod shell;
mod solo;
pub mod stop;
mod supervisor;
mod task_environment;
pub mod unblock;
pub mod verdict;
pub mod verify;
pub mod wake;
pub mod wishes;
mod worker;
mod working_tree;
pub mod wrap;

pub use attach::wake_owner as wake;
pub use output::left_out_bytes;
pub use solo::SoloError;
pub use supervisor::supervise;

pub(crate) use launch::{error_text as launch_error_text, text_variables as launch_text_variables};
