//! What is below a root, as every door shows it.
//!
//! Files are read through `cl-storage` and become the rows of `cl-wire`. Commands that
//! look at files themselves and the server show the same thing because both take it from
//! here.
//!
//! - Reading changes nothing.
//! - What cannot be read is named beside the rest and hides none of it.
//! - Absent on purpose: printing, sockets, memory of earlier looks.

#![warn(missing_docs)]

mod account;
mod activity;
mod bus_page;
pub mod flat;
mod limits;
mod message;
mod place;
mod processes;
mod run;
mod shown;
mod survey;
mod task;
mod thread;
pub mod tree;
mod usage;
mod usage_trend;
mod verified;
mod words;

pub use account::{Worth, cost_text, tokens_text, worth};
pub use activity::{ACTIVITY_HEADINGS, ActivityFact, MessageFact};
pub use bus_page::{BusPage, BusPageError, bus_page};
pub use limits::limits;
pub use message::message_item;
pub use place::complete;
pub use processes::{processes, processes_alone, retain_processes};
pub use run::run_row;
pub use shown::{
    activities, cancelled, marker_key, not_among, run_listing, show, stop_answer, unblocked,
};
pub use survey::{Survey, in_two_halves};
pub use task::{ended_task_row, task_row};
pub use thread::thread_parent;
pub use usage::UsageSums;
pub use usage_trend::{Grid, TrendSums};
pub use verified::verified;
pub use words::{chain, describe_record_error, duration_text};
