//! `task cancel` and `task uncancel`.

use cl_runner::stop::{StopOptions, StopReport, stop_task};
use cl_storage::marker::{self, Cancellation, Marker};
use cl_storage::owner::OwnerState;
use cl_storage::queue;
use cl_storage::snapshot::TaskView;
use cl_storage::{Root, TaskId};
use cl_wire::changes::{CancelAnswer, CancelRequest, TaskCancelled, TaskChanged};

use super::{decision, flat};
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
    let cancellation = cancellation(ctx, args, task.id())?;
    let root = scope.root().clone();
    if let Some(id) = &cancellation.superseded_by
        && !root.task(task.project(), id)?.exists()
    {
        ctx.console.warn(format_args!("task {id} does not exist"));
    }
    let view = TaskView::read(&root, &task, ctx.now())?;
    let active = view.runs.iter().find(|run| run.is_active);
    let active = active.map(|run| format!("run {}", run.run.id()));
    let child = view.active_children.first();
    let active = active.or_else(|| child.map(|child| format!("child task {}", child.task)));
    if let Some(active) = active.filter(|_| !args.force) {
        return Err(
            CliError::conflict(format!("{active} of task {} is active", task.id()))
                .hint("wait for its end, or add --force to stop it first"),
        );
    }
    let path = Marker::Cancelled.path(&task);
    let failed =
        |error| CliError::failed(format!("could not write {}", path.display())).caused_by(error);
    let is_new = marker::cancel(&task, &cancellation).map_err(failed)?;
    let stopped = end(ctx, args, &root, &view, &cancellation)?;
    queue::drop_entries(&root, task.project(), task.id()).map_err(|error| {
        CliError::failed("could not take the task out of the queue").caused_by(error)
    })?;
    // What was said first is what counts.
    let said = marker::cancellation(&task).unwrap_or(cancellation);
    if is_new {
        let successor = said.superseded_by.as_ref();
        let successor = successor.map(|id| format!("; superseded by {id}"));
        let text = format!(
            "task cancelled: {}{}",
            said.reason,
            successor.unwrap_or_default()
        );
        decision::post(ctx, &task, text);
    }
    let outcome = if is_new {
        "cancelled"
    } else {
        "already_cancelled"
    };
    let cancelled = TaskCancelled {
        cancelled_at: said.at,
        outcome: outcome.to_owned(),
        project: task.project().clone(),
        reason: said.reason,
        stopped,
        superseded_by: said.superseded_by,
        task: task.id().clone(),
    };
    tell(ctx, &cancelled)
}

/// Has a server do it.
fn by_server(
    ctx: &mut Context,
    scope: &Scope,
    server: &Server,
    args: &CancelArgs,
) -> Result<Exit, CliError> {
    let (project, task) = backend::named_task(scope)?;
    let cancellation = cancellation(ctx, args, &task)?;
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

fn cancellation(ctx: &Context, args: &CancelArgs, task: &TaskId) -> Result<Cancellation, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::usage("the reason is empty").hint("say why the task is given up"));
    }
    let successor = args.superseded_by.as_deref().map(TaskId::parse_existing);
    let successor = successor
        .transpose()
        .map_err(|error| CliError::usage(format!("--superseded-by: {error}")))?;
    if successor.as_ref() == Some(task) {
        let text = format!("task {task} cannot be superseded by itself");
        return Err(CliError::usage(text));
    }
    Ok(Cancellation {
        at: ctx.now(),
        reason: args.reason.trim().to_owned(),
        superseded_by: successor,
    })
}

/// Ends what runs, or waits to run; tells whether there was anything.
fn end(
    ctx: &Context,
    args: &CancelArgs,
    root: &Root,
    view: &TaskView,
    cancellation: &Cancellation,
) -> Result<bool, CliError> {
    if !view.is_active() && view.owner_state == OwnerState::None {
        return Ok(false);
    }
    let options = StopOptions {
        by: format!("run-agent task cancel: {}", cancellation.reason),
        grace: args.grace,
        kills: true,
        suppression: None,
    };
    let report = stop_task(root, &view.task, &options, &*ctx.clock).map_err(|error| {
        CliError::failed("the task was given up, but not stopped").caused_by(error)
    })?;
    let left = match &report {
        StopReport::Stopped { survivors, .. }
        | StopReport::ChildrenStopped { survivors, .. }
        | StopReport::EndedDeleted { survivors, .. }
        | StopReport::SettledLost { survivors, .. } => *survivors,
        StopReport::NothingRunning { .. } | StopReport::StillRunning => 0,
    };
    if left > 0 {
        let task = view.task.id();
        return Err(CliError::failed(format!(
            "task {task} was given up, but {left} processes of it survive; `run-agent ps` shows them"
        )));
    }
    Ok(!matches!(report, StopReport::NothingRunning { .. }))
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
    let was_cancelled = Marker::Cancelled.path(&task).is_file();
    if was_cancelled {
        marker::clear(&task, Marker::Cancelled).map_err(|error| {
            let path = Marker::Cancelled.path(&task);
            CliError::failed(format!("could not remove {}", path.display())).caused_by(error)
        })?;
        decision::post(ctx, &task, "task uncancelled".to_owned());
    }
    let outcome = if was_cancelled {
        "uncancelled"
    } else {
        "not_cancelled"
    };
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
