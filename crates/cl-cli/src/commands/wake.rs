//! `task wake`: ends a task's wait for a usage limit.

use cl_runner::wake::{WakeReport, wake_task};
use cl_wire::changes::TaskChanged;

use super::flat;
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Ends the wait; the next attempt begins at once and shows whether the limit is over.
pub fn run(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        let (project, task) = backend::named_task(&scope)?;
        let changed: TaskChanged = server.do_to(&project, &task, "wake")?;
        return tell(ctx, &changed);
    }
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
        WakeReport::Awake => {
            let changed = TaskChanged {
                outcome: "awake".to_owned(),
                project: task.project().clone(),
                task: id.clone(),
            };
            tell(ctx, &changed)
        }
        WakeReport::NotWaiting(why) => {
            Err(CliError::conflict(format!("task {id} was not woken: {why}"))
                .hint("`run-agent status` shows what it does"))
        }
        WakeReport::NotRunning => Err(CliError::conflict(format!("task {id} is not running"))
            .hint("`run-agent task resume` takes up a task that has ended, `run-agent recover` one whose supervisor died")),
    }
}

fn tell(ctx: &mut Context, changed: &TaskChanged) -> Result<Exit, CliError> {
    if ctx.console.is_json() {
        ctx.console.json(changed)?;
    } else {
        let id = &changed.task;
        ctx.console.line(format_args!("Woke task {id}"))?;
    }
    Ok(Exit::Success)
}
