//! `task`.

use crate::args::{ResumeArgs, RunArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Runs a task.
pub fn run(_ctx: &mut Context, _args: &RunArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}

/// Resumes a task.
pub fn resume(_ctx: &mut Context, _args: &ResumeArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}
