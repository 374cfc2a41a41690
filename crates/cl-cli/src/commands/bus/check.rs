//! `bus check`.

use super::target;
use crate::args::CheckArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Lists everything that is wrong with a bus file.
pub fn check(ctx: &mut Context, args: &CheckArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let target = target::find(ctx, &scope, args.bus.as_deref())?;
    let report = target.bus().check()?;
    if ctx.console.is_json() {
        ctx.console.json(&report)?;
    } else {
        for damage in &report.damage {
            ctx.console.line(damage)?;
        }
        let (shown, bytes) = (report.path.display(), report.size_bytes);
        let (messages, damaged) = (report.messages, report.damage.len());
        if report.is_no_bus() {
            let other = report.other_bytes;
            ctx.console.line(format_args!(
                "{shown}: no message and {other} bytes of other text"
            ))?;
        } else {
            ctx.console.line(format_args!(
                "{shown}: {messages} messages in {bytes} bytes, {damaged} damaged"
            ))?;
        }
    }
    Ok(if report.is_clean() {
        Exit::Success
    } else {
        Exit::Failed
    })
}
