//! Who answers a command: the files of this machine, or a server.
//!
//! Both give the same core view (`cl_wire::shown` and its like), so that what is printed does
//! not depend on who was asked.
//!
//! ```text
//! --server URL                          that server, or none: it never falls back
//! conductor  JRUN_CONDUCTOR_URL         that server     \  what only looks falls back to the
//! conductor  <root>/.conductor/server.json  that server /  files of the root, and says so
//! run-agent                             the files
//! ```

mod known;
pub(crate) mod launch;
mod news;
mod server;

use std::collections::BTreeSet;
use std::time::Duration;

use cl_client::ClientError;
use cl_storage::snapshot::TaskView;
use cl_storage::{ProjectId, TaskId};
use cl_view::Survey;
use cl_wire::TaskListing;
use cl_wire::shown::{ProjectNames, RunListing, TaskActivity, TaskShown};

pub(crate) use news::{About, News};
pub(crate) use server::{Server, of_task};

use crate::args::{BusCommand, Command, FactsCommand, GoalCommand, ReviewCommand};
use crate::commands::flat;
use crate::context::Context;
use crate::entry::Binary;
use crate::error::{CliError, Exit};
use crate::scope::Scope;

/// Who answers.
#[derive(Debug)]
pub(crate) enum Backend {
    /// The files of this machine.
    Local,
    /// A server.
    Server(Box<Server>),
}

/// What a command may do without a server that was not named by `--server`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It only looks: the files tell the same.
    Look,
    /// It changes something, which the server would do.
    Change,
}

/// Decides who answers, and connects.
pub(crate) fn open(ctx: &mut Context, need: Need) -> Result<Backend, CliError> {
    if let Some(url) = ctx.global.server.clone() {
        return Server::connect(ctx, &url, "--server").map(Backend::of);
    }
    if ctx.binary == Binary::RunAgent {
        return Ok(Backend::Local);
    }
    let scope = ctx.scope()?;
    let root = scope.root().path().display().to_string();
    let connected = match known::find(ctx, &scope)? {
        Some((url, from)) => Server::connect(ctx, &url, &from),
        None => Err(CliError::new(
            Exit::Unreachable,
            format!("no server is known for the root {root}"),
        )
        .hint("start one with `conductor serve`, or name one with --server")),
    };
    match connected {
        Ok(server) => Ok(Backend::of(server)),
        Err(error) if error.exit() == Exit::Unreachable && need == Need::Look => {
            let why = error.chain();
            ctx.console
                .note(format_args!("{why}; reading the files below {root}"));
            Ok(Backend::Local)
        }
        Err(error) if error.exit() == Exit::Unreachable => {
            Err(error.hint("start it with `conductor serve`; `run-agent` works without a server"))
        }
        Err(error) => Err(error),
    }
}

/// Refuses what no server offers, where a server would have to do it.
///
/// What is about this machine alone (configuration, agents, completion) passes.
pub(crate) fn check(ctx: &mut Context, command: &Command) -> Result<(), CliError> {
    let Some(need) = only_local(command) else {
        return Ok(());
    };
    let hint = "`run-agent` without --server does it with the files of this machine";
    if ctx.global.server.is_some() {
        return Err(CliError::usage("servers do not offer this command").hint(hint));
    }
    if ctx.binary == Binary::RunAgent {
        return Ok(());
    }
    match need {
        Need::Change => Err(CliError::usage("servers do not offer this command").hint(hint)),
        Need::Look => {
            let scope = ctx.scope()?;
            let root = scope.root().path().display();
            ctx.console.note(format_args!(
                "servers do not offer this command; reading the files below {root}"
            ));
            Ok(())
        }
    }
}

/// Tells what a command needs that only works on files; none if servers offer it or if it is
/// about this machine.
fn only_local(command: &Command) -> Option<Need> {
    match command {
        Command::Job(args) => args.command.as_ref().map(|_| Need::Change),
        Command::Gc(_)
        | Command::Iterate(_)
        | Command::Run(_)
        | Command::Wrap(_)
        | Command::Workflow(_)
        | Command::Monitor(_)
        | Command::Recover(_)
        | Command::Goal(GoalCommand::Apply(_))
        | Command::Facts(FactsCommand::Promote(_))
        | Command::Review(ReviewCommand::Run(_)) => Some(Need::Change),
        Command::Verify(_)
        | Command::Logs(_)
        | Command::Review(ReviewCommand::Quorum(_))
        | Command::Facts(FactsCommand::List(_))
        | Command::Bus(BusCommand::Discover(_) | BusCommand::Check(_)) => Some(Need::Look),
        Command::Output(call) => call.command.as_ref().map(|_| Need::Look),
        _ => None,
    }
}

impl Backend {
    fn of(server: Server) -> Self {
        Self::Server(Box::new(server))
    }

    /// Refuses what this backend cannot do.
    pub(crate) fn must_be_local(&self, what: &str) -> Result<(), CliError> {
        match self {
            Self::Local => Ok(()),
            Self::Server(_) => Err(CliError::usage(format!("servers do not offer {what}"))
                .hint("`run-agent` without --server does it with the files of this machine")),
        }
    }

    /// Names the projects.
    pub(crate) fn projects(
        &self,
        ctx: &mut Context,
        scope: &Scope,
    ) -> Result<ProjectNames, CliError> {
        let Self::Local = self else {
            return self.server()?.projects();
        };
        let mut names = Vec::new();
        if scope.has_root()? {
            names = scope.root().projects()?;
        }
        let old = flat::scan(ctx);
        let ours: BTreeSet<&str> = names.iter().map(|project| project.id().as_str()).collect();
        let legacy: BTreeSet<&str> = (old.tasks.iter())
            .map(|task| task.project().as_str())
            .filter(|name| !ours.contains(name))
            .collect();
        let texts = |names: &BTreeSet<&str>| names.iter().map(ToString::to_string).collect();
        Ok(ProjectNames {
            projects: texts(&ours.union(&legacy).copied().collect()),
            legacy_projects: texts(&legacy),
            problems: old.problems,
        })
    }

    /// Looks at all tasks that `scope` is about.
    pub(crate) fn tasks(&self, ctx: &mut Context, scope: &Scope) -> Result<Survey, CliError> {
        if let Self::Server(server) = self {
            let project = scope.project.as_ref().map(|project| &project.value);
            let task = scope.task.as_ref().map(|task| task.value.clone());
            if project.is_none() && task.is_some() {
                scope.require_project()?;
            }
            return server
                .tasks(project, task.as_slice())
                .map(Survey::of_listing);
        }
        let now = ctx.now();
        if scope.task.is_some() {
            let view = TaskView::read(scope.root(), &flat::existing_task(ctx, scope)?, now)?;
            crate::commands::status::hint_at_missing_records(ctx, &view);
            let mut survey = Survey::default();
            survey.add(&view);
            survey.complete(scope.root(), now);
            return Ok(survey);
        }
        let mut old = flat::scan(ctx);
        let mut survey = Survey::default();
        if scope.project.is_some() {
            old = flat::of_project(old, scope.require_project()?);
            if let Some(project) = flat::existing_project(scope, &old)? {
                survey = Survey::of_project(scope.root(), &project, now)?;
            }
        } else if scope.has_root()? {
            survey = Survey::of_root(scope.root(), now)?;
        }
        survey.add_old(scope.root(), &old, now);
        Ok(survey)
    }

    /// Looks at `named` tasks of a project, or at all of them if none is named; those of the
    /// old layout are passed over. A server is waited for as long as `limit`.
    pub(crate) fn watched(
        &self,
        ctx: &Context,
        scope: &Scope,
        named: &[TaskId],
        limit: Duration,
    ) -> Result<Survey, CliError> {
        let project = scope.require_project()?;
        if let Self::Server(server) = self {
            let mut listing: TaskListing = server.tasks_within(limit, project, named)?;
            listing.tasks.retain(|row| !row.legacy);
            return Ok(Survey::of_listing(listing));
        }
        let now = ctx.now();
        if named.is_empty() {
            let project = scope.existing_project()?;
            return Ok(Survey::of_project(scope.root(), &project, now)?);
        }
        let mut survey = Survey::default();
        for task in named {
            let task = scope.existing(project, task)?;
            survey.add(&TaskView::read(scope.root(), &task, now)?);
        }
        survey.complete(scope.root(), now);
        Ok(survey)
    }

    /// Tells what tasks that `scope` is about are doing.
    pub(crate) fn activities(
        &self,
        ctx: &Context,
        scope: &Scope,
        survey: &Survey,
        drift_after: Duration,
    ) -> Result<Vec<TaskActivity>, CliError> {
        if let Self::Server(server) = self {
            let project = scope.project.as_ref().map(|project| &project.value);
            let task = scope.task.as_ref().map(|task| &task.value);
            return server.activities(project, task, drift_after);
        }
        Ok(cl_view::activities(
            scope.root(),
            &survey.rows,
            drift_after,
            ctx.now(),
        ))
    }

    /// Shows everything about the task that `scope` is about.
    pub(crate) fn show(&self, ctx: &Context, scope: &Scope) -> Result<TaskShown, CliError> {
        if let Self::Server(server) = self {
            let (project, task) = scope.require_task()?;
            return server.show(project, task);
        }
        let task = scope.existing_task()?;
        let view = TaskView::read(scope.root(), &task, ctx.now())?;
        Ok(cl_view::show(scope.root(), view, ctx.now()))
    }

    /// Lists the runs of the task that `scope` is about.
    pub(crate) fn runs(&self, ctx: &mut Context, scope: &Scope) -> Result<RunListing, CliError> {
        if let Self::Server(server) = self {
            let (project, task) = scope.require_task()?;
            return server.runs(project, task);
        }
        let task = flat::existing_task(ctx, scope)?;
        let view = TaskView::read(scope.root(), &task, ctx.now())?;
        Ok(cl_view::run_listing(&view, ctx.now()))
    }

    fn server(&self) -> Result<&Server, CliError> {
        match self {
            Self::Server(server) => Ok(server),
            Self::Local => Err(CliError::failed("there is no server")),
        }
    }
}

/// The project and task of a command that is about one task.
pub(crate) fn named_task(scope: &Scope) -> Result<(ProjectId, TaskId), CliError> {
    let (project, task) = scope.require_task()?;
    Ok((project.clone(), task.clone()))
}

/// Returns the error that a command ends with because of a server.
pub(crate) fn of_client(error: ClientError) -> CliError {
    let hint = error.hint().map(str::to_owned);
    let text = error.to_string();
    let failed = match error {
        ClientError::Refused(refusal) => {
            let problem = refusal.problem;
            let timed_out = problem
                .error
                .details
                .get("exit")
                .is_some_and(|it| it == "timeout");
            if timed_out {
                CliError::new(Exit::Timeout, problem.message)
            } else {
                return crate::commands::serve::of_problem(match hint {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                });
            }
        }
        ClientError::Unreachable { source, .. } => {
            CliError::new(Exit::Unreachable, text).caused_by(source)
        }
        ClientError::NotOurs { .. } => CliError::new(Exit::Unreachable, text),
        ClientError::Timeout { .. } => CliError::new(Exit::Timeout, text),
        _ => CliError::failed(text),
    };
    match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}
