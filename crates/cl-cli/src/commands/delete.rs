//! `task delete`.

use std::io::BufRead as _;

use cl_runner::delete::{DeleteError, WhenActive, delete_task};
use cl_runner::stop::StopOptions;
use cl_storage::{ProjectId, TaskDir, TaskId, gc};
use cl_wire::changes::{DeleteAnswer, DeleteRequest, TaskDeleted};

use super::flat;
use crate::args::DeleteArgs;
use crate::backend::{self, Backend, Need, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Deletes a task.
pub fn run(ctx: &mut Context, args: &DeleteArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        return by_server(ctx, &scope, &server, args);
    }
    let task = flat::changeable_task(ctx, &scope, "delete")?;
    if is_around_us(ctx, &task) {
        return Err(CliError::conflict(format!(
            "{} runs this command, so it cannot be deleted from here",
            task.id()
        ))
        .hint("create DONE in its folder to end it, and delete it from outside"));
    }
    let project = scope.existing_project()?;
    let dependents = gc::dependents(&project, task.id())?;
    for id in &dependents {
        ctx.console
            .warn(format_args!("task {id} waits for {}", task.id()));
    }
    let asks = !args.yes && ctx.console.in_is_terminal();
    if asks && !is_confirmed(ctx, task.project(), task.id(), task.runs()?.len())? {
        ctx.console.note("Nothing was deleted");
        return Ok(Exit::Failed);
    }
    let when_active = if args.force {
        WhenActive::Stop(StopOptions {
            by: "run-agent task delete".to_owned(),
            grace: args.grace,
            kills: true,
            suppression: None,
        })
    } else {
        WhenActive::Refuse
    };
    let report = delete_task(scope.root(), &task, &when_active, &*ctx.clock)
        .map_err(|error| refusal(error, &task))?;
    let (leftover, error) = match report.deleted.leftover {
        Some((path, error)) => (Some(path.display().to_string()), Some(error)),
        None => (None, None),
    };
    let deleted = TaskDeleted {
        dependents,
        leftover,
        path: report.deleted.task.path.display().to_string(),
        project: task.project().clone(),
        size_bytes: report.deleted.task.size_bytes,
        stopped: report.stopped.iter().map(ToString::to_string).collect(),
        task: task.id().clone(),
    };
    let error = error.map(|error| CliError::failed(error.to_string()).chain());
    tell(ctx, &deleted, error.as_deref())
}

/// Has a server do it.
fn by_server(
    ctx: &mut Context,
    scope: &Scope,
    server: &Server,
    args: &DeleteArgs,
) -> Result<Exit, CliError> {
    let (project, task) = backend::named_task(scope)?;
    let shown = server.show(&project, &task)?;
    let asks = !args.yes && ctx.console.in_is_terminal();
    if asks && !is_confirmed(ctx, &project, &task, shown.runs.len())? {
        ctx.console.note("Nothing was deleted");
        return Ok(Exit::Failed);
    }
    let asked = DeleteRequest {
        force: args.force,
        grace_ms: u64::try_from(args.grace.as_millis()).unwrap_or(u64::MAX),
    };
    let path = backend::of_task(&project, &task).then("delete");
    let answer: DeleteAnswer = server.change(&path, &asked, args.grace)?;
    for id in &answer.deleted.dependents {
        ctx.console.warn(format_args!("task {id} waits for {task}"));
    }
    tell(ctx, &answer.deleted, answer.leftover_error.as_deref())
}

/// Tells whether an agent of the task has called us.
fn is_around_us(ctx: &Context, task: &TaskDir) -> bool {
    let folder = ctx.environment.get("JRUN_TASK_FOLDER").map(str::trim);
    folder.is_some_and(|folder| {
        std::fs::canonicalize(folder).is_ok_and(|folder| folder == task.path())
    })
}

/// Asks on the terminal; everything but a plain yes is a no.
fn is_confirmed(
    ctx: &mut Context,
    project: &ProjectId,
    task: &TaskId,
    runs: usize,
) -> Result<bool, CliError> {
    let question = format!(
        "Delete task {task} of project {project} with {runs} runs and all messages? [y/N] "
    );
    // Whoever cannot see the question answers with the end of the input, which is a no.
    write!(ctx.console.err(), "{question}").ok();
    ctx.console.err().flush().ok();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::failed("could not read the answer").caused_by(error))?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

fn refusal(error: DeleteError, task: &TaskDir) -> CliError {
    if !task.exists() {
        // Of several that delete it, all but one find out in different places.
        let text = format!("task {} does not exist any more", task.id());
        return CliError::not_found(text).hint("somebody else has deleted it meanwhile");
    }
    let exit = if error.is_conflict() {
        Exit::Conflict
    } else {
        Exit::Failed
    };
    let hint = match &error {
        DeleteError::Active { .. } => {
            Some("wait for it, or stop and delete it with --force".to_owned())
        }
        DeleteError::Survivors { .. } => Some(format!(
            "`run-agent ps` shows them; `run-agent stop --force {}` tries again",
            task.id()
        )),
        _ => None,
    };
    let failed = CliError::new(exit, "the task was not deleted").caused_by(error);
    match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

fn tell(
    ctx: &mut Context,
    deleted: &TaskDeleted,
    leftover_error: Option<&str>,
) -> Result<Exit, CliError> {
    if let Some(path) = &deleted.leftover {
        let error = leftover_error.unwrap_or("it could not be removed");
        ctx.console.warn(format_args!(
            "{error}: {path} is left, which nobody sees; `run-agent gc` removes it"
        ));
    }
    if ctx.console.is_json() {
        ctx.console.json(deleted)?;
    } else {
        for stopped in &deleted.stopped {
            ctx.console.note(format_args!("Stopped {stopped}"));
        }
        ctx.console
            .line(format_args!("Deleted task: {}", deleted.task))?;
    }
    Ok(if deleted.leftover.is_some() {
        Exit::Failed
    } else {
        Exit::Success
    })
}
