//! `list`: projects, the tasks of a project, or the runs of a task.

use std::collections::BTreeSet;

use cl_storage::snapshot::TaskView;
use cl_storage::status::TaskStatus;
use serde_json::json;

use super::{blocked, flat};
use crate::args::ListArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{
    Grid, RunRow, Survey, TaskText as _, local_text, run_duration_text, run_row, warn_about,
};

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
    match (&scope.project, &scope.task) {
        (None, Some(task)) => {
            let task = &task.value;
            Err(
                CliError::usage(format!("cannot tell which project task {task} belongs to"))
                    .hint("add --project ID"),
            )
        }
        (None, None) => projects(ctx, &scope),
        (Some(_), None) if args.blocked => {
            let project = scope.existing_project()?;
            let survey = Survey::of_project(scope.root(), &project, ctx.now())?;
            warn_about(&mut ctx.console, &survey.problems);
            blocked::run(ctx, &project, &survey, args.all)
        }
        (Some(_), None) => tasks(ctx, &scope, filter),
        (Some(_), Some(_)) => runs(ctx, &scope),
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

fn projects(ctx: &mut Context, scope: &Scope) -> Result<Exit, CliError> {
    let mut names = Vec::new();
    if scope.has_root()? {
        names = scope.root().projects()?;
    }
    let old = flat::scan(ctx);
    warn_about(&mut ctx.console, &old.problems);
    let ours: BTreeSet<&str> = names.iter().map(|project| project.id().as_str()).collect();
    let legacy: BTreeSet<&str> = (old.tasks.iter())
        .map(|task| task.project().as_str())
        .filter(|name| !ours.contains(name))
        .collect();
    let names: BTreeSet<&str> = ours.union(&legacy).copied().collect();
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
    scope: &Scope,
    filter: Option<&[TaskStatus]>,
) -> Result<Exit, CliError> {
    let old = flat::of_project(flat::scan(ctx), scope.require_project()?);
    let project = flat::existing_project(scope, &old)?;
    let mut survey = Survey::default();
    if let Some(project) = &project {
        survey = Survey::of_project(scope.root(), project, ctx.now())?;
    }
    survey.add_old(scope.root(), &old, ctx.now());
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

fn runs(ctx: &mut Context, scope: &Scope) -> Result<Exit, CliError> {
    let task = flat::existing_task(ctx, scope)?;
    let now = ctx.now();
    let view = TaskView::read(scope.root(), &task, now)?;
    let rows: Vec<RunRow> = view.runs.iter().map(|run| run_row(run, now)).collect();
    let problems: Vec<String> = rows.iter().filter_map(|row| row.problem.clone()).collect();
    warn_about(&mut ctx.console, &problems);
    if ctx.console.is_json() {
        ctx.console
            .json(&json!({"runs": rows, "problems": problems}))?;
    } else if rows.is_empty() {
        let id = task.id();
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
