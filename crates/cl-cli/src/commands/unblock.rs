//! `task unblock`.

use cl_runner::unblock::{UnblockError, unblock_task};
use cl_storage::dependencies::joined;
use cl_storage::task_config::parse_ids;
use cl_wire::changes::{TaskUnblocked, UnblockAnswer};
use cl_wire::projects::Unblock;

use super::flat;
use crate::args::UnblockArgs;
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Lets a task begin without the tasks that it waits for.
pub fn run(ctx: &mut Context, args: &UnblockArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        let (project, task) = backend::named_task(&scope)?;
        let asked = asked(args)?;
        let path = backend::of_task(&project, &task).then("unblock");
        let answer: UnblockAnswer = server.change(&path, &asked, std::time::Duration::ZERO)?;
        for warning in &answer.warnings {
            ctx.console.warn(warning);
        }
        return tell(ctx, &answer.unblocked);
    }
    let task = flat::changeable_task(ctx, &scope, "unblock")?;
    let asked = asked(args)?;
    let now = ctx.now();
    let unblocked = unblock_task(scope.root(), &task, &asked.dependencies, &asked.reason, now)
        .map_err(refusal)?;
    if let Some(warning) = &unblocked.warning {
        ctx.console.warn(warning);
    }
    tell(ctx, &cl_view::unblocked(&task, unblocked))
}

fn asked(args: &UnblockArgs) -> Result<Unblock, CliError> {
    let dependencies = parse_ids(&args.dependencies)
        .map_err(|error| CliError::usage(format!("--dependency: {error}")))?;
    Ok(Unblock {
        dependencies,
        reason: args.reason.trim().to_owned(),
    })
}

fn refusal(error: UnblockError) -> CliError {
    let text = error.to_string();
    let hint = error.hint();
    match (error, hint) {
        (UnblockError::Dependencies { source, .. }, _) => CliError::failed(text).caused_by(source),
        (_, Some(hint)) => CliError::not_found(text).hint(hint),
        (_, None) => CliError::failed(text),
    }
}

fn tell(ctx: &mut Context, unblocked: &TaskUnblocked) -> Result<Exit, CliError> {
    let (project, id) = (&unblocked.project, &unblocked.task);
    if ctx.console.is_json() {
        ctx.console.json(unblocked)?;
    } else if unblocked.unblocked.is_empty() {
        ctx.console
            .note(format_args!("no dependency of task {project}/{id} counts"));
    } else {
        ctx.console.line(format_args!(
            "task {project}/{id} no longer waits for {}",
            joined(&unblocked.unblocked, ", ")
        ))?;
    }
    Ok(Exit::Success)
}
