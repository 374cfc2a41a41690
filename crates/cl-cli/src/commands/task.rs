//! `task` and `task resume`.

use std::time::Duration;

use cl_runner::launch::{Kind, LaunchFile, Mode};
use cl_storage::TaskDir;
use cl_storage::marker::{Command, Marker, Rule, rule};
use cl_wire::changes::{ClearRequest, LaunchKind, TaskStartable};

use super::flat;
use super::launching::{self, Order};
use super::nesting;
use super::waiting::{Wait, wait};
use crate::args::{LaunchArgs, LoopArgs, ResumeArgs, RunArgs};
use crate::backend::launch::Launching;
use crate::backend::{self, Backend, Need, Server};
use crate::commands::launch_policy;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Runs a task until it is done.
pub fn run(ctx: &mut Context, args: &RunArgs) -> Result<Exit, CliError> {
    start(ctx, Kind::Task, &args.launch, Some(&args.restart))
}

/// Starts a task or a single run.
pub(super) fn start(
    ctx: &mut Context,
    kind: Kind,
    args: &LaunchArgs,
    restart: Option<&LoopArgs>,
) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project = launching::project(ctx, &scope)?;
    // What an agent launches belongs to the task around it, whose supervisor launches it.
    let is_nested = scope.enclosing.is_some() && ctx.global.server.is_none();
    if !is_nested && let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        let id = launching::new_task_id(ctx, &scope, &project);
        id.announce(ctx);
        let launching = Launching {
            kind: match kind {
                Kind::Task => LaunchKind::Task,
                Kind::Job => LaunchKind::Job,
            },
            project,
            task: id.as_ref().clone(),
            args,
            restart,
            force: false,
        };
        return backend::launch::run(ctx, &server, &launching);
    }
    let prompt = launching::prompt(ctx, args)?;
    let cwd = launching::working_folder(ctx, args, ctx.environment.current_dir())?;
    let previous_run = launching::run_flag("--previous-run-id", args.previous_run_id.as_deref())?;
    launching::depends_on(args, scope.task.as_ref().map(|task| &task.value))?;
    let around = nesting::around(&scope)?;
    let mut base = match &around {
        Some(around) => nesting::inherited_policy(around),
        None => launch_policy::configured_policy(&ctx.config()?.config),
    };
    if prompt.is_none() {
        require_prompt_of_record(&scope, kind)?;
    }
    // Nothing is announced that cannot be started.
    let ready = match &around {
        Some(_) => None,
        None => Some(launching::ready(ctx, args.agent.as_deref())?),
    };
    let id = launching::new_task_id(ctx, &scope, &project);
    let task = scope.root().task(&project, id.as_ref())?;
    launch_policy::add_task_gates(ctx, &mut base, &task)?;
    let keeps_prompt = launching::keeps_other_prompt(&task, prompt.as_deref());
    let order = Order {
        kind,
        mode: Mode::Start,
        task,
        prompt,
        cwd,
        policy: launch_policy::policy(base, args, restart),
        agent: args.agent.clone(),
        extra_env: launching::extra_env(args),
        parent_run: scope.parent_run.as_ref().map(|run| run.value.clone()),
        parent: None,
        depth: 0,
        previous_run,
        depends_on: launching::depends_on(args, Some(id.as_ref()))?,
        takes_up_cancelled: false,
        is_detached: args.detach,
        step: None,
    };
    let followed = Wait::prepare(&order, args.follow)?.notifying(ctx, args.notify);
    let flight = launching::launch(ctx, around.as_ref(), order, ready)?;
    id.announce(ctx);
    if keeps_prompt {
        launching::tell_kept_prompt(ctx);
    }
    launching::warn_of_dependencies(ctx, scope.root(), flight.task());
    wait(ctx, followed, flight)
}

/// Without a prompt there must be a task with one; found out before anything is made.
fn require_prompt_of_record(scope: &crate::scope::Scope, kind: Kind) -> Result<(), CliError> {
    let hint = "say what the agent is to do with --prompt or --prompt-file";
    let (Some(_), Some(task)) = (&scope.project, &scope.task) else {
        return Err(CliError::usage("there is no prompt").hint(hint));
    };
    let dir = scope.root().task(scope.require_project()?, &task.value)?;
    if dir.prompt().is_file() {
        return Ok(());
    }
    let what = if kind == Kind::Job { "job" } else { "task" };
    Err(CliError::usage(format!(
        "there is no prompt for {what} {}, and no TASK.md in its folder",
        task.value
    ))
    .hint(hint))
}

/// Takes a task up again.
pub fn resume(ctx: &mut Context, args: &ResumeArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    if let Backend::Server(server) = backend::open(ctx, Need::Change)? {
        return resume_by_server(ctx, &scope, &server, args);
    }
    let task = flat::changeable_task(ctx, &scope, "resume")?;
    let file = LaunchFile::read(&task).map_err(|error| {
        CliError::failed(format!("could not tell how {} was launched", task.id())).caused_by(error)
    })?;
    if args.no_start {
        return clear_only(ctx, &task, args.force);
    }
    let of_launch = file.as_ref().and_then(|file| file.prompt.clone());
    let given = launching::prompt(ctx, &args.launch)?;
    let keeps_prompt = launching::keeps_other_prompt(&task, given.as_deref());
    let prompt = given.or(of_launch);
    if prompt.is_none() && !task.prompt().is_file() {
        return Err(CliError::usage(format!(
            "task {} has no TASK.md and no prompt was given",
            task.id()
        ))
        .hint("say what the agent is to do with --prompt or --prompt-file"));
    }
    let folder = file.as_ref().map_or_else(
        || ctx.environment.current_dir().to_owned(),
        |file| file.cwd.clone(),
    );
    let cwd = launching::working_folder(ctx, &args.launch, &folder)?;
    let mut base = match &file {
        Some(file) => file.policy.clone(),
        None => launch_policy::configured_policy(&ctx.config()?.config),
    };
    launch_policy::add_task_gates(ctx, &mut base, &task)?;
    let lineage = file
        .as_ref()
        .map_or((None, 0), |file| (file.parent.clone(), file.depth));
    let depends_on = launching::depends_on(&args.launch, Some(task.id()))?;
    let mut extra_env = file
        .as_ref()
        .map(|file| file.env.clone())
        .unwrap_or_default();
    extra_env.extend(launching::extra_env(&args.launch));
    ctx.console
        .note(format_args!("Resuming task: {}", task.id()));
    let order = Order {
        kind: file.as_ref().map_or(Kind::Task, |file| file.kind),
        mode: Mode::Resume,
        task,
        prompt,
        cwd,
        policy: launch_policy::policy(base, &args.launch, Some(&args.restart)),
        agent: args
            .launch
            .agent
            .clone()
            .or_else(|| file.map(|file| file.agent_name)),
        extra_env,
        parent: lineage.0,
        depth: lineage.1,
        parent_run: scope.parent_run.as_ref().map(|run| run.value.clone()),
        previous_run: launching::run_flag(
            "--previous-run-id",
            args.launch.previous_run_id.as_deref(),
        )?,
        depends_on,
        takes_up_cancelled: args.force,
        is_detached: args.launch.detach,
        step: None,
    };
    let ready = launching::ready(ctx, order.agent.as_deref())?;
    let followed = Wait::prepare(&order, args.launch.follow)?.notifying(ctx, args.launch.notify);
    let flight = launching::launch(ctx, None, order, Some(ready))?;
    if keeps_prompt {
        launching::tell_kept_prompt(ctx);
    }
    launching::warn_of_dependencies(ctx, scope.root(), flight.task());
    wait(ctx, followed, flight)
}

/// Has a server take a task up.
fn resume_by_server(
    ctx: &mut Context,
    scope: &Scope,
    server: &Server,
    args: &ResumeArgs,
) -> Result<Exit, CliError> {
    let (project, task) = backend::named_task(scope)?;
    if args.no_start {
        let path = backend::of_task(&project, &task).then("clear");
        let asked = ClearRequest { force: args.force };
        let startable: TaskStartable = server.change(&path, &asked, Duration::ZERO)?;
        return tell_startable(ctx, &startable);
    }
    ctx.console.note(format_args!("Resuming task: {task}"));
    let launching = Launching {
        kind: LaunchKind::Resume,
        project,
        task,
        args: &args.launch,
        restart: Some(&args.restart),
        force: args.force,
    };
    backend::launch::run(ctx, server, &launching)
}

/// Takes the markers away and starts nothing.
fn clear_only(ctx: &mut Context, task: &TaskDir, forced: bool) -> Result<Exit, CliError> {
    let command = if forced {
        Command::ForcedResume
    } else {
        Command::Resume
    };
    let is_cancelled = Marker::Cancelled.path(task).is_file();
    if is_cancelled && rule(Marker::Cancelled, command) == Rule::Refuse {
        return Err(
            CliError::conflict(format!("task {} was given up", task.id()))
                .hint("add --force to take it up again"),
        );
    }
    let is_taken_away =
        |marker: &Marker| rule(*marker, command) == Rule::Clear && marker.path(task).is_file();
    let markers: Vec<Marker> = Marker::ALL.into_iter().filter(is_taken_away).collect();
    let cleared = cl_runner::settle::clear_for_resume(task, command, &*ctx.clock);
    cleared.map_err(|error| {
        CliError::conflict(format!("could not take up {}", task.id())).caused_by(error)
    })?;
    let names = markers.iter().map(|marker| marker.file_name().to_owned());
    let startable = TaskStartable {
        cleared: names.collect(),
        outcome: "startable".to_owned(),
        project: task.project().clone(),
        task: task.id().clone(),
    };
    tell_startable(ctx, &startable)
}

fn tell_startable(ctx: &mut Context, startable: &TaskStartable) -> Result<Exit, CliError> {
    if ctx.console.is_json() {
        ctx.console.json(startable)?;
    } else {
        let task = &startable.task;
        ctx.console
            .line(format_args!("task {task} can be started again"))?;
    }
    Ok(Exit::Success)
}
