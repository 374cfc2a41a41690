//! One method for each thing that a server can be asked.

mod acting;
pub(crate) mod core;
pub(crate) mod messages;
pub(crate) mod projects;
pub(crate) mod resources;
mod v1;
