//! Exit codes, and the one error type that carries them.

use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;

use cl_storage::{IdError, LayoutError};

/// How a command ends, as its caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It did what was asked.
    Success,
    /// The operation failed, or its verdict is negative.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// Something is in the way: a lock, a running task, a rule.
    Conflict,
    /// The server cannot be reached.
    Unreachable,
    /// The time for waiting was over.
    Timeout,
    /// Ended by Ctrl-C.
    Interrupted,
    /// Ended by the termination signal.
    Terminated,
    /// Ended with the code of the program that was wrapped.
    Passed(u8),
}

impl Exit {
    /// All values of our own, in the order of documentation.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::Conflict,
        Self::Unreachable,
        Self::Timeout,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// Returns the exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::Unreachable => 5,
            Self::Timeout => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Passed(code) => code,
        }
    }

    /// Returns the word that stands for this end in JSON errors.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::Passed(_) => "passed_on",
        }
    }

    /// Returns what it means, for the reference.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "the command did what was asked",
            Self::Failed => "the operation failed or its verdict is negative",
            Self::Usage => "the command line or the configuration is wrong",
            Self::NotFound => "what was named does not exist",
            Self::Conflict => "something is in the way: a lock, a running task, a rule",
            Self::Unreachable => "the server cannot be reached",
            Self::Timeout => "the time for waiting was over",
            Self::Interrupted => "ended by Ctrl-C",
            Self::Terminated => "ended by the termination signal",
            Self::Passed(_) => "the code of the program that was wrapped",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed: what happened, to which thing, what to do, and the exit code.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl CliError {
    /// Makes an error that ends the process with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Makes an error about an operation that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Makes an error about the command line or the configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Makes an error about something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    /// Makes an error about something that is in the way.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Exit::Conflict, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause; its whole chain is printed.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns how the process ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns what to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the message followed by its causes, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let part = error.to_string();
            // Transparent errors repeat their source's text.
            if !text.ends_with(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            cause = error.source();
        }
        text
    }

    /// Returns the error as one JSON document.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": {
                "code": self.exit.word(),
                "message": self.chain(),
                "hint": self.hint,
            }
        })
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for CliError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<IdError> for CliError {
    fn from(error: IdError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<LayoutError> for CliError {
    fn from(error: LayoutError) -> Self {
        let exit = match &error {
            LayoutError::Symlink(_) => Exit::Conflict,
            LayoutError::NotAFolder(_) => Exit::Usage,
            LayoutError::Missing(_) => Exit::NotFound,
            _ => Exit::Failed,
        };
        let mut made = Self::new(exit, error.to_string());
        if let LayoutError::Symlink(_) = &error {
            made = made.hint(
                "replace the link by the folder itself, or name the root it points to with --root",
            );
        }
        match error {
            LayoutError::Io { source, .. } => made.caused_by(source),
            _ => made,
        }
    }
}

impl From<cl_config::ConfigError> for CliError {
    fn from(error: cl_config::ConfigError) -> Self {
        let text = cl_config::render(&error);
        Self::usage(text.trim_end().to_owned())
            .hint("correct the file, or name another one with --config")
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::failed("could not write the output").caused_by(error)
    }
}

/// Tells whether the reader of our output has gone, which is no failure.
pub(crate) fn is_closed_pipe(error: &CliError) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        if found
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return true;
        }
        cause = found.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_told_once() {
        let io = std::io::Error::other("disk on fire");
        let error = CliError::failed("could not read x").caused_by(io);
        assert_eq!(error.chain(), "could not read x: disk on fire");
        let repeated = CliError::failed("x: same").caused_by(std::io::Error::other("same"));
        assert_eq!(repeated.chain(), "x: same");
    }

    #[test]
    fn json_errors_always_have_all_keys() {
        let json = CliError::not_found("no task").to_json();
        assert_eq!(
            json.to_string(),
            r#"{"error":{"code":"not_found","hint":null,"message":"no task"}}"#
        );
    }

    #[test]
    fn codes_are_those_of_the_table() {
        let codes: Vec<u8> = Exit::ALL.into_iter().map(Exit::code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 124, 130, 143]);
    }
}
