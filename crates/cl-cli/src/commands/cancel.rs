//! `task cancel` and `task uncancel`.

use cl_runner::cancel::{CancelError, WhenActive, cancel_task, uncancel_task};
use cl_runner::stop::StopOptions;
use cl_storage::TaskId;
use cl_storage::marker::Cancellation;
use cl_wire::changes::{CancelAnswer, CancelRequest, TaskCancelled, TaskChanged};

use super::flat;
use crate::args::CancelArgs;
use crate::backend::{self, Backend, Need, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Gives a task up.
///
/// The wish is written down before anything is ended: killed in between, it leaves a
/// task that ends and is not begun again.
pub fn run(ctx: &mut Context, args: &CancelArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        return by_server(ctx, &scope, &server, args);
    }
    let task = flat::changeable_task(ctx, &scope, "cancel")?;
    let cancellation = cancellation(ctx, args)?;
    let when_active = if args.force {
        WhenActive::Stop(StopOptions {
            by: format!("run-agent task cancel: {}", cancellation.reason),
            grace: args.grace,
            kills: true,
            suppression: None,
        })
    } else {
        WhenActive::Refuse
    };
    let cancelled = cancel_task(scope.root(), &task, cancellation, &when_active, &*ctx.clock);
    let cancelled = cancelled.map_err(|error| refusal(&error))?;
    for warning in &cancelled.warnings {
        ctx.console.warn(warning);
    }
    tell(ctx, &cl_view::cancelled(&task, cancelled))
}

/// Has a server do it.
fn by_server(
    ctx: &mut Context,
    scope: &Scope,
    server: &Server,
    args: &CancelArgs,
) -> Result<Exit, CliError> {
    let (project, task) = backend::named_task(scope)?;
    let cancellation = cancellation(ctx, args)?;
    let asked = CancelRequest {
        force: args.force,
        grace_ms: u64::try_from(args.grace.as_millis()).unwrap_or(u64::MAX),
        reason: cancellation.reason,
        superseded_by: cancellation.superseded_by,
    };
    let path = backend::of_task(&project, &task).then("cancel");
    let answer: CancelAnswer = server.change(&path, &asked, args.grace)?;
    for warning in &answer.warnings {
        ctx.console.warn(warning);
    }
    tell(ctx, &answer.cancelled)
}

fn cancellation(ctx: &Context, args: &CancelArgs) -> Result<Cancellation, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::usage("the reason is empty").hint("say why the task is given up"));
    }
    let successor = args.superseded_by.as_deref().map(TaskId::parse_existing);
    let successor = successor
        .transpose()
        .map_err(|error| CliError::usage(format!("--superseded-by: {error}")))?;
    Ok(Cancellation {
        at: ctx.now(),
        reason: args.reason.trim().to_owned(),
        superseded_by: successor,
    })
}

fn refusal(error: &CancelError) -> CliError {
    if error.is_usage() {
        return CliError::usage(error.to_string());
    }
    if error.is_conflict() {
        return CliError::conflict(error.to_string())
            .hint("wait for its end, or add --force to stop it first");
    }
    CliError::failed(cl_view::chain(error))
}

fn tell(ctx: &mut Context, cancelled: &TaskCancelled) -> Result<Exit, CliError> {
    if ctx.console.is_json() {
        ctx.console.json(cancelled)?;
        return Ok(Exit::Success);
    }
    let (project, id) = (&cancelled.project, &cancelled.task);
    if cancelled.outcome == "cancelled" {
        ctx.console
            .line(format_args!("task {project}/{id} marked as cancelled"))?;
    } else {
        ctx.console
            .line(format_args!("task {project}/{id} was cancelled already"))?;
    }
    let reason = &cancelled.reason;
    ctx.console.line(format_args!("reason: {reason}"))?;
    if let Some(successor) = &cancelled.superseded_by {
        ctx.console
            .line(format_args!("superseded by: {successor}"))?;
    }
    Ok(Exit::Success)
}

/// Takes the giving up back; nothing is started.
pub fn take_back(ctx: &mut Context) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        let (project, task) = backend::named_task(&scope)?;
        let changed = server.do_to(&project, &task, "uncancel")?;
        return tell_taken_back(ctx, &changed);
    }
    let task = flat::changeable_task(ctx, &scope, "uncancel")?;
    let taken_back = uncancel_task(&task).map_err(|error| refusal(&error))?;
    let outcome = match taken_back {
        Some(_) => "uncancelled",
        None => "not_cancelled",
    };
    for warning in taken_back.into_iter().flatten() {
        ctx.console.warn(warning);
    }
    let changed = TaskChanged {
        outcome: outcome.to_owned(),
        project: task.project().clone(),
        task: task.id().clone(),
    };
    tell_taken_back(ctx, &changed)
}

fn tell_taken_back(ctx: &mut Context, changed: &TaskChanged) -> Result<Exit, CliError> {
    let (project, id) = (&changed.project, &changed.task);
    if ctx.console.is_json() {
        ctx.console.json(changed)?;
    } else if changed.outcome == "uncancelled" {
        ctx.console.line(format_args!(
            "task {project}/{id} is no longer cancelled; `run-agent task resume {id} --project {project}` takes it up"
        ))?;
    } else {
        ctx.console
            .note(format_args!("task {project}/{id} is not cancelled"));
    }
    Ok(Exit::Success)
}
