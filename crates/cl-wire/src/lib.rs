//! What clients and servers say to each other.
//!
//! The types of requests and answers, the codes of problems and the codec of event
//! streams. What is shown of tasks and runs has one JSON form, wherever it is printed
//! or sent: [`TaskRow`], [`RunRow`] and their like. Times are RFC 3339 in UTC.
//!
//! - Every key of an answer is always there; what is absent is `null`. The two families
//!   of paths ([`v1`], [`projects`], [`messages`]) leave out what their clients expect to
//!   be left out.
//! - Requests with keys that are not known are refused; answers with such are read.
//! - Absent on purpose: reading files, sockets and an async runtime.

#![warn(missing_docs)]

pub mod admin;
mod announcement;
pub mod audit;
pub mod changes;
pub mod cursor;
pub mod events;
pub mod evidence;
pub mod facts;
pub mod health;
pub mod limits;
mod listing;
mod login;
pub mod messages;
pub mod page;
pub mod problem;
pub mod projects;
pub mod ps;
mod run;
pub mod shown;
pub mod sse;
mod task;
mod time;
pub mod tree;
pub mod usage;
pub mod v1;

pub use announcement::Announcement;
pub use listing::TaskListing;
pub use login::LoginLink;
pub use page::{CursorPage, Page};
pub use problem::{Problem, ProblemCode};
pub use run::RunRow;
pub use task::TaskRow;
pub use time::ZERO_TIME;
