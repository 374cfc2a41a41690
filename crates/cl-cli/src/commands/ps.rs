//! `ps`: every process that belongs to a task.

use cl_runner::processes;
use cl_storage::owner::OwnerState;
use cl_storage::redact::Redactor;
use cl_storage::{ProjectId, TaskId};
use cl_wire::ps::{ProcessRow, Processes};

use crate::args::PsArgs;
use crate::backend::{self, Backend, Need, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Grid, duration_text};

/// How much of a command line the table shows.
const SHOWN_COMMAND: usize = 60;

/// Lists the processes of all tasks, or of the project or task named.
pub fn run(ctx: &mut Context, args: &PsArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let project = ctx.global.project.clone();
    if args.all && project.is_some() {
        return Err(CliError::usage("--all and --project exclude each other"));
    }
    let tasks = ctx.global.tasks.clone();
    let is_meant = |of: &ProjectId, task: &TaskId| {
        project.as_ref().is_none_or(|id| of.as_str() == id)
            && (tasks.is_empty() || tasks.iter().any(|id| task.as_str() == id))
    };
    let shown = match backend::open(ctx, Need::Look)? {
        Backend::Local => of_files(ctx, &scope, is_meant)?,
        Backend::Server(server) => of_server(ctx, &server, is_meant)?,
    };
    if ctx.console.is_json() {
        ctx.console.json(&shown)?;
        return Ok(Exit::Success);
    }
    if shown.processes.is_empty() {
        ctx.console.note("no task has a process");
        return Ok(Exit::Success);
    }
    let mut table = Grid::new(&[
        "PID", "PPID", "ROLE", "STATE", "AGE", "CPU", "CPU%", "RSS", "TASK", "RUN", "OWNER",
        "COMMAND", "NOTE",
    ]);
    for row in &shown.processes {
        table.row(cells(row), "");
    }
    table.print(&mut ctx.console)?;
    let sum = shown.totals;
    ctx.console.note(format_args!(
        "{} processes of {} tasks, {} of processor time, {} MB",
        sum.processes,
        sum.tasks,
        seconds(sum.cpu_ms),
        sum.rss_bytes / (1024 * 1024)
    ));
    Ok(Exit::Success)
}

fn of_files(
    ctx: &Context,
    scope: &Scope,
    is_meant: impl Fn(&ProjectId, &TaskId) -> bool,
) -> Result<Processes, CliError> {
    // What is wrong with the configuration must not hide what runs.
    let secrets = ctx.config().map(|it| it.config.all_secrets());
    let redactor = Redactor::new(secrets.unwrap_or_default());
    let mut rows = if scope.has_root()? {
        processes::list(scope.root(), &redactor, &*ctx.clock)?
    } else {
        Vec::new()
    };
    rows.retain(|row| is_meant(&row.project, &row.task));
    if rows.is_empty() {
        check_named(ctx, scope)?;
    }
    if !ctx.console.is_json() {
        return Ok(cl_view::processes_alone(&rows));
    }
    Ok(cl_view::processes(scope.root(), &rows, ctx.now())?)
}

fn of_server(
    ctx: &Context,
    server: &Server,
    is_meant: impl Fn(&ProjectId, &TaskId) -> bool,
) -> Result<Processes, CliError> {
    let mut shown = server.processes()?;
    cl_view::retain_processes(&mut shown, is_meant);
    if shown.processes.is_empty() {
        check_named_at(ctx, server)?;
    }
    Ok(shown)
}

/// Like [`check_named`], for what a server knows.
fn check_named_at(ctx: &Context, server: &Server) -> Result<(), CliError> {
    let named = ctx.global.tasks.iter();
    let named: Vec<TaskId> = named
        .map(|id| TaskId::parse_existing(id))
        .collect::<Result<_, _>>()?;
    if let Some(project) = &ctx.global.project {
        let project = ProjectId::parse(project)?;
        // The project first: a task of one that is not there is not the thing that is missing.
        server.tasks(Some(&project), &[])?;
        server.tasks(Some(&project), &named)?;
    } else if !named.is_empty() {
        let all = server.tasks(None, &[])?.tasks;
        let missing = |id: &&TaskId| !all.iter().any(|row| row.task_id == **id);
        if let Some(id) = named.iter().find(missing) {
            let message = format!("task {id} does not exist in any project of the server");
            return Err(CliError::not_found(message));
        }
    }
    Ok(())
}

/// Refuses a project or task that was named and is not there: nothing is found for it, but
/// whoever mistyped it would take that for an answer.
///
/// Only asked where nothing was found, because processes may outlive their folder.
pub(super) fn check_named(ctx: &Context, scope: &Scope) -> Result<(), CliError> {
    let named = &ctx.global.tasks;
    if ctx.global.project.is_some() {
        let project = scope.existing_project()?;
        for id in named {
            scope.existing(project.id(), &TaskId::parse_existing(id)?)?;
        }
        return Ok(());
    }
    if named.is_empty() || !scope.has_root()? {
        return Ok(());
    }
    let projects = scope.root().projects()?;
    for id in named {
        let id = TaskId::parse_existing(id)?;
        let mut homes = projects.iter().filter_map(|project| project.task(&id).ok());
        if !homes.any(|task| task.exists()) {
            let root = scope.root().path().display();
            return Err(CliError::not_found(format!(
                "task {id} does not exist in any project below {root}"
            )));
        }
    }
    Ok(())
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02}s", ms / 1000, ms % 1000 / 10)
}

fn cells(row: &ProcessRow) -> Vec<String> {
    let role = match row.role.as_str() {
        "descendant" if row.adopted => "adopted",
        role => role,
    };
    let owner = match row.owner {
        OwnerState::Alive => "alive",
        OwnerState::Lost => "lost",
        OwnerState::None => "none",
    };
    let run = row.run.as_ref().map(ToString::to_string);
    vec![
        row.pid.to_string(),
        row.parent_pid.to_string(),
        role.to_owned(),
        row.state.clone(),
        duration_text(i64::try_from(row.age_seconds).unwrap_or(i64::MAX)),
        seconds(row.cpu_ms),
        format!("{:.1}", row.cpu_percent),
        format!("{}M", row.rss_bytes / (1024 * 1024)),
        row.task.to_string(),
        run.unwrap_or_default(),
        owner.to_owned(),
        shown_command(row),
        row.note.clone().unwrap_or_default(),
    ]
}

/// Returns the start of the command line, indented by the row's level.
fn shown_command(row: &ProcessRow) -> String {
    let line = if row.command.is_empty() {
        &row.name
    } else {
        &row.command
    };
    let mut shown: String = line.chars().take(SHOWN_COMMAND).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    format!("{}{shown}", "  ".repeat(row.level))
}
