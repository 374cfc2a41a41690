//! Launches by way of a server.

use std::path::Path;
use std::time::{Duration, Instant};

use cl_runner::wishes::{Wish, Wishes};
use cl_storage::{ProjectId, TaskId};
use cl_wire::changes::{LaunchKind, LaunchPolicy, LaunchRequest, Launched};
use cl_wire::shown::{StopRequest, Suppression, TaskShown};
use serde_json::json;

use super::server::of_task;
use super::{About, News, Server};
use crate::args::{ChildTimeout, Deadlock, LaunchArgs, LoopArgs};
use crate::commands::launching;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How often the task is looked at where the server does not tell of changes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How soon a signal is seen.
const SIGNALS: Duration = Duration::from_millis(100);
/// How many looks in a row a server that is started again may not answer.
const MOST_UNANSWERED: u32 = 300;

/// What is run by way of a server.
#[derive(Debug)]
pub(crate) struct Launching<'a> {
    pub(crate) kind: LaunchKind,
    pub(crate) project: ProjectId,
    pub(crate) task: TaskId,
    pub(crate) args: &'a LaunchArgs,
    pub(crate) restart: Option<&'a LoopArgs>,
    /// It is taken up although it was given up.
    pub(crate) force: bool,
}

/// Has the server run a task, and waits for its end unless that was not wanted.
pub(crate) fn run(
    ctx: &mut Context,
    server: &Server,
    launching: &Launching<'_>,
) -> Result<Exit, CliError> {
    let Launching {
        project,
        task,
        args,
        ..
    } = launching;
    for (flag, is_given) in [
        ("--parent-run-id", args.parent_run_id.is_some()),
        ("--previous-run-id", args.previous_run_id.is_some()),
        ("--follow", args.follow),
    ] {
        if is_given {
            return Err(CliError::usage(format!("servers do not offer {flag}"))
                .hint("leave it out, or use `run-agent` without --server"));
        }
    }
    let request = request(ctx, server, launching)?;
    let wishes = || {
        Wishes::prepare()
            .map_err(|error| CliError::failed("could not get ready to wait").caused_by(error))
    };
    let mut wishes = (!args.detach).then(wishes).transpose()?;
    let path = of_task(project, task).then("launch");
    let launched: Launched = server.change(&path, &request, Duration::ZERO)?;
    if let Some(place) = launched.queue_position {
        ctx.console
            .note(format_args!("task {task} is queued ({place}.)"));
    }
    match &mut wishes {
        None => announce(ctx, &launched),
        Some(wishes) => wait(ctx, server, launching, &launched, wishes),
    }
}

fn announce(ctx: &mut Context, launched: &Launched) -> Result<Exit, CliError> {
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "project": launched.project, "task": launched.task,
            "launch_id": launched.launch_id, "status": "running",
        }))?;
    } else {
        ctx.console.line(&launched.task)?;
    }
    Ok(Exit::Success)
}

fn request(
    ctx: &Context,
    server: &Server,
    launching: &Launching<'_>,
) -> Result<LaunchRequest, CliError> {
    let (args, restart) = (launching.args, launching.restart);
    let prompt = launching::prompt(ctx, args)?;
    Ok(LaunchRequest {
        agent: args.agent.clone(),
        cwd: folder(ctx, server, launching)?,
        depends_on: launching::depends_on(args, Some(&launching.task))?,
        env: launching::extra_env(args),
        force: launching.force,
        kind: launching.kind,
        policy: policy(args, restart),
        prompt,
    })
}

/// The folder that is named, or the one of the call where the server is on the same machine.
fn folder(
    ctx: &Context,
    server: &Server,
    launching: &Launching<'_>,
) -> Result<Option<String>, CliError> {
    let shown = |path: &Path| path.display().to_string();
    if !server.is_local() {
        // What it is on the server's machine, only the server can tell.
        return Ok(launching.args.cwd.as_deref().map(shown));
    }
    if launching.kind == LaunchKind::Resume && launching.args.cwd.is_none() {
        return Ok(None);
    }
    let here = ctx.environment.current_dir();
    let folder = launching::working_folder(ctx, launching.args, here)?;
    Ok(Some(shown(&folder)))
}

fn policy(args: &LaunchArgs, restart: Option<&LoopArgs>) -> LaunchPolicy {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    LaunchPolicy {
        child_wait_ms: args.child_wait_timeout.map(ms),
        dependency_poll_ms: args.dependency_poll_interval.map(ms),
        fails_on_deadlock: args.on_deadlock.map(|what| what == Deadlock::Fail),
        gates: restart.map(|it| it.gates.clone()).unwrap_or_default(),
        grace_ms: args.grace.map(ms),
        idle_timeout_ms: args.idle_timeout.map(ms),
        max_attempts: restart.and_then(|it| it.max_attempts),
        max_cost_usd: args.max_cost.map(|cost| cost.to_string()),
        max_duration_ms: args.max_duration.map(ms),
        max_gate_failures: restart.and_then(|it| it.max_gate_failures),
        max_output_bytes: args.max_output_bytes,
        max_task_duration_ms: args.max_task_duration.map(ms),
        max_tokens: args.max_tokens,
        require_change: restart.is_some_and(|it| it.require_change),
        restart_delay_ms: restart.and_then(|it| it.restart_delay).map(ms),
        resume_session: args.resume_session,
        stops_children: args.on_child_timeout.map(|what| what == ChildTimeout::Stop),
    }
}

/// Waits for the end of the launch; Ctrl-C and TERM stop the task, a second one at once.
fn wait(
    ctx: &mut Context,
    server: &Server,
    launching: &Launching<'_>,
    launched: &Launched,
    wishes: &mut Wishes,
) -> Result<Exit, CliError> {
    let (project, task) = (&launching.project, &launching.task);
    let mut asked: Option<Wish> = None;
    let mut unanswered = 0;
    let mut news = News::new(server, About::Tasks, project, Some(task));
    let mut finished: Option<TaskShown> = None;
    loop {
        match server.show(project, task) {
            // Its supervisor is still there, and whoever looks next is not to be told that it runs.
            Ok(shown) if has_ended(launched, &shown) && shown.task.active => {
                unanswered = 0;
                finished = Some(shown);
            }
            Ok(shown) => {
                unanswered = 0;
                // Somebody may have launched it anew since.
                let last = finished.take().filter(|_| !has_ended(launched, &shown));
                if let Some(exit) = ended(ctx, launched, &last.unwrap_or(shown), asked)? {
                    return Ok(exit);
                }
            }
            Err(error) if error.exit() == Exit::Unreachable && unanswered < MOST_UNANSWERED => {
                if unanswered == 0 {
                    let text = error.chain();
                    ctx.console.note(format_args!("{text}; trying again"));
                }
                unanswered += 1;
            }
            Err(error) => return Err(error),
        }
        let wish = match unanswered {
            0 => wish_or_news(wishes, &mut news),
            _ => wishes.within(LOOK_EVERY),
        };
        match wish {
            None => {}
            Some(Wish::HangUp) => return Ok(Exit::Terminated),
            Some(wish) => {
                let is_first = asked.replace(wish).is_none();
                let grace = launching.args.grace.unwrap_or(Duration::from_secs(10));
                let grace = if is_first { grace } else { Duration::ZERO };
                let how = StopRequest {
                    grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
                    kills: true,
                    runs: Vec::new(),
                    suppression: Suppression::Configured,
                };
                ctx.console.note(format_args!("stopping task {task}"));
                server.stop(project, task, &how)?;
                // One that was only queued leaves nothing to wait for.
                if let Ok(shown) = server.show(project, task)
                    && shown
                        .state
                        .as_ref()
                        .is_none_or(|it| it.launch_id != launched.launch_id)
                {
                    return Ok(of_wish(wish));
                }
            }
        }
    }
}

/// Waits for a signal; none if the task is to be looked at again.
fn wish_or_news(wishes: &mut Wishes, news: &mut News<'_>) -> Option<Wish> {
    let began = Instant::now();
    loop {
        if let Some(wish) = wishes.within(Duration::from_millis(1)) {
            return Some(wish);
        }
        if news.within(SIGNALS) || began.elapsed() >= news.patience(LOOK_EVERY) {
            return None;
        }
    }
}

fn of_wish(wish: Wish) -> Exit {
    match wish {
        Wish::Interrupt => Exit::Interrupted,
        Wish::Terminate | Wish::HangUp => Exit::Terminated,
    }
}

/// Tells whether it is recorded how the launch ended.
fn has_ended(launched: &Launched, shown: &TaskShown) -> bool {
    (shown.state.as_ref())
        .is_some_and(|state| state.launch_id == launched.launch_id && state.result.is_some())
}

/// Tells how the launch ended, if it has.
fn ended(
    ctx: &mut Context,
    launched: &Launched,
    shown: &TaskShown,
    asked: Option<Wish>,
) -> Result<Option<Exit>, CliError> {
    let Some(state) = &shown.state else {
        return Ok(None);
    };
    let is_its = state.launch_id == launched.launch_id;
    let Some(result) = state.result.as_ref().filter(|_| is_its) else {
        return Ok(None);
    };
    let exit = match result.status.as_str() {
        "completed" => Exit::Success,
        "stopped" => asked.map_or(Exit::Terminated, of_wish),
        _ => Exit::Failed,
    };
    let attempts = state.attempts.this_launch;
    let last_run = shown.runs.last().map(|run| &run.run_id);
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "project": launched.project, "task": launched.task,
            "launch_id": launched.launch_id, "status": result.status,
            "attempts": attempts, "last_run_id": last_run, "exit_code": exit.code(),
            "failure": result.failure, "left_children": result.left_children,
        }))?;
        return Ok(Some(exit));
    }
    let attempts = if attempts == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{attempts} attempts")
    };
    let (task, project) = (&launched.task, &launched.project);
    let status = &result.status;
    ctx.console
        .line(format_args!("task {task} {status} ({attempts})"))?;
    for child in &result.left_children {
        ctx.console.note(format_args!("still active: task {child}"));
    }
    if let Some(failure) = &result.failure {
        ctx.console.note(format_args!("reason: {failure}"));
    }
    if let (Exit::Failed, Some(run)) = (exit, last_run) {
        ctx.console.note(format_args!(
            "`run-agent output {task} --project {project} --run {run}` shows what the last run left"
        ));
    }
    Ok(Some(exit))
}
