//! `config`.

use crate::args::ConfigCommand;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Runs the command.
pub fn run(_ctx: &mut Context, _args: &ConfigCommand) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}
