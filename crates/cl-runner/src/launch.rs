//! Launching a task: the record that says how, and the supervisor that does it.
//!
//! ```text
//! launcher                                  supervisor (same executable)
//! start it, stdin and stdout are pipes ──▶  close inherited descriptors, setsid
//! write the launch record, with secrets ─▶  read it whole, or exit without a trace
//!                                           take owner.lock, create the task
//!          ◀── readiness: ready or why not  stdio becomes /dev/null and the log
//! done: it may exit or watch                run the task to its end
//! ```
//!
//! The record holds the secrets and exists only in the pipe. What goes to disk
//! is the [`LaunchFile`], which names where the secrets were found.

mod agents;
mod configured;
mod order;
mod policy;
mod record;
mod retry;
mod start;
mod turns;
mod worktree;

pub use agents::error_text;
pub(crate) use agents::text_variables;
pub use agents::{
    AgentEntry, LaunchAgent, PrepareError, prepare_agents, prepare_named, secret_values,
};
pub use configured::{add_gates, configured_gate, configured_policy};
pub use order::{Contacts, Order, OrderError, Promise, Ready, ready};
pub use policy::{Gate, Limits, OnChildTimeout, OnDeadlock, Policy};
pub(crate) use record::is_same_prompt;
pub use record::{
    EarlierLaunch, Kind, LaunchFile, LaunchRecord, Mode, NestedOptions, Origin, Step,
    is_prompt_of_record, launch_of_key, prompt_digest,
};
pub use retry::{RetryAction, RetryOverride, RetryRule, RetryTable};
pub use start::{LaunchError, Launched, Refusal, launch, reap, room_for, see_off};
pub(crate) use start::{RUN_VARIABLES, Readiness, read_framed, read_record, start_owner};
pub use turns::{TurnStrategy, Turns};
pub use worktree::Overlap;
pub(crate) use worktree::overlap;
pub(crate) use worktree::top_around as work_tree_around;

/// The variable that marks a supervisor's process with the folder of its task.
///
/// Other supervisors use it to tell an owner, which they must leave alone, from
/// what an agent has left behind; it counts only if `owner.yaml` agrees.
pub const SUPERVISED_TASK: &str = "CONDUCTOR_SUPERVISED_TASK";

/// The hidden sub-command of both binaries that runs a supervisor.
pub const SUPERVISE_COMMAND: &str = "__supervise";
