//! What a server promises that is killed with SIGKILL, with real processes.
//!
//! Each test is repeated `CL_KILL_ROUNDS` times (5) at moments of chance.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod burst;
mod house;
mod imported;
mod keys;
mod lost;
mod order;
mod power;
mod running;
