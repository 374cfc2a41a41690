//! `status`: how tasks stand.

use std::collections::HashMap;

use cl_storage::snapshot::TaskView;
use serde_json::json;

use super::flat;
use super::list::parse_filter;
use crate::args::StatusArgs;
use crate::backend::{self, Backend, Need};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{
    ACTIVITY_HEADINGS, ActivityFact, Grid, Survey, TaskRow, TaskText as _, warn_about,
};

/// Shows how tasks stand.
pub fn run(ctx: &mut Context, args: &StatusArgs) -> Result<Exit, CliError> {
    let filter = match args.status.as_deref() {
        None | Some("") => None,
        Some(word) => Some(parse_filter(word)?),
    };
    let scope = ctx.scope()?;
    let backend = backend::open(ctx, Need::Look)?;
    if args.status.as_deref() == Some("") {
        return print_word(ctx, &backend, &scope);
    }
    let mut survey = backend.tasks(ctx, &scope)?;
    if let Some(statuses) = filter {
        survey.filter(statuses);
    }
    warn_about(&mut ctx.console, &survey.problems);
    if args.activity {
        return print_activity(ctx, &backend, &scope, args, &survey);
    }
    if ctx.console.is_json() {
        ctx.console.json(&survey.listing())?;
    } else if args.concise {
        print_concise(ctx, &scope, &survey)?;
    } else if survey.rows.is_empty() {
        ctx.console.note("No task matches");
    } else {
        print_table(ctx, &scope, &survey)?;
    }
    Ok(Exit::Success)
}

/// Says once that the newest run has no record, unless it is only starting.
pub(crate) fn hint_at_missing_records(ctx: &mut Context, view: &TaskView) {
    let now = ctx.now();
    let Some(latest) = view.latest_run() else {
        return;
    };
    let is_missing = !view.task.is_flat() && latest.has_no_record();
    if is_missing && !latest.is_active && !latest.is_starting(now) {
        let id = latest.run.id();
        ctx.console.note(format_args!(
            "run-info.yaml missing for run {id}; status is unknown"
        ));
    }
}

fn print_word(ctx: &mut Context, backend: &Backend, scope: &Scope) -> Result<Exit, CliError> {
    scope.require_task()?;
    let status = match backend {
        Backend::Local => {
            let task = flat::existing_task(ctx, scope)?;
            TaskView::read(scope.root(), &task, ctx.now())?.status
        }
        Backend::Server(_) => {
            let survey = backend.tasks(ctx, scope)?;
            let row = survey.rows.first();
            row.map(|row| row.status)
                .ok_or_else(|| CliError::not_found("the task does not exist any more"))?
        }
    };
    if ctx.console.is_json() {
        ctx.console.json(&json!({"status": status}))?;
    } else {
        ctx.console.line(status)?;
    }
    Ok(Exit::Success)
}

/// Prints what each task is doing, beside how it stands.
fn print_activity(
    ctx: &mut Context,
    backend: &Backend,
    scope: &Scope,
    args: &StatusArgs,
    survey: &Survey,
) -> Result<Exit, CliError> {
    let now = ctx.now();
    let told = backend.activities(ctx, scope, survey, args.drift_after)?;
    let by_task: HashMap<_, _> = told
        .iter()
        .map(|told| ((&told.project_id, &told.task_id), &told.activity))
        .collect();
    let known_of = |row: &TaskRow| by_task.get(&(&row.project_id, &row.task_id)).copied();
    let fact_of = |row: &TaskRow| {
        let known = known_of(row)?;
        serde_json::from_value::<ActivityFact>(known.clone()).ok()
    };
    if ctx.console.is_json() {
        let listing = survey.clone().listing();
        let mut document = serde_json::to_value(listing).map_err(|error| {
            CliError::failed("could not print what the tasks are doing").caused_by(error)
        })?;
        for (index, row) in survey.rows.iter().enumerate() {
            document["tasks"][index]["activity"] = json!(known_of(row));
        }
        ctx.console.json(&document)?;
        return Ok(Exit::Success);
    }
    if survey.rows.is_empty() {
        ctx.console.note("No task matches");
        return Ok(Exit::Success);
    }
    let mut header = vec!["TASK_ID", "STATUS", "LATEST_RUN"];
    header.extend(ACTIVITY_HEADINGS);
    let spans_projects = spans_projects(scope);
    if spans_projects {
        header.insert(0, "PROJECT");
    }
    let mut grid = Grid::new(&header);
    for (level, row) in survey.nested() {
        let mut cells = vec![
            row.indented_id(level),
            row.status.to_string(),
            row.latest_text(),
        ];
        let dashes = || vec!["-".to_owned(); ACTIVITY_HEADINGS.len()];
        cells.extend(fact_of(row).map_or_else(dashes, |fact| fact.cells(now)));
        if args.concise {
            row.task_id.as_str().clone_into(&mut cells[0]);
        }
        if spans_projects {
            cells.insert(0, row.project_id.to_string());
        }
        if args.concise {
            ctx.console.line(cells.join("\t"))?;
        } else {
            grid.row(cells, row.status.as_str());
        }
    }
    if !args.concise {
        grid.print(&mut ctx.console)?;
    }
    Ok(Exit::Success)
}

/// Tells whether rows of several projects may stand among each other. The columns go by
/// what was asked, not by what was found: else they would change with the day's tasks.
fn spans_projects(scope: &Scope) -> bool {
    scope.project.is_none() && scope.task.is_none()
}

fn print_concise(ctx: &mut Context, scope: &Scope, survey: &Survey) -> Result<(), CliError> {
    for row in &survey.rows {
        let mut fields = vec![
            row.task_id.to_string(),
            row.status.to_string(),
            row.exit_text(),
            row.latest_text(),
            row.done_text().to_owned(),
            row.alive_text().to_owned(),
        ];
        if spans_projects(scope) {
            fields.insert(0, row.project_id.to_string());
        }
        ctx.console.line(fields.join("\t"))?;
    }
    Ok(())
}

fn print_table(ctx: &mut Context, scope: &Scope, survey: &Survey) -> Result<(), CliError> {
    let spans_projects = spans_projects(scope);
    let mut header = vec![
        "TASK_ID",
        "STATUS",
        "EXIT_CODE",
        "LATEST_RUN",
        "DONE",
        "PID_ALIVE",
        "BLOCKED_BY",
        "NOTE",
    ];
    if spans_projects {
        header.insert(0, "PROJECT");
    }
    let mut grid = Grid::new(&header);
    for (level, row) in survey.nested() {
        let mut cells = vec![
            row.indented_id(level),
            row.status_text(),
            row.exit_text(),
            row.latest_text(),
            row.done_text().to_owned(),
            row.alive_text().to_owned(),
            row.blocked_text(),
            row.note(),
        ];
        if spans_projects {
            cells.insert(0, row.project_id.to_string());
        }
        grid.row(cells, row.status.as_str());
    }
    grid.print(&mut ctx.console)
}
