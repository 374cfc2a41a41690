//! `watch`.

use crate::args::WatchArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Runs the command.
pub fn run(_ctx: &mut Context, _args: &WatchArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}
