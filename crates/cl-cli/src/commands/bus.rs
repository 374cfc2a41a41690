//! `bus`.

use crate::args::{CheckArgs, DiscoverArgs, PostArgs, ReadArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Posts a message.
pub fn post(_ctx: &mut Context, _args: &PostArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}

/// Prints messages.
pub fn read(_ctx: &mut Context, _args: &ReadArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}

/// Prints the bus that would be used.
pub fn discover(_ctx: &mut Context, _args: &DiscoverArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}

/// Looks for damage.
pub fn check(_ctx: &mut Context, _args: &CheckArgs) -> Result<Exit, CliError> {
    Err(CliError::failed("not available yet"))
}
