//! `list`: projects, the tasks of a project, or the runs of a task.

use cl_storage::status::TaskStatus;
use cl_wire::shown::RunListing;
use serde_json::json;

use super::blocked;
use crate::args::ListArgs;
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Grid, RunRow, Survey, TaskText as _, local_text, run_duration_text, warn_about};

/// Lists what there is.
pub fn run(ctx: &mut Context, args: &ListArgs) -> Result<Exit, CliError> {
    let filter = args.status.as_deref().map(parse_filter).transpose()?;
    let scope = ctx.scope()?;
    let chooses = filter.is_some() || args.blocked;
    if chooses && (scope.project.is_none() || scope.task.is_some()) {
        return Err(CliError::usage(if args.blocked {
            "--blocked looks at the tasks of a project"
        } else {
            "--status chooses among the tasks of a project"
        })
        .hint("add --project ID, and leave --task out"));
    }
    let backend = backend::open(ctx, Need::Look)?;
    match (&scope.project, &scope.task) {
        (None, Some(task)) => {
            let task = &task.value;
            Err(
                CliError::usage(format!("cannot tell which project task {task} belongs to"))
                    .hint("add --project ID"),
            )
        }
        (None, None) => projects(ctx, &backend, &scope),
        (Some(_), None) if args.blocked => {
            backend.must_be_local("`list --blocked`")?;
            let project = scope.existing_project()?;
            let survey = Survey::of_project(scope.root(), &project, ctx.now())?;
            warn_about(&mut ctx.console, &survey.problems);
            blocked::run(ctx, &project, &survey, args.all)
        }
        (Some(_), None) => tasks(ctx, &backend, &scope, filter),
        (Some(_), Some(_)) => runs(ctx, &backend, &scope),
    }
}

/// Reads a status word of a filter.
pub(crate) fn parse_filter(word: &str) -> Result<&'static [TaskStatus], CliError> {
    TaskStatus::parse_filter(word.trim()).ok_or_else(|| {
        let words: Vec<&str> = TaskStatus::ALL
            .into_iter()
            .map(TaskStatus::as_str)
            .collect();
        CliError::usage(format!("unknown status {word:?}")).hint(format!(
            "use one of {}, active, done, pending",
            words.join(", ")
        ))
    })
}

fn projects(ctx: &mut Context, backend: &Backend, scope: &Scope) -> Result<Exit, CliError> {
    let found = backend.projects(ctx, scope)?;
    warn_about(&mut ctx.console, &found.problems);
    let (names, legacy) = (found.projects, found.legacy_projects);
    if ctx.console.is_json() {
        ctx.console
            .json(&json!({"projects": names, "legacy_projects": legacy}))?;
    } else if names.is_empty() {
        let root = scope.root().path().display();
        ctx.console
            .note(format_args!("There are no projects below {root}"));
    }
    if !ctx.console.is_json() {
        for name in names {
            ctx.console.line(name)?;
        }
    }
    Ok(Exit::Success)
}

fn tasks(
    ctx: &mut Context,
    backend: &Backend,
    scope: &Scope,
    filter: Option<&[TaskStatus]>,
) -> Result<Exit, CliError> {
    let mut survey = backend.tasks(ctx, scope)?;
    if let Some(statuses) = filter {
        survey.filter(statuses);
    }
    warn_about(&mut ctx.console, &survey.problems);
    if ctx.console.is_json() {
        ctx.console.json(&survey.listing())?;
        return Ok(Exit::Success);
    }
    if survey.rows.is_empty() {
        let (which, id) = (
            if filter.is_some() { "such " } else { "" },
            scope.require_project()?,
        );
        ctx.console
            .note(format_args!("Project {id} has no {which}tasks"));
        return Ok(Exit::Success);
    }
    let mut grid = Grid::new(&[
        "TASK_ID",
        "RUNS",
        "STATUS",
        "DONE",
        "BLOCKED_BY",
        "LAST_ACTIVITY",
        "NOTE",
    ]);
    for (level, row) in survey.nested() {
        let cells = vec![
            row.indented_id(level),
            row.runs.to_string(),
            row.status_text(),
            row.done_text().to_owned(),
            row.blocked_text(),
            row.last_activity.map_or_else(|| "-".to_owned(), local_text),
            row.note(),
        ];
        grid.row(cells, row.status.as_str());
    }
    grid.print(&mut ctx.console)?;
    Ok(Exit::Success)
}

fn runs(ctx: &mut Context, backend: &Backend, scope: &Scope) -> Result<Exit, CliError> {
    let RunListing {
        runs: rows,
        problems,
    } = backend.runs(ctx, scope)?;
    warn_about(&mut ctx.console, &problems);
    if ctx.console.is_json() {
        ctx.console
            .json(&json!({"runs": rows, "problems": problems}))?;
    } else if rows.is_empty() {
        let (_, id) = scope.require_task()?;
        ctx.console.note(format_args!("Task {id} has no runs"));
    } else {
        print_runs(ctx, &rows)?;
    }
    Ok(Exit::Success)
}

/// Prints a table of runs.
pub(crate) fn print_runs(ctx: &mut Context, rows: &[RunRow]) -> Result<(), CliError> {
    let mut grid = Grid::new(&[
        "RUN_ID",
        "STATUS",
        "EXIT_CODE",
        "STARTED",
        "DURATION",
        "AGENT",
        "NOTE",
    ]);
    for row in rows {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let note = row
            .problem
            .as_ref()
            .map(|_| "damaged record".to_owned())
            .or_else(|| row.failure.as_ref().map(ToString::to_string));
        let cells = vec![
            row.run_id.to_string(),
            row.status.as_str().to_owned(),
            or_dash(row.exit_code.map(|code| code.to_string())),
            or_dash(row.started.map(local_text)),
            run_duration_text(row),
            or_dash(row.agent.clone()),
            note.unwrap_or_default(),
        ];
        grid.row(cells, row.status.as_str());
    }
    grid.print(&mut ctx.console)
}
