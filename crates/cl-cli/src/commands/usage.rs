//! `usage`: what runs have used, added up from their records.

use cl_storage::{ProjectDir, TaskDir};
use cl_view::UsageSums;
use cl_wire::usage::UsageBy as By;
use jiff::Timestamp;

use crate::args::{UsageArgs, UsageBy};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Account, Grid, Spent, warn_about};

/// Adds up what runs have used.
pub fn run(ctx: &mut Context, args: &UsageArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let since = since(args, ctx.now());
    let by = by(args.by);
    let mut sums = UsageSums::new(by, since);
    for task in tasks(&scope)? {
        for task in task? {
            sums.task(&task)?;
        }
    }
    let report = sums.report();
    warn_about(&mut ctx.console, &report.problems);
    if ctx.console.is_json() {
        ctx.console.json(&report)?;
        return Ok(Exit::Success);
    }
    if sums.account().is_empty() {
        ctx.console.note("there are no such runs");
        return Ok(Exit::Success);
    }
    print(ctx, by, sums.account())?;
    Ok(Exit::Success)
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

fn print(ctx: &mut Context, by: By, account: &Account) -> Result<(), CliError> {
    let heading = by.as_str().to_uppercase();
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
    for (key, spent) in account.rows() {
        grid.row(cells(key, spent), "");
    }
    grid.row(cells("total", &account.total()), "");
    grid.print(&mut ctx.console)
}

fn cells(key: &str, spent: &Spent) -> Vec<String> {
    let (all, wasted) = (&spent.all, &spent.wasted);
    vec![
        key.to_owned(),
        all.runs.to_string(),
        all.tokens_text(all.usage.input_tokens),
        all.tokens_text(all.usage.output_tokens),
        all.tokens_text(all.usage.cache_read_tokens),
        all.tokens_text(all.usage.cache_write_tokens),
        all.cost_text(),
        (all.usage.turns).map_or_else(|| "unknown".to_owned(), |turns| turns.to_string()),
        wasted.runs.to_string(),
        wasted.tokens_text(cl_storage::budget::tokens(&wasted.usage)),
        wasted.cost_text(),
    ]
}
