//! `task unblock`.

use cl_runner::decision;
use cl_storage::dependencies::{self, DependencyError, joined};
use cl_storage::task_config::{TaskConfig, parse_ids};
use cl_storage::{TaskDir, TaskId};
use serde_json::json;

use super::flat;
use crate::args::UnblockArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Lets a task begin without the tasks that it waits for.
pub fn run(ctx: &mut Context, args: &UnblockArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let task = flat::changeable_task(ctx, &scope, "unblock")?;
    let named = parse_ids(&args.dependencies)
        .map_err(|error| CliError::usage(format!("--dependency: {error}")))?;
    let (now, reason) = (ctx.now(), args.reason.trim());
    let change = |config: &mut TaskConfig| {
        let lifted = lifted(&task, config, &named)?;
        if !lifted.is_empty() {
            config.unblock(&lifted, reason, now);
        }
        Ok::<_, CliError>(lifted)
    };
    let failed = |error: DependencyError| {
        CliError::failed(format!("could not unblock task {}", task.id())).caused_by(error)
    };
    // A wrong name, or nothing to do, makes no lock file.
    let config = TaskConfig::read(&task).map_err(|error| failed(error.into()))?;
    let mut lifted = lifted(&task, &config, &named)?;
    if !lifted.is_empty() {
        lifted = dependencies::update(scope.root(), &task, change).map_err(failed)??;
    }
    if !lifted.is_empty() {
        // Whoever waits sees the file; this only spares the wait for its next look.
        cl_runner::wake(&task);
        let why = Some(reason).filter(|why| !why.is_empty());
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        let text = format!("dependencies lifted: {}{why}", joined(&lifted, ", "));
        if let Err(error) = decision::post(&task, text) {
            ctx.console.warn(error);
        }
    }
    tell(ctx, &task, &lifted)
}

/// Returns what is to be lifted now: what was named, or all that still counts.
fn lifted(task: &TaskDir, config: &TaskConfig, named: &[TaskId]) -> Result<Vec<TaskId>, CliError> {
    let unknown = named.iter().find(|id| !config.depends_on.contains(id));
    if let Some(unknown) = unknown {
        let on = joined(&config.depends_on, ", ");
        let hint = if on.is_empty() {
            "it depends on no task".to_owned()
        } else {
            format!("it depends on {on}")
        };
        let text = format!("task {} does not depend on {unknown}", task.id());
        return Err(CliError::not_found(text).hint(hint));
    }
    let counting = config.gating();
    let is_meant = |id: &TaskId| named.is_empty() || named.contains(id);
    Ok(counting.into_iter().filter(is_meant).collect())
}

fn tell(ctx: &mut Context, task: &TaskDir, lifted: &[TaskId]) -> Result<Exit, CliError> {
    let (project, id) = (task.project(), task.id());
    let config = TaskConfig::read(task).unwrap_or_default();
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "project": project, "task": id, "unblocked": lifted,
            "depends_on": config.depends_on, "gating": config.gating(),
        }))?;
    } else if lifted.is_empty() {
        ctx.console
            .note(format_args!("no dependency of task {project}/{id} counts"));
    } else {
        ctx.console.line(format_args!(
            "task {project}/{id} no longer waits for {}",
            joined(lifted, ", ")
        ))?;
    }
    Ok(Exit::Success)
}
