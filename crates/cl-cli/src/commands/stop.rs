//! `stop` and `task stop`.

use cl_runner::stop::{
    StopError, StopOptions, StopReport, stop_deleted as stop_deleted_task, stop_task,
};
use cl_storage::RunId;
use cl_storage::owner::OwnerState;
use cl_storage::snapshot::TaskView;
use cl_wire::shown::{StopAnswer, StopOutcome, StopRequest, Suppression};

use super::flat;
use crate::args::StopArgs;
use crate::backend::{self, Backend, Need};
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
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        let (project, task) = backend::named_task(&scope)?;
        let answer = server.stop(&project, &task, &asked(args, grace)?)?;
        return conclude(ctx, &answer);
    }
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
        return conclude(ctx, &cl_view::not_among(&task));
    }
    let options = StopOptions {
        by: "run-agent stop".to_owned(),
        grace,
        kills: !args.no_kill,
        suppression: suppression(ctx, args)?,
    };
    let report = stop_task(scope.root(), &task, &options, &*ctx.clock).map_err(stop_error)?;
    if matches!(report, StopReport::NothingRunning { .. }) {
        super::status::hint_at_missing_records(ctx, &view);
    }
    conclude(ctx, &cl_view::stop_answer(&task, &report, active))
}

/// Says to a server what is asked for.
fn asked(args: &StopArgs, grace: std::time::Duration) -> Result<StopRequest, CliError> {
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let runs = args.runs.iter().map(|run| RunId::parse(run));
    Ok(StopRequest {
        grace_ms: ms(grace),
        kills: !args.no_kill,
        runs: runs.collect::<Result<_, _>>()?,
        suppression: match args.suppress_for {
            _ if args.no_restart => Suppression::ForGood,
            Some(time) => Suppression::ForMs(ms(time)),
            None => Suppression::Configured,
        },
    })
}

/// Tells what happened, and whether it is what was asked for.
fn conclude(ctx: &mut Context, answer: &StopAnswer) -> Result<Exit, CliError> {
    tell(ctx, answer)?;
    let (stopped, left) = (&answer.stopped, answer.left_children);
    let task = &stopped.task;
    if left > 0 {
        return Err(CliError::failed(format!(
            "{left} child tasks of {task} are still active; `run-agent list` shows them"
        )));
    }
    if stopped.survivors > 0 {
        return Err(CliError::failed(format!(
            "{} processes of {task} survive; `run-agent ps` shows them",
            stopped.survivors
        )));
    }
    Ok(match stopped.outcome {
        StopOutcome::StillRunning => Exit::Failed,
        _ => Exit::Success,
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
    Some(conclude(
        ctx,
        &cl_view::stop_answer(&task, &report, Vec::new()),
    ))
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

fn tell(ctx: &mut Context, answer: &StopAnswer) -> Result<(), CliError> {
    let StopAnswer { stopped, ended, .. } = answer;
    if ctx.console.is_json() {
        return ctx.console.json(stopped);
    }
    let (id, children) = (&stopped.task, stopped.children);
    let tasks = if children == 1 {
        "task was"
    } else {
        "tasks were"
    };
    match stopped.outcome {
        StopOutcome::NothingRunning if answer.is_other_run => ctx
            .console
            .note(format_args!("none of the named runs of {id} is running")),
        StopOutcome::NothingRunning if answer.is_marked => ctx.console.note(format_args!(
            "nothing is running in task {id}; what would start it leaves it alone"
        )),
        StopOutcome::NothingRunning => ctx
            .console
            .note(format_args!("nothing is running in task {id}")),
        StopOutcome::Stopped => ctx.console.line(format_args!("Stopped task {id}"))?,
        StopOutcome::ChildrenStopped => ctx.console.line(format_args!(
            "Task {id} had ended already; {children} child {tasks} stopped"
        ))?,
        StopOutcome::EndedDeleted => ctx.console.line(format_args!(
            "Stopped task {id}: its folder is gone, {ended} processes of it were ended"
        ))?,
        StopOutcome::EndedLost => {
            let why = match answer.owner {
                Some(OwnerState::Lost) => "its supervisor had died",
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
        StopOutcome::StillRunning => ctx.console.line(format_args!(
            "Task {id} was asked to stop and still runs; `run-agent stop --force` kills it"
        ))?,
    }
    for run in &stopped.runs {
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
