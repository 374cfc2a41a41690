//! What is wrong with a configuration, and how it is shown.

use std::io;
use std::path::PathBuf;

/// Why no configuration could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file that was asked for does not exist.
    #[error("config file {} does not exist (asked for by {asked_by})", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
        /// The flag or variable that named it.
        asked_by: &'static str,
    },
    /// The file exists but cannot be read.
    #[error("could not read config file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file or the environment holds mistakes: all of them, by position.
    #[error("{} in the configuration", count(.0.len()))]
    Problems(Vec<Problem>),
    /// There is only a file of the earlier implementation's format.
    #[error("{} is in the old HCL format, which is no longer read", path.display())]
    LegacyHcl {
        /// The file.
        path: PathBuf,
        /// The same settings in YAML, without secrets.
        yaml: String,
        /// Where to write them.
        write_to: PathBuf,
    },
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The dotted key it is about; empty if it is about the whole file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where a value is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file.
    File {
        /// The file as users know it.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column in characters, from 1.
        column: u64,
        /// How many characters it covers.
        length: u64,
        /// The line itself, with secrets masked.
        source_line: String,
    },
    /// In an environment variable.
    Variable(String),
}

/// Something that works but should be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it is; none if it is about no place in particular.
    pub place: Option<Place>,
    /// What to look at.
    pub message: String,
}

/// Returns `error` as it is shown to the user, without colour.
pub fn render(error: &ConfigError) -> String {
    error.to_string()
}
