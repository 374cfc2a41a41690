//! The hidden sub-commands; nothing has happened in the process before them.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the supervisor of one task.
pub fn supervise(_args: &[OsString]) -> ExitCode {
    ExitCode::FAILURE
}

/// Plays a script as an agent.
pub fn scripted_agent(_args: &[OsString]) -> ExitCode {
    ExitCode::FAILURE
}
