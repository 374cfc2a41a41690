//! Real processes: agents, their children, how they end, and how the loop goes on.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[cfg(feature = "acp")]
mod acp;
mod at_once;
mod batch;
mod budget;
mod contract;
mod crowd;
mod delegating;
mod deleting;
mod dependencies;
mod diamond;
mod doctor_live;
mod ending;
mod flags;
mod goal;
mod iterate;
mod limits;
mod monitor;
mod nested;
mod notifying;
mod propagation;
mod proving;
mod queue;
mod restart;
#[path = "../../cli/schema.rs"]
mod schema;
mod services;
mod stage;
mod stopping;
mod surroundings;
mod workflow;
mod worktree;
