//! `usage`: what runs have used, added up from their records.

use cl_client::UsageQuery;
use cl_storage::{ProjectDir, TaskDir};
use cl_view::{UsageSums, cost_text, tokens_text};
use cl_wire::usage::{UsageBy as By, UsageReport, UsageRow};
use jiff::Timestamp;

use crate::args::{UsageArgs, UsageBy};
use crate::backend::{self, Backend, Need, Server};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Grid, warn_about};

/// Adds up what runs have used.
pub fn run(ctx: &mut Context, args: &UsageArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let since = since(args, ctx.now());
    let by = by(args.by);
    let report = match backend::open(ctx, Need::Look)? {
        Backend::Local => of_files(&scope, by, since)?,
        Backend::Server(server) => of_server(&server, &scope, by, since)?,
    };
    warn_about(&mut ctx.console, &report.problems);
    if ctx.console.is_json() {
        ctx.console.json(&report)?;
        return Ok(Exit::Success);
    }
    if report.rows.is_empty() {
        ctx.console.note("there are no such runs");
        return Ok(Exit::Success);
    }
    print(ctx, &report)?;
    Ok(Exit::Success)
}

fn of_files(scope: &Scope, by: By, since: Option<Timestamp>) -> Result<UsageReport, CliError> {
    let mut sums = UsageSums::new(by, since);
    for task in tasks(scope)? {
        for task in task? {
            sums.task(&task)?;
        }
    }
    Ok(sums.report())
}

fn of_server(
    server: &Server,
    scope: &Scope,
    by: By,
    since: Option<Timestamp>,
) -> Result<UsageReport, CliError> {
    if scope.task.is_some() {
        scope.require_project()?;
    }
    server.usage(&UsageQuery {
        project: scope.project.as_ref().map(|project| &project.value),
        task: scope.task.as_ref().map(|task| &task.value),
        by: Some(by),
        since,
        ..UsageQuery::default()
    })
}

/// Returns the tasks that are looked at, project by project, so that few are held at once.
fn tasks(
    scope: &Scope,
) -> Result<impl Iterator<Item = Result<Vec<TaskDir>, CliError>> + use<>, CliError> {
    let projects: Vec<ProjectDir> = if scope.task.is_some() || !scope.has_root()? {
        Vec::new()
    } else if scope.project.is_some() {
        vec![scope.existing_project()?]
    } else {
        scope.root().projects()?
    };
    let one = scope
        .task
        .is_some()
        .then(|| scope.existing_task())
        .transpose()?;
    let of_projects = projects
        .into_iter()
        .map(|project| project.tasks().map_err(CliError::from));
    Ok(one
        .into_iter()
        .map(|task| Ok(vec![task]))
        .chain(of_projects))
}

fn since(args: &UsageArgs, now: Timestamp) -> Option<Timestamp> {
    let of_days = args.days.map(|days| {
        let zoned = now.to_zoned(jiff::tz::TimeZone::UTC);
        let midnight = zoned.start_of_day().map_or(now, |day| day.timestamp());
        let hours = i64::from(days - 1) * 24;
        let start = midnight.checked_sub(jiff::SignedDuration::from_hours(hours));
        start.unwrap_or(Timestamp::MIN)
    });
    args.since.map(|since| since.before(now)).or(of_days)
}

fn by(by: UsageBy) -> By {
    match by {
        UsageBy::Agent => By::Agent,
        UsageBy::Task => By::Task,
        UsageBy::Project => By::Project,
        UsageBy::Day => By::Day,
        UsageBy::Model => By::Model,
    }
}

fn print(ctx: &mut Context, report: &UsageReport) -> Result<(), CliError> {
    let heading = report.by.as_str().to_uppercase();
    let mut grid = Grid::new(&[
        &heading,
        "RUNS",
        "INPUT",
        "OUTPUT",
        "CACHE_READ",
        "CACHE_WRITE",
        "COST",
        "TURNS",
        "WASTED_RUNS",
        "WASTED_TOKENS",
        "WASTED_COST",
    ]);
    for row in &report.rows {
        grid.row(cells(row.key.as_deref().unwrap_or_default(), row), "");
    }
    grid.row(cells("total", &report.total), "");
    grid.print(&mut ctx.console)
}

fn cells(key: &str, row: &UsageRow) -> Vec<String> {
    let wasted = &row.wasted;
    let tokens = |tokens| tokens_text(row.runs, tokens);
    let wasted_tokens = [
        wasted.input_tokens,
        wasted.output_tokens,
        wasted.cache_read_tokens,
        wasted.cache_write_tokens,
    ];
    // All of them are known, or none.
    let wasted_tokens = (wasted_tokens.into_iter())
        .try_fold(0_u64, |sum, tokens| Some(sum.saturating_add(tokens?)));
    vec![
        key.to_owned(),
        row.runs.to_string(),
        tokens(row.input_tokens),
        tokens(row.output_tokens),
        tokens(row.cache_read_tokens),
        tokens(row.cache_write_tokens),
        cost_text(row.cost_usd, row.runs_without_cost),
        (row.turns).map_or_else(|| "unknown".to_owned(), |turns| turns.to_string()),
        wasted.runs.to_string(),
        tokens_text(wasted.runs, wasted_tokens),
        cost_text(wasted.cost_usd, wasted.runs_without_cost),
    ]
}
