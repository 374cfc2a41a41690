//! `wrap`.

use cl_runner::launch::prepare_named;
use cl_runner::wrap::{Capture, WrapEnd, WrapError, WrapOrder, Wrapped, wrap};
use cl_storage::space::Room;
use serde_json::json;

use super::launching;
use crate::args::WrapArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Runs a user's own session with an agent, on record.
pub fn run(ctx: &mut Context, args: &WrapArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project = launching::project(ctx, &scope)?;
    let order = order(
        ctx,
        args,
        scope.parent_run.as_ref().map(|run| run.value.clone()),
    )?;
    let id = launching::new_task_id(ctx, &scope, &project);
    let task = scope.root().task(&project, id.as_ref())?;
    if cl_runner::launch::room_for(&task) == Room::TooLittle {
        return Err(
            CliError::failed("less than 100 MiB are free where the root is")
                .hint("make room; `run-agent gc` deletes old runs"),
        );
    }
    let wrapped = wrap(scope.root(), &task, &order, |_| id.announce(ctx)).map_err(wrap_error)?;
    tell(ctx, &wrapped)?;
    if wrapped.survivors > 0 {
        ctx.console.warn(format_args!(
            "{} processes of the session survive; `run-agent ps` shows them",
            wrapped.survivors
        ));
    }
    Ok(match wrapped.end {
        WrapEnd::TimedOut => Exit::Timeout,
        WrapEnd::Exited(0) => Exit::Success,
        WrapEnd::Exited(code) => Exit::Passed(u8::try_from(code).unwrap_or(1)),
    })
}

fn order(
    ctx: &Context,
    args: &WrapArgs,
    parent_run: Option<cl_storage::RunId>,
) -> Result<WrapOrder, CliError> {
    if args.agent.trim().is_empty() {
        return Err(CliError::usage("--agent names no agent"));
    }
    let loaded = ctx.config()?;
    let executable = launching::executable()?;
    let agent = prepare_named(
        &loaded.config,
        &ctx.environment,
        &executable,
        args.agent.trim(),
    )
    .map_err(|error| {
        CliError::usage("the agent cannot be started")
            .caused_by(error)
            .hint("`run-agent validate` shows what each agent needs")
    })?;
    let cwd = launching::folder(ctx, args.cwd.as_deref(), ctx.environment.current_dir())?;
    Ok(WrapOrder {
        args: args.args.clone(),
        cwd,
        prompt: args
            .task_prompt
            .clone()
            .filter(|text| !text.trim().is_empty()),
        parent_run,
        previous_run: launching::run_flag("--previous-run-id", args.previous_run_id.as_deref())?,
        max_duration: args.max_duration.filter(|limit| !limit.is_zero()),
        grace: args.grace,
        capture: if args.capture {
            Capture::Transcript
        } else {
            Capture::Nothing
        },
        max_output_bytes: loaded.config.defaults.max_output_bytes,
        environment: ctx.environment.clone(),
        redactor: agent.redactor(loaded.config.all_secrets()),
        agent,
    })
}

fn wrap_error(error: WrapError) -> CliError {
    match error {
        WrapError::Solo(error) if error.is_conflict() => CliError::conflict(error.to_string()),
        WrapError::Overlap(overlap) => CliError::usage(overlap.to_string())
            .hint("give --root a folder of its own, outside of the work tree"),
        error => CliError::failed("the session failed").caused_by(error),
    }
}

fn tell(ctx: &mut Context, wrapped: &Wrapped) -> Result<(), CliError> {
    if !ctx.console.is_json() {
        return Ok(());
    }
    let run = &wrapped.run;
    let code = match wrapped.end {
        WrapEnd::Exited(code) => Some(code),
        WrapEnd::TimedOut => None,
    };
    ctx.console.json(&json!({
        "project": run.task().project(),
        "task": run.task().id(),
        "run_id": run.id(),
        "exit_code": code,
        "timed_out": wrapped.end == WrapEnd::TimedOut,
        "survivors": wrapped.survivors,
    }))
}
