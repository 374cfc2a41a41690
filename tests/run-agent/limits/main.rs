//! Usage limits: waiting for their end, going on with others, and what is told of them.
//!
//! The agents speak the dialects of the real programs. The time is that of a clock
//! file, so that a night takes a second; agents see the real time.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bed;
mod commands;
mod failing;
mod night;
mod others;
#[path = "../../cli/schema.rs"]
mod schema;
mod younger;
