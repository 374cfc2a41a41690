//! `task wake`: ends a task's wait for a usage limit.

use cl_runner::wake::{WakeReport, wake_task};
use serde_json::json;

use super::flat;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Ends the wait; the next attempt begins at once and shows whether the limit is over.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let task = flat::changeable_task(ctx, &scope, "wake")?;
    let report = wake_task(&task, &*ctx.clock).map_err(|error| {
        let timed_out = matches!(error, cl_runner::wake::WakeError::TimedOut { .. });
        let exit = if timed_out {
            Exit::Timeout
        } else {
            Exit::Failed
        };
        CliError::new(exit, format!("{} was not woken", task.id())).caused_by(error)
    })?;
    let id = task.id();
    match report {
        WakeReport::Awake if ctx.console.is_json() => {
            let document = json!({"project": task.project(), "task": id, "outcome": "awake"});
            ctx.console.json(&document)?;
            Ok(Exit::Success)
        }
        WakeReport::Awake => {
            ctx.console.line(format_args!("Woke task {id}"))?;
            Ok(Exit::Success)
        }
        WakeReport::NotWaiting(why) => {
            Err(CliError::conflict(format!("task {id} was not woken: {why}"))
                .hint("`run-agent status` shows what it does"))
        }
        WakeReport::NotRunning => Err(CliError::conflict(format!("task {id} is not running"))
            .hint("`run-agent task resume` takes up a task that has ended, `run-agent recover` one whose supervisor died")),
    }
}
