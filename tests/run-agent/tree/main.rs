//! Real processes: agents, their children, how they end, and how the loop goes on.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod delegating;
mod nested;
mod stage;
