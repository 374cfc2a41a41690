//! One method for each thing that a server can be asked.

pub(crate) mod messages;
pub(crate) mod projects;
mod v1;
