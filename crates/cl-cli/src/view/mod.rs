//! How tasks and runs are shown: one row for listings, status and JSON alike.

mod masking;
mod problem;
mod render;
mod table;
mod tail;
mod task;
mod time;

pub(crate) use cl_view::{
    ACTIVITY_HEADINGS, ActivityFact, Survey, describe_record_error, duration_text,
};
pub(crate) use cl_wire::facts::{FailureFact, UsageFact};
pub(crate) use cl_wire::{RunRow, TaskRow};
pub(crate) use masking::{MaskedText, redactor};
pub(crate) use problem::warn_about;
pub(crate) use render::{Renderer, harmless};
pub(crate) use table::Grid;
pub(crate) use tail::{GrowingFile, open_regular};
pub(crate) use task::{TaskText, run_duration_text};
pub(crate) use time::local_text;
