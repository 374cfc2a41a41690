//! Who may come in, and what may come along.
mod body;
mod browser;
pub(crate) use body::{Body, OptionalBody};
pub(crate) use browser::Browser;
