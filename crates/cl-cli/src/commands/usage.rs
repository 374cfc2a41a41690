//! `usage`: what runs have used, added up from their records.

use cl_storage::run_info::RunInfo;
use cl_storage::{ProjectDir, TaskDir};
use jiff::Timestamp;
use serde_json::json;

use crate::args::{UsageArgs, UsageBy};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Account, Grid, Spent, describe_record_error, warn_about};

/// How many records that could not be read are named; the others are counted.
const NAMED_PROBLEMS: usize = 20;

/// Adds up what runs have used.
pub fn run(ctx: &mut Context, args: &UsageArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let since = since(args, ctx.now());
    let mut sums = Sums::new(args.by, since);
    for task in tasks(&scope)? {
        for task in task? {
            sums.task(&task)?;
        }
    }
    if sums.unnamed > 0 {
        let text = format!("{} more records could not be read", sums.unnamed);
        sums.problems.push(text);
    }
    warn_about(&mut ctx.console, &sums.problems);
    if ctx.console.is_json() {
        let rows: Vec<_> = sums
            .account
            .rows()
            .map(|(key, spent)| spent.to_json(Some(key)))
            .collect();
        let document = json!({
            "by": by_word(args.by),
            "since": since,
            "rows": rows,
            "total": sums.account.total().to_json(None),
            "problems": sums.problems,
        });
        ctx.console.json(&document)?;
        return Ok(Exit::Success);
    }
    if sums.account.is_empty() {
        ctx.console.note("there are no such runs");
        return Ok(Exit::Success);
    }
    print(ctx, args.by, &sums.account)?;
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

fn by_word(by: UsageBy) -> &'static str {
    match by {
        UsageBy::Agent => "agent",
        UsageBy::Task => "task",
        UsageBy::Project => "project",
        UsageBy::Day => "day",
        UsageBy::Model => "model",
    }
}

struct Sums {
    by: UsageBy,
    since: Option<Timestamp>,
    account: Account,
    problems: Vec<String>,
    unnamed: usize,
}

impl Sums {
    fn new(by: UsageBy, since: Option<Timestamp>) -> Self {
        Self {
            by,
            since,
            account: Account::default(),
            problems: Vec::new(),
            unnamed: 0,
        }
    }

    fn task(&mut self, task: &TaskDir) -> Result<(), CliError> {
        for run in task.runs()? {
            let info = match RunInfo::read(&run) {
                Ok(Some(info)) => info,
                Ok(None) => continue,
                Err(error) if self.problems.len() < NAMED_PROBLEMS => {
                    self.problems.push(describe_record_error(&error));
                    continue;
                }
                Err(_) => {
                    self.unnamed += 1;
                    continue;
                }
            };
            if self.since.is_none_or(|since| info.sort_time() >= since) {
                let key = self.key(&info);
                self.account.add(key, &info);
            }
        }
        Ok(())
    }

    fn key(&self, info: &RunInfo) -> String {
        let known = |names: &[&str]| {
            let name = names.iter().find(|name| !name.is_empty());
            (*name.unwrap_or(&"unknown")).to_owned()
        };
        match self.by {
            UsageBy::Agent => known(&[&info.agent_name, &info.agent]),
            UsageBy::Task => format!("{}/{}", info.project_id, info.task_id),
            UsageBy::Project => info.project_id.to_string(),
            UsageBy::Day => info.sort_time().strftime("%Y-%m-%d").to_string(),
            UsageBy::Model => known(&[&info.backend_model]),
        }
    }
}

fn print(ctx: &mut Context, by: UsageBy, account: &Account) -> Result<(), CliError> {
    let heading = by_word(by).to_uppercase();
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
