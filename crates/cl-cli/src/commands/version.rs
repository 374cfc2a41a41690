//! `version`.

use crate::context::Context;
use crate::error::{CliError, Exit};

/// Prints the version; its line is the first and only one.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    if ctx.console.is_json() {
        ctx.console.json(&crate::version::to_json())?;
    } else {
        let name = ctx.binary.name();
        ctx.console
            .line(format_args!("{name} {}", crate::version::stamp()))?;
    }
    Ok(Exit::Success)
}
