//! How a program talks to a running server.
//!
//! [`Client`] asks and understands answers, [`EventStream`] follows what a server sends
//! and connects again by itself, [`blocking`] does both for programs without a runtime.
//!
//! - The token goes to the server that was named and nowhere else: no redirect is
//!   followed, and a proxy is asked only where it cannot read what passes.
//! - Every wait has an end, every body a largest size.
//! - What went wrong says whose turn it is: [`ClientError`].
//! - A stream that was interrupted goes on where it stopped, without loss and without
//!   repeats, as far as the server gives its events places.
//! - Absent on purpose: reading files and the environment, and asking again by itself
//!   for anything that changes something.

#![warn(missing_docs)]

mod answer;
mod backoff;
pub mod blocking;
mod builder;
mod client;
mod endpoints;
mod error;
mod path;
mod stream;

pub use builder::{BadServer, Builder};
pub use client::{Client, Fresh};
pub use endpoints::core::CoreTasks;
pub use endpoints::messages::BusOf;
pub use endpoints::projects::{FilePart, FlatQuery, GcQuery, IfRunning, TaskQuery};
pub use endpoints::resources::{AuditQuery, UsageQuery};
pub use error::{ClientError, Refusal};
pub use path::Path;
pub use stream::{EventStream, Said};
