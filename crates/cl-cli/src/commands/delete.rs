//! `task delete`.

use std::io::BufRead as _;

use cl_runner::delete::{DeleteError, DeleteReport, WhenActive, delete_task};
use cl_runner::stop::StopOptions;
use cl_storage::{TaskDir, TaskId, gc};
use serde_json::json;

use super::flat;
use crate::args::DeleteArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Deletes a task.
pub fn run(ctx: &mut Context, args: &DeleteArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
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
    if !args.yes && ctx.console.in_is_terminal() && !is_confirmed(ctx, &task)? {
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
    tell(ctx, &task, &report, &dependents)
}

/// Tells whether an agent of the task has called us.
fn is_around_us(ctx: &Context, task: &TaskDir) -> bool {
    let folder = ctx.environment.get("JRUN_TASK_FOLDER").map(str::trim);
    folder.is_some_and(|folder| {
        std::fs::canonicalize(folder).is_ok_and(|folder| folder == task.path())
    })
}

/// Asks on the terminal; everything but a plain yes is a no.
fn is_confirmed(ctx: &mut Context, task: &TaskDir) -> Result<bool, CliError> {
    let runs = task.runs()?.len();
    let question = format!(
        "Delete task {} of project {} with {runs} runs and all messages? [y/N] ",
        task.id(),
        task.project()
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
    task: &TaskDir,
    report: &DeleteReport,
    dependents: &[TaskId],
) -> Result<Exit, CliError> {
    let deleted = &report.deleted;
    if let Some((path, error)) = &deleted.leftover {
        let error = CliError::failed(error.to_string());
        ctx.console.warn(format_args!(
            "{}: {} is left, which nobody sees; `run-agent gc` removes it",
            error.chain(),
            path.display()
        ));
    }
    if ctx.console.is_json() {
        let stopped = report.stopped.iter().map(ToString::to_string);
        ctx.console.json(&json!({
            "project": task.project(),
            "task": task.id(),
            "path": deleted.task.path,
            "size_bytes": deleted.task.size_bytes,
            "stopped": stopped.collect::<Vec<_>>(),
            "dependents": dependents,
            "leftover": deleted.leftover.as_ref().map(|(path, _)| path),
        }))?;
    } else {
        for stopped in &report.stopped {
            ctx.console.note(format_args!("Stopped {stopped}"));
        }
        ctx.console
            .line(format_args!("Deleted task: {}", task.id()))?;
    }
    Ok(if deleted.leftover.is_some() {
        Exit::Failed
    } else {
        Exit::Success
    })
}
