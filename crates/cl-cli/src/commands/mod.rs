//! The commands, one module each.

pub mod batch;
mod blocked;
pub mod bus;
pub mod cancel;
pub mod completion;
pub mod config;
pub mod delete;
pub mod doctor;
mod doctor_agents;
mod doctor_live;
mod doctor_processes;
mod doctor_summary;
pub mod facts;
pub(crate) mod flat;
mod following;
pub mod gc;
pub mod goal;
pub mod import;
pub mod iterate;
pub mod job;
mod launch_policy;
pub(crate) mod launching;
pub mod limits;
pub mod list;
pub mod logs;
pub mod monitor;
mod nesting;
pub mod open;
pub mod output;
mod plan;
mod progress;
pub mod ps;
pub mod recover;
pub mod review;
pub mod review_run;
mod run_selector;
mod series;
pub mod serve;
mod served_output;
pub mod shell_setup;
pub mod show;
pub mod status;
pub mod stop;
pub mod supervise;
pub mod synthesize;
pub mod task;
pub mod unblock;
pub mod usage;
pub mod validate;
pub mod verify;
pub mod version;
mod waiting;
pub mod wake;
pub mod watch;
pub mod wrap;

use crate::args::{
    BusCommand, Cli, Command, DoctorCommand, FactsCommand, GoalCommand, JobCommand, OutputCommand,
    ReviewCommand, RunCommand, TaskCommand, WorkflowCommand,
};
pub mod workflow;

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::{Request, TaskRule};

/// Runs the command of `cli`.
pub fn run(ctx: &mut Context, cli: &Cli) -> Result<Exit, CliError> {
    let Some(command) = &cli.command else {
        return Ok(no_command(ctx));
    };
    if cli.global.config.is_some() {
        // A file that was named is wrong or right whether or not it is needed.
        ctx.config()?;
    }
    if cli.global.explain_scope {
        let scope = ctx.scope()?;
        scope.explain(&mut ctx.console)?;
        return Ok(Exit::Success);
    }
    crate::backend::check(ctx, command)?;
    match command {
        Command::Task(args) => match &args.command {
            None => task::run(ctx, &args.run),
            Some(TaskCommand::Resume(args)) => task::resume(ctx, args),
            Some(TaskCommand::Stop(args)) => stop::run(ctx, args),
            Some(TaskCommand::Wake(_)) => wake::run(ctx),
            Some(TaskCommand::Show(_)) => show::run(ctx),
            Some(TaskCommand::Delete(args)) => delete::run(ctx, args),
            Some(TaskCommand::Cancel(args)) => cancel::run(ctx, args),
            Some(TaskCommand::Uncancel(_)) => cancel::take_back(ctx),
            Some(TaskCommand::Unblock(args)) => unblock::run(ctx, args),
        },
        Command::Job(args) => match &args.command {
            None => job::run(ctx, args),
            Some(JobCommand::Batch(args)) => batch::run(ctx, args),
        },
        Command::Iterate(args) => iterate::run(ctx, args),
        Command::Wrap(args) => wrap::run(ctx, args),
        Command::Run(RunCommand::Import(args)) => import::run(ctx, args),
        Command::Workflow(WorkflowCommand::Run(args)) => workflow::run(ctx, args),
        Command::Goal(GoalCommand::Decompose(args)) => goal::decompose(ctx, args),
        Command::Goal(GoalCommand::Apply(args)) => goal::apply(ctx, args),
        Command::Monitor(args) => monitor::run(ctx, args),
        Command::Serve(call) => serve::run(ctx, call),
        Command::Open(args) => open::run(ctx, args),
        Command::Stop(args) => stop::run(ctx, args),
        Command::Resume(args) => task::resume(ctx, args),
        Command::Recover(args) => recover::run(ctx, args),
        Command::Ps(args) => ps::run(ctx, args),
        Command::List(args) => list::run(ctx, args),
        Command::Status(args) => status::run(ctx, args),
        Command::Watch(args) => watch::run(ctx, args),
        Command::Verify(_) => verify::run(ctx),
        Command::Usage(args) => usage::run(ctx, args),
        Command::Output(call) => match &call.command {
            None => output::run(ctx, &call.print),
            Some(OutputCommand::Synthesize(args)) => synthesize::run(ctx, args),
        },
        Command::Review(ReviewCommand::Quorum(args)) => review::quorum(ctx, args),
        Command::Review(ReviewCommand::Run(args)) => review_run::run(ctx, args),
        Command::Logs(args) => logs::run(ctx, args),
        Command::Bus(BusCommand::Post(args)) => bus::post(ctx, args),
        Command::Bus(BusCommand::Read(args)) => bus::read(ctx, args),
        Command::Bus(BusCommand::Discover(args)) => bus::discover(ctx, args),
        Command::Bus(BusCommand::Check(args)) => bus::check(ctx, args),
        Command::Limits(args) => limits::run(ctx, args),
        Command::Gc(args) => gc::run(ctx, args),
        Command::Doctor(args) => match &args.command {
            None if args.agents.agent.is_some() => doctor_agents::run(ctx, &args.agents),
            None => doctor_summary::run(ctx, &args.agents),
            Some(DoctorCommand::Storage) => doctor::storage(ctx),
            Some(DoctorCommand::Agents(args)) => doctor_agents::run(ctx, args),
            Some(DoctorCommand::Processes) => doctor_processes::run(ctx),
        },
        Command::Facts(FactsCommand::List(args)) => facts::list(ctx, args),
        Command::Facts(FactsCommand::Promote(args)) => facts::promote(ctx, args),
        Command::Validate(args) => validate::run(ctx, args),
        Command::Config(command) => config::run(ctx, command),
        Command::ShellSetup(command) => shell_setup::run(ctx, command),
        Command::Version => version::run(ctx),
        Command::Completion { shell } => completion::run(ctx, *shell),
    }
}

/// Says what can be done. `conductor` without a command was parsed as its `serve`.
fn no_command(ctx: &mut Context) -> Exit {
    let help = crate::args::grammar(ctx.binary).render_help();
    // Help that nobody reads to its end is no failure.
    write!(ctx.console.err(), "{help}").ok();
    Exit::Usage
}

/// What a command asks of the scope resolver.
pub fn request(cli: &Cli) -> Result<Request, CliError> {
    let global = &cli.global;
    let mut request = Request {
        root: global.root.clone(),
        project: global.project.clone(),
        no_infer: global.no_infer,
        ..Request::default()
    };
    let Some(command) = &cli.command else {
        return Ok(request);
    };
    request.infers_project = infers_project(command);
    request.infers_task = infers_task(command);
    request.infers_enclosing = infers_enclosing(command);
    if makes_task(command) {
        request.task_rule = TaskRule::New;
    }
    if is_about_one_task(command) && !is_batch(command) {
        let id = position(command);
        request.task = global.one_task(id)?.map(str::to_owned);
        request.task_is_positional = global.tasks.is_empty();
    }
    match command {
        Command::Output(call) => request.run.clone_from(&call.print.run),
        Command::Bus(BusCommand::Post(args)) => request.run.clone_from(&args.run),
        Command::Workflow(WorkflowCommand::Run(args)) => {
            request.parent_run.clone_from(&args.step.parent_run_id);
        }
        Command::Iterate(args) => request.parent_run.clone_from(&args.step.parent_run_id),
        Command::Job(args) => {
            let parent_run = match &args.command {
                None => &args.launch.parent_run_id,
                Some(JobCommand::Batch(args)) => &args.step.parent_run_id,
            };
            request.parent_run.clone_from(parent_run);
        }
        Command::Wrap(args) => request.parent_run.clone_from(&args.parent_run_id),
        Command::Run(RunCommand::Import(args)) => {
            request.parent_run.clone_from(&args.parent_run_id);
        }
        Command::Task(args) if args.command.is_none() => {
            let launch = &args.run.launch;
            request.parent_run.clone_from(&launch.parent_run_id);
        }
        _ => {}
    }
    Ok(request)
}

/// A batch is about several tasks, which it makes.
fn is_batch(command: &Command) -> bool {
    matches!(command, Command::Job(args) if args.command.is_some())
}

/// Commands that may create the task they name.
fn makes_task(command: &Command) -> bool {
    matches!(
        command,
        Command::Job(_)
            | Command::Iterate(_)
            | Command::Workflow(_)
            | Command::Wrap(_)
            | Command::Run(_)
    ) || matches!(command, Command::Task(args) if args.command.is_none())
}

fn infers_project(command: &Command) -> bool {
    !matches!(
        command,
        Command::Recover(_)
            | Command::Serve(_)
            | Command::Open(_)
            | Command::Limits(_)
            | Command::Ps(_)
            | Command::Gc(_)
            | Command::Doctor(_)
            | Command::Validate(_)
            | Command::Config(_)
            | Command::ShellSetup(_)
            | Command::Version
            | Command::Completion { .. }
    )
}

/// A new task is never the one around it, and listings are about projects.
fn infers_task(command: &Command) -> bool {
    match command {
        // What is deleted is said in so many words.
        Command::Task(args) => !matches!(args.command, None | Some(TaskCommand::Delete(_))),
        Command::Stop(_)
        | Command::Resume(_)
        | Command::Output(_)
        | Command::Verify(_)
        | Command::Logs(_)
        | Command::Bus(_) => true,
        _ => false,
    }
}

fn infers_enclosing(command: &Command) -> bool {
    let applies = matches!(command, Command::Goal(GoalCommand::Apply(_)));
    makes_task(command) || applies || matches!(command, Command::Bus(_) | Command::Review(_))
}

/// Commands that take one task at the most.
fn is_about_one_task(command: &Command) -> bool {
    !matches!(
        command,
        Command::Watch(_)
            | Command::Serve(_)
            | Command::Open(_)
            | Command::Limits(_)
            | Command::Ps(_)
            | Command::Recover(_)
            | Command::Validate(_)
            | Command::Config(_)
            | Command::ShellSetup(_)
            | Command::Version
            | Command::Completion { .. }
    )
}

/// Returns the one task named by position.
fn position(command: &Command) -> Option<&str> {
    let id = match command {
        Command::Task(args) => match &args.command {
            None => &args.run.id,
            Some(TaskCommand::Resume(args)) => &args.id,
            Some(TaskCommand::Stop(args)) => &args.id,
            Some(TaskCommand::Wake(args)) => &args.id,
            Some(TaskCommand::Show(args)) => &args.id,
            Some(TaskCommand::Delete(args)) => &args.id,
            Some(TaskCommand::Cancel(args)) => &args.id,
            Some(TaskCommand::Uncancel(args)) => &args.id,
            Some(TaskCommand::Unblock(args)) => &args.id,
        },
        Command::Job(args) => &args.id,
        Command::Iterate(args) => &args.id,
        Command::Workflow(WorkflowCommand::Run(args)) => &args.id,
        Command::Stop(args) => &args.id,
        Command::Resume(args) => &args.id,
        Command::Status(args) => &args.id,
        Command::Verify(args) => &args.id,
        Command::Output(call) => &call.print.id,
        Command::Logs(args) => &args.id,
        _ => return None,
    };
    id.as_deref()
}
