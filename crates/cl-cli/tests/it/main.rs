//! Tests of the grammar, the scope resolver and the version stamp.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod entry;
mod grammar;
mod reference;
mod scope;
mod stamp;
