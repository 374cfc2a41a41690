//! `job`.

use crate::args::JobArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Runs the command.
pub fn run(_ctx: &mut Context, _args: &JobArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}
