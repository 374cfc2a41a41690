//! How tasks and runs are shown: one row for listings, status and JSON alike.

mod account;
mod activity;
mod facts;
mod place;
mod problem;
mod render;
mod run;
mod survey;
mod table;
mod tail;
mod task;
mod time;

pub(crate) use account::{Account, Spent};
pub(crate) use activity::{ACTIVITY_HEADINGS, ActivityFact};
pub(crate) use facts::{FailureFact, ResultFact, UsageFact};
pub(crate) use place::complete;
pub(crate) use problem::{describe_record_error, warn_about};
pub(crate) use render::{Renderer, harmless};
pub(crate) use run::RunRow;
pub(crate) use survey::Survey;
pub(crate) use table::Grid;
pub(crate) use tail::{GrowingFile, open_regular};
pub(crate) use task::TaskRow;
pub(crate) use time::{duration_text, local_text};
