//! What clients and servers say to each other.
//!
//! The types of requests and answers, the codes of problems and the codec of event
//! streams. What is shown of tasks and runs has one JSON form, wherever it is printed
//! or sent: [`TaskRow`], [`RunRow`] and their like. Times are RFC 3339 in UTC.
//!
//! - Every key of an answer is always there; what is absent is `null`.
//! - Absent on purpose: reading files, sockets and an async runtime.

#![warn(missing_docs)]

mod announcement;
pub mod facts;
mod listing;
pub mod problem;
mod run;
mod task;

pub use announcement::Announcement;
pub use listing::TaskListing;
pub use problem::{Problem, ProblemCode};
pub use run::RunRow;
pub use task::TaskRow;
