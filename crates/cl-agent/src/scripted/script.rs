//! The script's format.

/// A script, read and checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {}

/// Why a text is not a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    /// What is wrong, with line and column where they are known.
    pub message: String,
}

impl Script {
    /// Reads a script.
    pub fn parse(_text: &str) -> Result<Self, ScriptError> {
        Ok(Self {})
    }

    /// Returns the stream format in which the script is played.
    pub fn dialect(&self) -> crate::kind::Dialect {
        crate::kind::Dialect::Text
    }
}
