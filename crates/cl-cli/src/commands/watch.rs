//! `watch`: waits for tasks and prints what changes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cl_storage::TaskId;
use cl_storage::status::TaskStatus;
use serde_json::json;

use crate::args::{Until, WatchArgs};
use crate::backend::{self, About, Backend, Need, News};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::{Origin, Scope};
use crate::view::{Survey, TaskRow, TaskText as _, duration_text, warn_about};

/// Looking more often than this only costs.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// How long a look by way of a server may take: as long as is left to wait, but not shorter and
/// not longer than this.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(30);

/// For how long a server that is started again may not answer.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// Waits for tasks.
pub fn run(ctx: &mut Context, args: &WatchArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    scope.require_project()?;
    let backend = backend::open(ctx, Need::Look)?;
    let tasks = named_tasks(ctx, args)?;
    if let Backend::Local = &backend {
        let project = scope.existing_project()?;
        for task in &tasks {
            scope.existing(project.id(), task)?;
        }
    }
    let mut watch = Watch {
        until: args.until,
        is_named: !tasks.is_empty(),
        seen: HashMap::new(),
        problems_told: 0,
        started: Instant::now(),
        timeout: args.timeout,
        unanswered: None,
    };
    let project = scope.require_project()?;
    let mut news = match &backend {
        Backend::Local => None,
        Backend::Server(server) => Some(News::new(server, About::Tasks, project, None)),
    };
    let interval = args.interval.max(SHORTEST_INTERVAL);
    loop {
        let Some(survey) = watch.look(ctx, &backend, &scope, &tasks)? else {
            let left = watch.left().unwrap_or(interval);
            if left.is_zero() {
                return Err(gave_up(args.timeout, "the server does not answer"));
            }
            std::thread::sleep(interval.min(left));
            continue;
        };
        let verdict = watch.judge(&survey);
        watch.print(ctx, &survey, verdict.is_some())?;
        if let Some(exit) = verdict {
            return Ok(watch.conclude(ctx, &survey, exit));
        }
        let pause = (news.as_ref()).map_or(interval, |news| news.patience(interval));
        let left = watch.left().unwrap_or(pause);
        if left.is_zero() {
            return Err(timed_out(&survey, args.timeout));
        }
        let pause = pause.min(left);
        match &mut news {
            None => std::thread::sleep(pause),
            Some(news) => {
                news.within(pause);
            }
        }
    }
}

/// Returns the tasks named by position and by `--task`, each once.
fn named_tasks(ctx: &Context, args: &WatchArgs) -> Result<Vec<TaskId>, CliError> {
    let mut tasks = Vec::new();
    for text in args.ids.iter().chain(&ctx.global.tasks) {
        let task = TaskId::parse_existing(text).map_err(|error| {
            CliError::usage(format!("{error} (from {})", Origin::Flag("--task")))
        })?;
        if !tasks.contains(&task) {
            tasks.push(task);
        }
    }
    Ok(tasks)
}

struct Watch {
    until: Until,
    /// Whether the tasks were named, rather than all there are.
    is_named: bool,
    seen: HashMap<TaskId, TaskStatus>,
    problems_told: usize,
    started: Instant,
    /// How long to wait; nothing is for ever.
    timeout: Duration,
    /// Since when the server does not answer.
    unanswered: Option<Instant>,
}

impl Watch {
    /// Returns how long there is left to wait; none is for ever.
    fn left(&self) -> Option<Duration> {
        let left = self.timeout.saturating_sub(self.started.elapsed());
        (!self.timeout.is_zero()).then_some(left)
    }

    /// Looks at the tasks; `None` while a server that answered before does not.
    fn look(
        &mut self,
        ctx: &mut Context,
        backend: &Backend,
        scope: &Scope,
        tasks: &[TaskId],
    ) -> Result<Option<Survey>, CliError> {
        let limit = self.left().unwrap_or(LONGEST_LOOK);
        let limit = limit.clamp(SHORTEST_LOOK, LONGEST_LOOK);
        match backend.watched(ctx, scope, tasks, limit) {
            Ok(survey) => {
                self.unanswered = None;
                Ok(Some(survey))
            }
            Err(error) if matches!(error.exit(), Exit::Unreachable | Exit::Timeout) => {
                let since = *self.unanswered.get_or_insert_with(|| {
                    let text = error.chain();
                    ctx.console.note(format_args!("{text}; trying again"));
                    Instant::now()
                });
                if since.elapsed() > LONGEST_SILENCE {
                    return Err(error);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells how the watch ends, if it does now.
    fn judge(&self, survey: &Survey) -> Option<Exit> {
        let relevant = || survey.rows.iter().filter(|row| self.counts(row));
        let has_failed = relevant().any(|row| row.is_terminal() && !row.is_success());
        let is_over = match self.until {
            Until::Done => relevant().all(TaskRow::is_terminal),
            Until::Idle => survey.rows.iter().all(|row| !row.active),
            Until::AnyFailed => has_failed || relevant().all(TaskRow::is_terminal),
        };
        let exit = if has_failed {
            Exit::Failed
        } else {
            Exit::Success
        };
        is_over.then_some(exit)
    }

    /// A task that was never started holds up only those who name it.
    fn counts(&self, row: &TaskRow) -> bool {
        self.is_named || !matches!(row.status, TaskStatus::Idle | TaskStatus::Unknown)
    }

    fn print(&mut self, ctx: &mut Context, survey: &Survey, is_over: bool) -> Result<(), CliError> {
        let new_problems = survey.problems.get(self.problems_told..);
        warn_about(&mut ctx.console, new_problems.unwrap_or_default());
        self.problems_told = self.problems_told.max(survey.problems.len());
        let changed: Vec<(&TaskRow, Option<TaskStatus>)> = survey
            .rows
            .iter()
            .map(|row| (row, self.seen.insert(row.task_id.clone(), row.status)))
            .filter(|(row, before)| *before != Some(row.status))
            .collect();
        if ctx.console.is_json() {
            if changed.is_empty() && !is_over {
                return Ok(());
            }
            let rows: Vec<&TaskRow> = changed.iter().map(|(row, _)| *row).collect();
            ctx.console.json(&json!({
                "tasks": rows,
                "all_done": survey.rows.iter().all(TaskRow::is_terminal),
                "all_finished": survey.is_all_finished(),
                "counts": survey.counts(),
                "elapsed": self.started.elapsed().as_secs(),
            }))?;
        } else {
            for (row, before) in changed {
                let before = before.map(|before| format!("{before} -> "));
                let note = Some(row.note()).filter(|note| !note.is_empty());
                let note = note.map(|note| format!(" ({note})"));
                ctx.console.line(format_args!(
                    "{} {}{}{}",
                    row.task_id,
                    before.unwrap_or_default(),
                    row.status,
                    note.unwrap_or_default()
                ))?;
            }
        }
        // Whoever waits in a pipe wants each change when it happens.
        ctx.console.flush()
    }

    fn conclude(&self, ctx: &mut Context, survey: &Survey, exit: Exit) -> Exit {
        let tasks = survey.rows.len();
        if tasks == 0 {
            ctx.console.note("There are no tasks to watch");
            return exit;
        }
        let failed: Vec<&str> = survey
            .rows
            .iter()
            .filter(|row| self.counts(row) && row.is_terminal() && !row.is_success())
            .map(|row| row.task_id.as_str())
            .collect();
        let elapsed = self.started.elapsed().as_secs();
        let elapsed = duration_text(i64::try_from(elapsed).unwrap_or(i64::MAX));
        if failed.is_empty() {
            ctx.console.note(format_args!(
                "{tasks} tasks watched for {elapsed}, none failed"
            ));
        } else {
            let names = failed.join(", ");
            let count = failed.len();
            ctx.console.note(format_args!(
                "{count} of {tasks} tasks did not succeed: {names}"
            ));
        }
        exit
    }
}

fn timed_out(survey: &Survey, timeout: Duration) -> CliError {
    let open: Vec<&str> = survey
        .rows
        .iter()
        .filter(|row| !row.is_terminal())
        .map(|row| row.task_id.as_str())
        .collect();
    gave_up(timeout, &open.join(", "))
}

fn gave_up(timeout: Duration, what: &str) -> CliError {
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    let after = duration_text(seconds);
    let message = format!("gave up waiting after {after}: {what}");
    CliError::new(Exit::Timeout, message)
        .hint("the tasks go on; watch again, with a longer --timeout or with 0 for ever")
}
