//! `bus`: posting, reading, finding and checking message buses.

mod check;
mod post;
mod read;
mod served;
mod target;

pub use check::check;
pub use post::post;
pub use read::read;
pub use target::discover;

use cl_bus::{FileError, ReadError};

use crate::error::{CliError, Exit};

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownMessage { .. } => {
                Self::not_found(error.to_string()).hint("--since also takes a time")
            }
            ReadError::File(file) => file.into(),
            other => Self::failed("could not read the message bus").caused_by(other),
        }
    }
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Symlink { .. } => Self::new(Exit::Conflict, error.to_string())
                .hint("replace the link by the file itself"),
            FileError::NotRegular { .. } => Self::new(Exit::Conflict, error.to_string())
                .hint("a bus is a regular file; move away what stands there"),
            other => Self::failed("could not use the message bus").caused_by(other),
        }
    }
}
