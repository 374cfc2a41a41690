//! The scripted agent: plays a YAML script in the stream format of any adapter.

mod play;
mod script;
mod speaker;
mod stage;
mod steps;
#[cfg(test)]
mod tests;

pub use play::{PlayContext, play};
pub use script::{Script, ScriptError};
pub use stage::{Background, Output, ShellCommand, Stage, WriteMode};

/// The hidden sub-command of our binaries that plays a script.
///
/// `<program> scripted-agent --script PATH [--model M] [--resume SESSION]`, with
/// the prompt on standard input.
pub const SUB_COMMAND: &str = "scripted-agent";
