//! `stop` and `task stop`.

use cl_runner::stop::{
    StopError, StopOptions, StopReport, stop_deleted as stop_deleted_task, stop_task,
};
use cl_storage::owner::OwnerState;
use cl_storage::snapshot::TaskView;
use cl_storage::{RunId, TaskDir};
use serde_json::json;

use super::flat;
use crate::args::StopArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Stops a task and everything below it.
pub fn run(ctx: &mut Context, args: &StopArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let grace = if args.force {
        std::time::Duration::ZERO
    } else {
        args.grace
    };
    let task = match flat::changeable_task(ctx, &scope, "stop") {
        Ok(task) => task,
        Err(error) => return stop_deleted(ctx, &scope, grace).unwrap_or(Err(error)),
    };
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
    let options = StopOptions {
        by: "run-agent stop".to_owned(),
        grace,
        kills: !args.no_kill,
        suppression: suppression(ctx, args)?,
    };
    let report = stop_task(scope.root(), &task, &options, &*ctx.clock).map_err(stop_error)?;
    tell(ctx, &task, &report, &active)?;
    if matches!(report, StopReport::NothingRunning { .. }) {
        super::status::hint_at_missing_records(ctx, &view);
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
    let survivors = survivors(&report);
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

/// Ends what is left of a task whose folder is not there; `None` if nothing is.
fn stop_deleted(
    ctx: &mut Context,
    scope: &Scope,
    grace: std::time::Duration,
) -> Option<Result<Exit, CliError>> {
    let (project, task) = scope.require_task().ok()?;
    let task = scope.root().task(project, task).ok()?;
    let report = stop_deleted_task(scope.root(), &task, grace)?;
    Some(
        tell(ctx, &task, &report, &[]).and_then(|()| match survivors(&report) {
            0 => Ok(Exit::Success),
            left => Err(CliError::failed(format!(
                "{left} processes of {} survive; `run-agent ps` shows them",
                task.id()
            ))),
        }),
    )
}

/// Returns how long the monitor leaves the task alone; none is until it is started.
fn suppression(
    ctx: &mut Context,
    args: &StopArgs,
) -> Result<Option<std::time::Duration>, CliError> {
    if args.no_restart {
        return Ok(None);
    }
    Ok(Some(match args.suppress_for {
        Some(time) => time,
        None => ctx.config()?.config.defaults.stop_suppression,
    }))
}

fn survivors(report: &StopReport) -> u32 {
    match report {
        StopReport::NothingRunning { .. } | StopReport::StillRunning => 0,
        StopReport::Stopped { survivors, .. }
        | StopReport::ChildrenStopped { survivors, .. }
        | StopReport::EndedDeleted { survivors, .. }
        | StopReport::SettledLost { survivors, .. } => *survivors,
    }
}

fn tell(
    ctx: &mut Context,
    task: &TaskDir,
    report: &StopReport,
    runs: &[RunId],
) -> Result<(), CliError> {
    let (outcome, children) = match report {
        StopReport::NothingRunning { .. } => ("nothing_running", 0),
        StopReport::Stopped { .. } => ("stopped", 0),
        StopReport::ChildrenStopped { children, .. } => ("children_stopped", *children),
        StopReport::EndedDeleted { .. } => ("ended_deleted", 0),
        StopReport::SettledLost { children, .. } => ("ended_lost", *children),
        StopReport::StillRunning => ("still_running", 0),
    };
    if ctx.console.is_json() {
        let document = json!({
            "project": task.project(), "task": task.id(), "outcome": outcome, "runs": runs,
            "children": children, "survivors": survivors(report),
        });
        return ctx.console.json(&document);
    }
    let id = task.id();
    let tasks = if children == 1 {
        "task was"
    } else {
        "tasks were"
    };
    match report {
        StopReport::NothingRunning { is_marked: true } => ctx.console.note(format_args!(
            "nothing is running in task {id}; what would start it leaves it alone"
        )),
        StopReport::NothingRunning { is_marked: false } => ctx
            .console
            .note(format_args!("nothing is running in task {id}")),
        StopReport::Stopped { .. } => ctx.console.line(format_args!("Stopped task {id}"))?,
        StopReport::ChildrenStopped { .. } => ctx.console.line(format_args!(
            "Task {id} had ended already; {children} child {tasks} stopped"
        ))?,
        StopReport::EndedDeleted { ended, .. } => ctx.console.line(format_args!(
            "Stopped task {id}: its folder is gone, {ended} processes of it were ended"
        ))?,
        StopReport::SettledLost { owner, ended, .. } => {
            let why = match owner {
                OwnerState::Lost => "its supervisor had died",
                _ => "it had no supervisor",
            };
            let more = match children {
                0 => String::new(),
                _ => format!(", {children} child {tasks} stopped"),
            };
            ctx.console.line(format_args!(
                "Stopped task {id}: {why}, {ended} processes of it were ended{more}"
            ))?;
        }
        StopReport::StillRunning => ctx.console.line(format_args!(
            "Task {id} was asked to stop and still runs; `run-agent stop --force` kills it"
        ))?,
    }
    for run in runs {
        ctx.console.note(format_args!("run {run}"));
    }
    Ok(())
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
