//! `stop` and `task stop`.

use cl_runner::stop::{StopError, StopOptions, StopReport, stop_task};
use cl_storage::RunId;
use cl_storage::snapshot::TaskView;
use serde_json::json;

use super::flat;
use crate::args::StopArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Stops a task and everything below it.
pub fn run(ctx: &mut Context, args: &StopArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let task = flat::changeable_task(ctx, &scope, "stop")?;
    let view = TaskView::read(scope.root(), &task, ctx.now())?;
    let wanted = wanted_runs(&task, args)?;
    let active: Vec<RunId> = view
        .runs
        .iter()
        .filter(|run| run.is_active)
        .map(|run| run.run.id().clone())
        .collect();
    if !wanted.is_empty() && !wanted.iter().any(|run| active.contains(run)) {
        ctx.console.note(format_args!(
            "none of the named runs of {} is running",
            task.id()
        ));
        return Ok(Exit::Success);
    }
    let grace = if args.force {
        std::time::Duration::ZERO
    } else {
        args.grace
    };
    let options = StopOptions {
        by: "run-agent stop".to_owned(),
        grace,
        kills: !args.no_kill,
    };
    let report = stop_task(scope.root(), &task, &options, &*ctx.clock).map_err(stop_error)?;
    let (outcome, survivors) = match &report {
        StopReport::NothingRunning => ("nothing_running", 0),
        StopReport::Stopped { survivors, .. } => ("stopped", *survivors),
        StopReport::SettledLost { survivors, .. } => ("ended_lost", *survivors),
        StopReport::StillRunning => ("still_running", 0),
    };
    if ctx.console.is_json() {
        let document = json!({
            "project": task.project(), "task": task.id(), "outcome": outcome, "runs": active, "survivors": survivors,
        });
        ctx.console.json(&document)?;
    } else {
        match &report {
            StopReport::NothingRunning => ctx
                .console
                .note(format_args!("nothing is running in task {}", task.id())),
            StopReport::Stopped { .. } => ctx
                .console
                .line(format_args!("Stopped task {}", task.id()))?,
            StopReport::SettledLost { ended, .. } => ctx.console.line(format_args!(
                "Stopped task {}: its supervisor had died, {ended} processes of it were ended",
                task.id()
            ))?,
            StopReport::StillRunning => ctx.console.line(format_args!(
                "Task {} was asked to stop and still runs; `run-agent stop --force` kills it",
                task.id()
            ))?,
        }
        for run in &active {
            ctx.console.note(format_args!("run {run}"));
        }
    }
    if let StopReport::Stopped { left_children, .. } = &report
        && *left_children > 0
    {
        let message = format!(
            "{left_children} child tasks of {} are still active; `run-agent list` shows them",
            task.id()
        );
        return Err(CliError::failed(message));
    }
    if survivors > 0 {
        let message = format!(
            "{survivors} processes of {} survive; `run-agent ps` shows them",
            task.id()
        );
        return Err(CliError::failed(message));
    }
    Ok(if report == StopReport::StillRunning {
        Exit::Failed
    } else {
        Exit::Success
    })
}

fn wanted_runs(task: &cl_storage::TaskDir, args: &StopArgs) -> Result<Vec<RunId>, CliError> {
    let mut runs = Vec::new();
    for text in &args.runs {
        let run = RunId::parse(text)?;
        crate::scope::Scope::existing_run(task, &run)?;
        runs.push(run);
    }
    Ok(runs)
}

fn stop_error(error: StopError) -> CliError {
    let exit = match &error {
        StopError::External { .. } => Exit::Conflict,
        StopError::TimedOut { .. } => Exit::Timeout,
        _ => Exit::Failed,
    };
    CliError::new(exit, "the task was not stopped").caused_by(error)
}
