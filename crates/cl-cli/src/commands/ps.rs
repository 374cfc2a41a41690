//! `ps`: every process that belongs to a task.

use cl_runner::processes::{self, ProcessRow, Role};
use cl_storage::TaskId;
use cl_storage::owner::OwnerState;
use cl_storage::redact::Redactor;

use crate::args::PsArgs;
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
    // What is wrong with the configuration must not hide what runs.
    let secrets = ctx.config().map(|it| it.config.all_secrets());
    let redactor = Redactor::new(secrets.unwrap_or_default());
    let mut rows = if scope.has_root()? {
        processes::list(scope.root(), &redactor, &*ctx.clock)?
    } else {
        Vec::new()
    };
    let tasks = ctx.global.tasks.clone();
    rows.retain(|row| project.as_ref().is_none_or(|id| row.project.as_str() == id));
    rows.retain(|row| tasks.is_empty() || tasks.iter().any(|id| row.task.as_str() == id));
    if rows.is_empty() {
        check_named(ctx, &scope)?;
    }
    if ctx.console.is_json() {
        let document = cl_view::processes(scope.root(), &rows, ctx.now())?;
        ctx.console.json(&document)?;
        return Ok(Exit::Success);
    }
    if rows.is_empty() {
        ctx.console.note("no task has a process");
        return Ok(Exit::Success);
    }
    let mut table = Grid::new(&[
        "PID", "PPID", "ROLE", "STATE", "AGE", "CPU", "CPU%", "RSS", "TASK", "RUN", "OWNER",
        "COMMAND", "NOTE",
    ]);
    for row in &rows {
        table.row(cells(row), "");
    }
    table.print(&mut ctx.console)?;
    let sum = cl_view::totals(&rows);
    ctx.console.note(format_args!(
        "{} processes of {} tasks, {} of processor time, {} MB",
        rows.len(),
        sum.tasks,
        seconds(sum.cpu_ms),
        sum.rss_bytes / (1024 * 1024)
    ));
    Ok(Exit::Success)
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
    let role = match row.role {
        Role::Supervisor => "supervisor",
        Role::Agent => "agent",
        Role::Gate => "gate",
        Role::Descendant if row.adopted => "adopted",
        Role::Descendant => "descendant",
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
        row.state.as_str().to_owned(),
        duration_text(i64::try_from(row.age_seconds).unwrap_or(i64::MAX)),
        seconds(row.cpu_ms),
        format!("{:.1}", row.cpu_percent),
        format!("{}M", row.rss_bytes / (1024 * 1024)),
        row.task.to_string(),
        run.unwrap_or_default(),
        owner.to_owned(),
        shown_command(row),
        row.note.unwrap_or_default().to_owned(),
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
