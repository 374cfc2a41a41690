//! What a server promises, with real processes: by every route, and when it is killed with SIGKILL.
//!
//! Each test of killing is repeated `CL_KILL_ROUNDS` times (5) at moments of chance.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod burst;
mod house;
mod imported;
mod keys;
mod lost;
mod order;
mod power;
mod routes;
mod running;
