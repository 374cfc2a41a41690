//! Playing a script, step by step.

use std::collections::BTreeMap;

use super::{Script, Stage};
use crate::kind::Dialect;

/// What a script is played for.
#[derive(Debug, Clone, Default)]
pub struct PlayContext {
    /// The agent's environment; `JRUN_ATTEMPT`, `JRUN_TASK_FOLDER` and `JRUN_RUN_FOLDER` count.
    pub env: BTreeMap<String, String>,
    /// Model to claim.
    pub model: Option<String>,
    /// Session to go on with.
    pub resume: Option<String>,
    /// Dialect to print, unless the script says otherwise.
    pub dialect: Option<Dialect>,
    /// The prompt as it came in.
    pub prompt: String,
}

/// Plays `script` to its end and returns the exit code for the process.
///
/// An error of the stage or of the script's setting is printed to standard error and gives exit code 1.
pub fn play(_script: &Script, _context: &PlayContext, _stage: &mut dyn Stage) -> i32 {
    0
}
