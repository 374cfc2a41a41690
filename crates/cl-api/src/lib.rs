//! The HTTP server: what is below a root, offered over HTTP.
//!
//! [`serve`] runs a server until it is told to end. Files are the only truth: the server keeps
//! an index of them in memory, and what it changes it changes through the same functions as
//! every command.
//!
//! The way of a request: [`listen`] takes the connection and bounds it, [`guard`] decides who
//! may come in, [`routes`] take the request apart, ask [`state`] or the crates below, and make
//! an [`answer`]. Event streams are made in [`stream`]. What is told of a request afterwards is
//! in [`journal`]. What is queued is launched in [`conducting`]; what keeps the server itself at
//! work stands in [`operation`], and [`serve`](mod@serve) puts all of it together.
//!
//! Invariants it upholds:
//!
//! - A request that reads changes nothing on disk.
//! - What was answered as done is on disk; killing the server loses nothing.
//! - Only this crate knows HTTP status codes.
//! - Every connection, body, queue, stream and wait has a bound.

#![warn(missing_docs)]

mod answer;
mod app;
mod conducting;
mod guard;
mod journal;
mod listen;
mod operation;
mod routes;
mod serve;
mod state;
mod stream;

pub use serve::serve;
